using System.Net.ServerSentEvents;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Remote;

namespace StorageOs.Kernel.Cli.Top;

/// <summary>What a node tells of its last second, kept up to date until it is disposed.</summary>
internal sealed class NodeFeed : IAsyncDisposable
{
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    /// <summary>Rates come each second.</summary>
    private static readonly TimeSpan SilenceMax = TimeSpan.FromSeconds(3);

    private readonly CancellationTokenSource ending = new();
    private readonly string api;
    private readonly Task listening;
    private volatile JsonNode? rates;
    private volatile string trouble = "not asked yet";

    /// <param name="name">The node's name.</param>
    /// <param name="api">Where its API is, as <see cref="PairLayout.Api"/> says it.</param>
    internal NodeFeed(string name, string api)
    {
        (Name, this.api) = (name, api);
        listening = Task.Run(ListenAsync);
    }

    /// <summary>The node's name.</summary>
    internal string Name { get; }

    /// <summary>Volumes it serves, each with its rates; null while it does not answer.</summary>
    internal JsonNode? Rates => rates;

    /// <summary>Why it does not answer; empty when it does.</summary>
    internal string Trouble => trouble;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        await listening;
        ending.Dispose();
    }

    private async Task ListenAsync()
    {
        while (!ending.IsCancellationRequested)
        {
            try
            {
                using CancellationTokenSource silence =
                    CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
                await ListenOnceAsync(silence);
                trouble = "ended";
            }
            catch (OperationCanceledException) when (ending.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure) when (failure is HttpRequestException or IOException
                or JsonException or RefusedException)
            {
                trouble = failure.InnerException?.Message ?? failure.Message;
            }
            catch (OperationCanceledException)
            {
                trouble = $"silent for {SilenceMax.TotalSeconds} s";
            }

            rates = null;
            await Task.WhenAny(Task.Delay(Again, ending.Token));
        }
    }

    private async Task ListenOnceAsync(CancellationTokenSource silence)
    {
        CancellationToken cancellation = silence.Token;
        silence.CancelAfter(SilenceMax);
        using HttpClient http = HttpNode.Client(api);
        using HttpResponseMessage answer = await http.GetAsync(
            new Uri("/api/v1/stream", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead,
            cancellation);
        _ = answer.EnsureSuccessStatusCode();
        await using Stream stream = await answer.Content.ReadAsStreamAsync(cancellation);
        await foreach (SseItem<string> item in SseParser.Create(stream)
            .EnumerateAsync(cancellation))
        {
            silence.CancelAfter(SilenceMax);
            trouble = "";
            if (item.EventType == "rates")
            {
                rates = JsonNode.Parse(item.Data);
            }
        }
    }
}
