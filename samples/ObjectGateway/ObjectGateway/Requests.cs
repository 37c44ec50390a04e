using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Plugins;

namespace Sample.ObjectGateway;

/// <summary>
/// Answers requests, on threads of the pool. This part says what a request is and what becomes of
/// it; others put, get and list. Whatever a client sends ends its own request at most.
/// </summary>
internal sealed partial class Requests(Func<Standing> standing, NodeInfo node, ILogger logger)
    : IHttpApplication<HttpContext>
{
    private static readonly JsonWriterOptions Readable =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Buffers buffers = new();
    private readonly CancellationTokenSource ending = new();
    private readonly TaskCompletionSource idle =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int running = 1; // One is us, until the end.
    private long refused;
    private long damaged;

    /// <summary>Requests that were answered by an error of theirs or ours.</summary>
    public long Refused => Interlocked.Read(ref refused);

    /// <summary>Chunks that were not what was put.</summary>
    public long Damaged => Interlocked.Read(ref damaged);

    /// <summary>Waits until none runs any more; the server takes no new ones.</summary>
    public async Task EndAsync(CancellationToken deadline)
    {
        await ending.CancelAsync();
        Leave();
        await idle.Task.WaitAsync(deadline);
    }

    /// <inheritdoc/>
    public HttpContext CreateContext(IFeatureCollection contextFeatures) =>
        new DefaultHttpContext(contextFeatures);

    /// <inheritdoc/>
    public void DisposeContext(HttpContext context, Exception? exception)
    {
        // Nothing of it is ours.
    }

    /// <inheritdoc/>
    public async Task ProcessRequestAsync(HttpContext context)
    {
        _ = Interlocked.Increment(ref running);
        try
        {
            await AnswerAsync(context);
        }
        catch (Exception end) when (end is OperationCanceledException
            or ConnectionAbortedException or ConnectionResetException)
        {
            logger.LogDebug("a request has ended: {Why}", end.Message);
            context.Abort(); // Nobody is told anything that may not be so.
        }
        finally
        {
            Leave();
        }
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref running) == 0)
        {
            idle.SetResult();
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        string raw = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        if (Target.Read(raw, out string wrong) is not { } target)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, wrong);
            return;
        }

        Standing now = standing();
        if (now.Mount is not { } mount)
        {
            await AwayAsync(context, now.Why);
            return;
        }

        switch (context.Request.Method, target.Key)
        {
            case ("PUT", not null):
                await PutAsync(context, mount, target.FullKey);
                break;
            case ("GET" or "HEAD", not null):
                await GetAsync(context, mount, target.FullKey);
                break;
            case ("DELETE", not null):
                await DeleteAsync(context, mount, target.FullKey);
                break;
            case ("GET", null):
                await ListAsync(context, mount, target.Bucket);
                break;
            default:
                context.Response.Headers.Allow =
                    target.Key is null ? "GET" : "GET, HEAD, PUT, DELETE";
                await RefuseAsync(
                    context, StatusCodes.Status405MethodNotAllowed, context.Request.Method);
                break;
        }
    }

    private async Task ListAsync(HttpContext context, Mounted mount, string bucket)
    {
        const int LimitMax = 1000;
        IQueryCollection query = context.Request.Query;
        int limit = LimitMax;
        if (query.TryGetValue("limit", out var text)
            && (!int.TryParse(text, out limit) || limit is < 1 or > LimitMax))
        {
            await RefuseAsync(
                context, StatusCodes.Status400BadRequest,
                $"limit is a number from 1 to {LimitMax}");
            return;
        }

        string begin = $"{bucket}/";
        string prefix = begin + query["prefix"];
        string after = query.TryGetValue("after", out var last) ? begin + last : "";
        Entry[]? found = await AskAsync(
            mount, store => (Entry[]?)[.. store.Index.From(prefix, after).Take(limit + 1)], null);
        if (found is null)
        {
            await AwayAsync(context, standing().Why);
            return;
        }

        using MemoryStream json = new();
        using (Utf8JsonWriter writer = new(json, Readable))
        {
            writer.WriteStartObject();
            writer.WriteString("bucket", bucket);
            writer.WriteBoolean("more", found.Length > limit);
            writer.WriteStartArray("objects");
            foreach (Entry entry in found.Take(limit))
            {
                writer.WriteStartObject();
                writer.WriteString("key", entry.Key[begin.Length..]);
                writer.WriteNumber("size", entry.Size);
                writer.WriteString("etag", entry.ETag);
                writer.WriteString("modified", ModifiedOf(entry));
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        await SendAsync(context, json);
    }

    private static DateTimeOffset ModifiedOf(Entry entry) =>
        DateTimeOffset.UnixEpoch.AddMilliseconds(
            Math.Clamp(entry.Modified, 0, DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));

    private Task<T> AskAsync<T>(Mounted mount, Func<Store, T> ask, T otherwise) =>
        mount.AskAsync(ask, otherwise).WaitAsync(ending.Token);

    /// <summary>This node does not serve the volume: nothing was done, and who may.</summary>
    private Task AwayAsync(HttpContext context, string why)
    {
        context.Response.Headers.RetryAfter = "1";
        return RefuseAsync(
            context, StatusCodes.Status503ServiceUnavailable,
            why.Length == 0 ? "the volume is being mounted anew" : why, node.PartnerName);
    }

    private async Task RefuseAsync(
        HttpContext context, int status, string why, string? partner = null)
    {
        _ = Interlocked.Increment(ref refused);
        using MemoryStream json = new();
        using (Utf8JsonWriter writer = new(json, Readable))
        {
            writer.WriteStartObject();
            writer.WriteString("error", why);
            if (partner is not null)
            {
                writer.WriteString("partner", partner);
            }

            writer.WriteEndObject();
        }

        context.Response.StatusCode = status;
        await SendAsync(context, json);
    }

    private static async Task SendAsync(HttpContext context, MemoryStream json)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        if (context.Request.Method != "HEAD")
        {
            await context.Response.Body.WriteAsync(
                json.GetBuffer().AsMemory(0, (int)json.Length), context.RequestAborted);
        }
    }
}
