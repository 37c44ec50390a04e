using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// Boots as the outside sees them: from the start of a guest to what its console says of itself.
/// </summary>
internal sealed class BootBench(BenchGuests guests, BenchView view)
{
    /// <summary>Said of the step that follows both sides' having seen each other.</summary>
    private const string Connected = "handshake: AwaitConfirmed";

    private const string Loading = "boot[0] 2/4";
    private const string Serving = "boot[0] 4/4";
    private static readonly TimeSpan BootTimeMax = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20);

    private readonly PairLayout pair = guests.Layout;

    /// <summary>Starts both guests at once.</summary>
    internal async Task<JsonObject> StartAsync(CancellationToken cancellation)
    {
        view.Progress("booting both guests");
        JsonObject result = [];
        foreach (string name in PairLayout.Names)
        {
            _ = await NodeProcess.StartAsync(pair, name, cancellation);
        }

        long from = Stopwatch.GetTimestamp();
        foreach ((string name, Task<JsonObject> boot) in PairLayout.Names.Select(
            name => (name, WatchAsync(name, 0, from, cancellation))).ToArray())
        {
            result[name] = await boot;
        }

        return result;
    }

    /// <summary>How much a guest's console has said: its boots follow each other there.</summary>
    internal int Said(string name) => Console(name).Length;

    /// <summary>
    /// Watches the console of a guest that was just started, until it serves.
    /// </summary>
    /// <param name="name">The guest.</param>
    /// <param name="said">What its console had said before.</param>
    /// <param name="from">When it was started.</param>
    /// <param name="cancellation">Ends the watch.</param>
    internal async Task<JsonObject> WatchAsync(
        string name, int said, long from, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(LookAgain);
        double? connected = null;
        while (true)
        {
            string console = Console(name);
            console = console[Math.Min(said, console.Length)..];
            double now = Math.Round(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
            int at = console.IndexOf(Connected, StringComparison.Ordinal);
            connected ??= at >= 0 ? now : null;
            if (connected is not null && console.Contains(Serving, StringComparison.Ordinal))
            {
                return new JsonObject
                {
                    ["connectedMs"] = connected,
                    ["servingMs"] = now,
                    ["aim"] = "connected before the first client plugin is loaded",
                    ["reached"] = at < console.IndexOf(Loading, StringComparison.Ordinal),
                };
            }

            if (Stopwatch.GetElapsedTime(from) > BootTimeMax)
            {
                throw new RefusedException(new Refusal(
                    $"guest {name}", $"to serve within {BootTimeMax.TotalMinutes} minutes",
                    NodeProcess.LastWords(pair, name), $"see {pair.Log(name)}"));
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }
    }

    private string Console(string name) =>
        File.Exists(pair.Log(name)) ? File.ReadAllText(pair.Log(name)) : "";
}
