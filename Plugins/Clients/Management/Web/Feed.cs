using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using StorageOs.Management.Metrics;
using StorageOs.Management.Node;

namespace StorageOs.Management.Web;

/// <summary>One thing that a stream tells.</summary>
/// <param name="Kind"><c>status</c>, <c>rates</c>, <c>event</c> or <c>keepalive</c>.</param>
/// <param name="Text">The document.</param>
internal readonly record struct FeedItem(string Kind, string Text);

/// <summary>
/// Tells all who listen what changes: one look at the node for all of them, and none for nobody.
/// </summary>
internal sealed class Feed : IAsyncDisposable
{
    // Two rings of events may come at once, when a partner's is read anew.
    private const int BehindMax = 1024;
    private const int ListenersMax = 32;
    private const int KeepaliveLooks = 10;
    private const int IdleLooks = 20;
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(500);
    private readonly NodeView view;
    private readonly Rates rates;
    private readonly ILogger log;
    private readonly ConcurrentDictionary<Channel<FeedItem>, byte> listeners = [];
    private readonly CancellationTokenSource ends = new();
    private readonly Task running;
    private readonly TaskCompletionSource looked =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private HashSet<string> told = [];
    private string recorded = "";

    public Feed(NodeView view, Rates rates, ILogger log)
    {
        (this.view, this.rates, this.log) = (view, rates, log);
        rates.Measured += document => Tell(new FeedItem("rates", document.ToJsonString()));
        running = Task.Run(RunAsync);
    }

    /// <summary>
    /// Completes once it is known what has happened already: nothing that happens after that is
    /// missed by who listens.
    /// </summary>
    public Task Looked => looked.Task;

    /// <summary>Whether one more may listen.</summary>
    public bool HasRoom => listeners.Count < ListenersMax;

    /// <summary>
    /// What happens from now on. It ends when the node stops, and for one who falls too far behind:
    /// who comes again asks for what was missed.
    /// </summary>
    public async IAsyncEnumerable<FeedItem> ListenAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        Channel<FeedItem> own = Channel.CreateBounded<FeedItem>(BehindMax);
        listeners[own] = 0;
        try
        {
            await foreach (FeedItem item in own.Reader.ReadAllAsync(cancellation))
            {
                yield return item;
            }
        }
        finally
        {
            _ = listeners.TryRemove(own, out _);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await ends.CancelAsync();
        await running;
        foreach (Channel<FeedItem> listener in listeners.Keys)
        {
            _ = listener.Writer.TryComplete();
        }

        ends.Dispose();
    }

    private async Task RunAsync()
    {
        using PeriodicTimer timer = new(LookPeriod);
        string last = "";
        int looks = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(ends.Token))
            {
                looks++;
                if (listeners.IsEmpty)
                {
                    // Whoever comes is told what is new then, and not what was in between.
                    last = "";
                    if (looks % IdleLooks == 1 || !looked.Task.IsCompleted)
                    {
                        _ = await LookAsync("");
                    }

                    continue;
                }

                last = await LookAsync(last);
                if (looks % KeepaliveLooks == 0)
                {
                    Tell(new FeedItem("keepalive", "{}"));
                }
            }
        }
        catch (OperationCanceledException) when (ends.IsCancellationRequested)
        {
            log.LogDebug("the feed has ended");
        }
    }

    private async Task<string> LookAsync(string last)
    {
        try
        {
            JsonObject status = await view.StatusAsync(ends.Token);
            string known = $"{status["node"]?["recorded"]}";
            if (known != recorded)
            {
                await TellEventsAsync();
                recorded = known;
            }

            string state = $"{status["node"]?.ToJsonString()}{status["partnerUrl"]}";
            if (state != last)
            {
                Tell(new FeedItem("status", status.ToJsonString()));
            }

            return state;
        }
        catch (Exception failure) when (!ends.IsCancellationRequested)
        {
            log.LogWarning("the node does not tell its status: {Failure}", failure.Message);
            return last;
        }
    }

    /// <summary>
    /// Tells what is newer than at the last look; a page drops what it has already. Of the first
    /// look nothing.
    /// </summary>
    private async Task TellEventsAsync()
    {
        JsonObject[] all =
            [.. (await view.EventsAsync(null, ends.Token)).OfType<JsonObject>()];
        HashSet<string> before = told;
        told = [.. all.Select(IdOf)];
        bool isFirst = looked.TrySetResult();
        foreach (JsonObject one in all.Where(one => !isFirst && !before.Contains(IdOf(one))))
        {
            Tell(new FeedItem("event", one.ToJsonString()));
        }
    }

    private static string IdOf(JsonObject one) =>
        $"{one["node"]} {one["epoch"]} {one["sequence"]}";

    private void Tell(FeedItem item)
    {
        foreach (Channel<FeedItem> listener in listeners.Keys)
        {
            if (!listener.Writer.TryWrite(item) && listeners.TryRemove(listener, out _))
            {
                _ = listener.Writer.TryComplete();
            }
        }
    }
}
