using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Management.Node;

namespace StorageOs.Management.Web;

/// <summary>A planned move of a group to the node that is asked.</summary>
/// <param name="Group">0 or 1.</param>
/// <param name="Check">Only say what would hinder it, and how long it would take.</param>
/// <param name="Override">Plugins whose vetoes are to be overridden.</param>
internal sealed record TakeoverBody(int Group, bool Check = false, string[]? Override = null);

/// <summary>A move of a group home, to the node that is asked.</summary>
/// <param name="Group">0 or 1.</param>
/// <param name="Override">Plugins whose vetoes are to be overridden.</param>
internal sealed record GivebackBody(int Group, string[]? Override = null);

/// <summary>Writes that are to be traced on their way.</summary>
/// <param name="Volume">Of this volume alone; of all that the node serves when left out.</param>
/// <param name="Writes">So many, 1 to 64.</param>
/// <param name="SlowerThanUs">Only those that took longer, in microseconds.</param>
/// <param name="TimeoutMs">How long to wait for them, 1 to 60000.</param>
internal sealed record TraceBody(
    string? Volume = null, int Writes = 1, int SlowerThanUs = 0, int TimeoutMs = 10_000);

/// <summary>
/// What an operator has the node do. Each is told in the node's log, with who asked and what came
/// of it, and so is part of the story of the pair.
/// </summary>
internal sealed class Actions(NodeView view, ILogger log)
{
    private static readonly TimeSpan MoveTimeMax = TimeSpan.FromMinutes(2);
    private const int TraceMsMax = 60_000;
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(20);

    /// <summary>Takes a group over, or says what would hinder it.</summary>
    public Task<IResult> TakeoverAsync(TakeoverBody body, HttpContext context) => body.Check
        ? AskAsync(
            context, $"check of group {body.Group}", "takeover",
            new JsonObject { ["group"] = body.Group, ["check"] = true }, AnswerTimeMax)
        : AskAsync(
            context, $"takeover of group {body.Group}{Over(body.Override)}", "takeover",
            Arguments(body.Group, body.Override), MoveTimeMax);

    /// <summary>Moves a group home; this node must be its home.</summary>
    public Task<IResult> GivebackAsync(GivebackBody body, HttpContext context)
    {
        string what = $"giveback of group {body.Group}{Over(body.Override)}";
        return body.Group == view.HomeGroup
            ? AskAsync(
                context, what, "takeover", Arguments(body.Group, body.Override), MoveTimeMax)
            : Task.FromResult(Answers.Refused(StatusCodes.Status409Conflict, new(
                what, "to be asked of the node at which it is at home", $"asked of {view.Name}",
                "ask the partner")));
    }

    /// <summary>Compares both copies of what this node owns, from now on.</summary>
    public Task<IResult> ScrubAsync(HttpContext context) =>
        AskAsync(context, "scrub", "scrub", [], AnswerTimeMax);

    /// <summary>Traces the next writes; whoever asked and goes has it end.</summary>
    public Task<IResult> TraceAsync(TraceBody body, HttpContext context) => AskAsync(
        context, body.Volume is { } volume ? $"trace of {volume}" : "trace", "trace",
        new JsonObject
        {
            ["volume"] = body.Volume,
            ["writes"] = body.Writes,
            ["slowerThanUs"] = body.SlowerThanUs,
            ["timeoutMs"] = body.TimeoutMs,
        },
        AnswerTimeMax + TimeSpan.FromMilliseconds(Math.Clamp(body.TimeoutMs, 0, TraceMsMax)),
        context.RequestAborted);

    /// <summary>Has whoever waits for traces be answered with what there is.</summary>
    public Task<IResult> StopTraceAsync(HttpContext context) => AskAsync(
        context, "end of trace", "trace", new JsonObject { ["stop"] = true }, AnswerTimeMax);

    private static string Over(string[]? overridden) => overridden is { Length: > 0 }
        ? $", over the veto of {string.Join(", ", overridden)}" : "";

    private static JsonObject Arguments(int group, string[]? overridden)
    {
        JsonObject arguments = new() { ["group"] = group };
        if (overridden is { Length: > 0 })
        {
            arguments["override"] = new JsonArray([.. overridden.Select(id => (JsonNode)id)]);
        }

        return arguments;
    }

    private async Task<IResult> AskAsync(
        HttpContext context, string what, string command, JsonObject arguments, TimeSpan limit,
        CancellationToken cancellation = default)
    {
        Caller caller = Caller.Of(context);
        if (caller.Role != Role.Operator)
        {
            ManagementEvents.Denied.Raise(log, caller, what);
            return Answers.Refused(StatusCodes.Status403Forbidden, new(
                what, "an operator's token", $"one of {caller.Name}, who is a viewer"));
        }

        try
        {
            // Whoever asked may go: nearly all that they can ask for goes on.
            JsonNode? result = await view.AskAsync(command, arguments, limit, cancellation);
            ManagementEvents.Acted.Raise(log, caller, what);
            return Results.Json(new DoneBody(result));
        }
        catch (RefusedException refused)
        {
            ManagementEvents.Refused.Raise(log, caller, what, refused.Refusal);
            return Answers.Refused(StatusCodes.Status409Conflict, refused.Refusal);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return Results.Empty; // Nobody is there to be answered.
        }
        catch (TimeoutException)
        {
            Refusal late = new(
                what, $"an answer within {limit.TotalSeconds} s", "none",
                "see the status for what the node does");
            ManagementEvents.Refused.Raise(log, caller, what, late);
            return Answers.Refused(StatusCodes.Status503ServiceUnavailable, late);
        }
    }
}
