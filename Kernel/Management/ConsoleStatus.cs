using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Management;

/// <summary>
/// Says on the machine's console what the node is and how it stands, whenever that changes: who
/// stands before it has no other way to see.
/// </summary>
internal sealed class ConsoleStatus : IAsyncDisposable
{
    private readonly Node node;
    private readonly string path;
    private readonly ILogger log;
    private readonly CancellationTokenSource ending = new();
    private readonly Task showing;

    private ConsoleStatus(Node node, string path, ILogger log)
    {
        this.node = node;
        this.path = path;
        this.log = log;
        showing = Task.Run(ShowAsync);
    }

    /// <summary>Begins to show the node's state.</summary>
    internal static ConsoleStatus Start(Node node, string path, ILogger log) =>
        new(node, path, log);

    /// <summary>What is shown, from a status document.</summary>
    internal static string Text(JsonObject status, string address)
    {
        JsonNode? session = status["session"];
        JsonNode? partner = status["partner"];
        StringBuilder text = new();
        text.Append($"== {status["name"]}  {status["transport"]} {address}  {status["phase"]}")
            .Append($"  session with {partner?["name"]}: {session?["state"]}")
            .Append('\n');
        foreach (JsonNode? volume in status["volumes"] as JsonArray ?? [])
        {
            string owner = $"{volume?["owner"]}";
            text.Append($"   {volume?["name"]}: {volume?["state"]} at ")
                .Append(owner.Length > 0 ? owner : "nobody")
                .Append($", {volume?["sync"]}  {volume?["uri"]}\n");
        }

        return text.ToString();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        await showing;
        ending.Dispose();
    }

    private async Task ShowAsync()
    {
        string shown = "";
        using PeriodicTimer timer = new(Limits.ConsolePeriod);
        try
        {
            do
            {
                JsonObject status = await StatusDocument.OfAsync(node);
                string text = Text(status, node.Settings.Transport.Address);
                if (text != shown)
                {
                    await File.AppendAllTextAsync(path, text, ending.Token);
                    shown = text;
                }
            }
            while (await timer.WaitForNextTickAsync(ending.Token));
        }
        catch (OperationCanceledException)
        {
            return; // The node ends.
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            KernelEvents.ConsoleMissing.Raise(log, path, failure.Message);
        }
    }
}
