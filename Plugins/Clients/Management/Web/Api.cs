using System.Globalization;
using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using StorageOs.Contracts.Runtime;
using StorageOs.Management.Node;

namespace StorageOs.Management.Web;

/// <summary>Whose token it is, and whose node.</summary>
/// <param name="Node">Name of the node.</param>
/// <param name="Name">Name of whoever asks.</param>
/// <param name="Role"><c>viewer</c> or <c>operator</c>.</param>
internal sealed record WhoBody(string Node, string Name, string Role);

/// <summary>Events of both nodes, oldest first.</summary>
/// <param name="Events">Each with node, time, severity, text and what it is about.</param>
internal sealed record EventsBody(JsonArray Events);

/// <summary>Every address of the API.</summary>
internal static class Api
{
    private const string Base = "/api/v1";
    private static readonly TimeSpan LookTimeMax = TimeSpan.FromSeconds(5);

    /// <summary>Adds them.</summary>
    public static void Map(
        IEndpointRouteBuilder routes, NodeView view, Feed feed, Gate gate, Actions actions)
    {
        routes.MapGet("/livez", (CancellationToken cancellation) =>
                Health.LiveAsync(view, cancellation))
            .WithSummary("Whether the node answers.");
        routes.MapGet("/readyz", (HttpRequest request, CancellationToken cancellation) =>
                Health.ReadyAsync(view, request, cancellation))
            .WithSummary("Whether the node serves; with ?verbose, all that was looked at.");
        RouteGroupBuilder api = routes.MapGroup(Base);
        MapLooks(api, view);
        MapStream(api, view, feed, gate);
        MapActions(api, actions);
        // Without a pattern it would leave out whatever looks like a file.
        routes.MapFallback("{*path}", static (HttpRequest request) => Page.Has(request.Path.Value!)
            ? Page.Get(request.Path.Value!)
            : Answers.Refused(StatusCodes.Status404NotFound, new(
                "request", "an address that /openapi/v1.json lists",
                $"{request.Method} {request.Path}")));
    }

    private static void MapLooks(RouteGroupBuilder api, NodeView view)
    {
        api.MapGet("/whoami", (HttpContext context) =>
            {
                Caller caller = Caller.Of(context);
                return new WhoBody(
                    view.Name, caller.Name, caller.Role.ToString().ToLowerInvariant());
            })
            .WithSummary("Who is asking, and what they may do.");
        api.MapGet("/status", (CancellationToken cancellation) => LookAsync(
                async () => Results.Json(await view.StatusAsync(cancellation))))
            .WithSummary("All that the node knows of itself and of its partner.")
            .Produces<JsonObject>();
        api.MapGet("/events", (string? since, CancellationToken cancellation) => LookAsync(
                async () => Age(since, out TimeSpan? age)
                    ? Results.Json(new EventsBody(
                        await view.EventsAsync(age, cancellation)))
                    : Answers.Refused(StatusCodes.Status400BadRequest, new(
                        "since", "a number with s, m, h or d, such as 10m", $"\"{since}\""))))
            .WithSummary("What both nodes did, in one order; with ?since=10m, lately.")
            .Produces<EventsBody>().Produces<RefusedBody>(StatusCodes.Status400BadRequest);
        api.MapGet("/recorder", (CancellationToken cancellation) => LookAsync(
                async () => Results.Json(
                    await view.AskAsync("events", [], LookTimeMax, cancellation))))
            .WithSummary("The node's flight recorder, and what it has of its partner's.")
            .Produces<JsonObject>();
    }

    private static void MapStream(
        RouteGroupBuilder api, NodeView view, Feed feed, Gate gate) =>
        api.MapGet("/stream", (HttpContext context, CancellationToken cancellation) => LookAsync(
                async () =>
                {
                    await feed.Looked.WaitAsync(LookTimeMax, cancellation);
                    string status = (await view.StatusAsync(cancellation)).ToJsonString();
                    return feed.HasRoom
                        ? TypedResults.ServerSentEvents(StreamAsync(
                            status, feed, () => gate.Knows(Caller.Of(context)), cancellation))
                        : Answers.Refused(StatusCodes.Status429TooManyRequests, new(
                            "stream", "fewer that listen", "as many as may", "close some"));
                }))
            .WithSummary("What changes, as server-sent events: status, rates, event, keepalive.");

    private static void MapActions(RouteGroupBuilder api, Actions actions)
    {
        void Act(string path, Delegate does, string summary) => api.MapPost(path, does)
            .WithSummary(summary)
            .Produces<DoneBody>()
            .Produces<RefusedBody>(StatusCodes.Status403Forbidden)
            .Produces<RefusedBody>(StatusCodes.Status409Conflict)
            .Produces<RefusedBody>(StatusCodes.Status503ServiceUnavailable);
        Act(
            "/takeover", ([FromBody] TakeoverBody body, HttpContext context) =>
                actions.TakeoverAsync(body, context),
            "Moves a group to this node, or says what would hinder it.");
        Act(
            "/giveback", ([FromBody] GivebackBody body, HttpContext context) =>
                actions.GivebackAsync(body, context),
            "Moves a group home to this node.");
        Act(
            "/scrub", (HttpContext context) => actions.ScrubAsync(context),
            "Compares both copies of what this node owns, from now on.");
        Act(
            "/trace", ([FromBody] TraceBody body, HttpContext context) =>
                actions.TraceAsync(body, context),
            "Waits for the next writes to what this node serves, and says where their time went.");
        Act(
            "/trace/stop", (HttpContext context) => actions.StopTraceAsync(context),
            "Has whoever waits for traced writes be answered with what there is.");
    }

    /// <summary>Until it ends, or whoever listens would not be let in any more.</summary>
    private static async IAsyncEnumerable<SseItem<string>> StreamAsync(
        string status, Feed feed, Func<bool> isKnown,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        yield return new SseItem<string>(status, "status");
        await foreach (FeedItem item in feed.ListenAsync(cancellation))
        {
            if (!isKnown())
            {
                yield break;
            }

            yield return new SseItem<string>(item.Text, item.Kind);
        }
    }

    private static async Task<IResult> LookAsync(Func<Task<IResult>> look)
    {
        try
        {
            return await look();
        }
        catch (RefusedException refused)
        {
            return Answers.Refused(StatusCodes.Status503ServiceUnavailable, refused.Refusal);
        }
        catch (TimeoutException)
        {
            return Answers.Refused(StatusCodes.Status503ServiceUnavailable, new(
                "the node's status", "an answer within 5 s", "none"));
        }
    }

    private static bool Age(string? text, out TimeSpan? age)
    {
        age = null;
        if (text is null)
        {
            return true;
        }

        int number = 0;
        bool good = text.Length is > 1 and < 6 && int.TryParse(
            text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out number);
        age = !good ? null : text[^1] switch
        {
            's' => TimeSpan.FromSeconds(number),
            'm' => TimeSpan.FromMinutes(number),
            'h' => TimeSpan.FromHours(number),
            'd' => TimeSpan.FromDays(number),
            _ => null,
        };
        return age is not null;
    }
}
