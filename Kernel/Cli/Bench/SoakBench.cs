using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// A pair beside programs that take every processor and a client that allocates without a pause:
/// how often did a node take its living partner for gone?
/// </summary>
internal sealed class SoakBench(BenchView view, TimeSpan time)
{
    private const int Hogs = 8;
    private static readonly TimeSpan LookPeriod = TimeSpan.FromSeconds(5);

    /// <summary>Runs for as long as was asked for.</summary>
    internal async Task<JsonObject> RunAsync(CancellationToken cancellation)
    {
        await using BenchPair pair = await BenchPair.StartAsync(
            [ProbeBench.Folder], null, BenchPair.VolumeBytes,
            new JsonObject { ["allocate"] = "true" }, cancellation);
        _ = await pair.InSyncAsync(cancellation);
        StallWriter writer = new(pair.Port, "vol0", BenchPair.VolumeBytes);
        using CancellationTokenSource stop =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task writing = Task.Run(() => writer.RunAsync(stop.Token), cancellation);
        Tool[] hogs = [.. Enumerable.Range(0, Hogs).Select(static _ =>
            Tool.Start("sh", "-c \"while :; do :; done\""))];
        try
        {
            return await WatchAsync(pair, writer, cancellation);
        }
        finally
        {
            Array.ForEach(hogs, static hog => hog.Dispose());
            await stop.CancelAsync();
            await writing;
        }
    }

    private async Task<JsonObject> WatchAsync(
        BenchPair pair, StallWriter writer, CancellationToken cancellation)
    {
        double largestGap = 0;
        long sessions = 0;
        long takeovers = 0;
        for (long from = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(from) < time;)
        {
            int minutes = (int)Stopwatch.GetElapsedTime(from).TotalMinutes;
            view.Progress($"soak, minute {minutes + 1} of {Math.Ceiling(time.TotalMinutes)}");
            await BenchPair.WaitAsync(LookPeriod, cancellation);
            foreach (string name in PairLayout.Names)
            {
                JsonObject status = await pair.StatusAsync(name, cancellation);
                if (status["session"]?["count"] is not { } count)
                {
                    continue; // Too busy to answer in time; the next look sees what happened.
                }

                sessions = Math.Max(sessions, count.GetValue<long>());
                largestGap = Math.Max(
                    largestGap, status["partner"]!["largestBeatGapMs"]!.GetValue<double>());
                takeovers = Math.Max(takeovers,
                    status["sections"]?["ownership"]?["falseTakeovers"]?.GetValue<long>() ?? 0);
            }
        }

        return new JsonObject
        {
            ["minutes"] = Math.Round(time.TotalMinutes, 1),
            ["sessionsEnded"] = sessions - 1,
            ["falseTakeovers"] = takeovers,
            ["largestBeatGapMs"] = Math.Round(largestGap, 1),
            ["acknowledged"] = writer.Answers,
            ["longestStallMs"] = Math.Round(writer.LargestGap.TotalMilliseconds, 1),
            ["aim"] = "no session ended, no false takeover",
            ["reached"] = sessions == 1 && takeovers == 0,
        };
    }
}
