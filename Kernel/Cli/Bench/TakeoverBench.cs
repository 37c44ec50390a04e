using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// From the last acknowledgement by the owner to the first one by the survivor, as a client that
/// writes at depth 1 and connects anew sees it. The nodes take turns: whoever survived is next.
/// </summary>
internal sealed class TakeoverBench(
    BenchView view, int times, IReadOnlyList<string> etcd)
{
    private const long VolumeBytes = 64L * Size.MiB;
    private const double KillAimMedianMs = 20;
    private const double KillAimWorstMs = 50;
    private static readonly TimeSpan Before = TimeSpan.FromMilliseconds(700);

    // Of a node that was just booted the detector knows little; both have been up for a while here.
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(40);
    private static readonly TimeSpan After = TimeSpan.FromMilliseconds(100);

    // Long enough for the detector to take it for a stop and not for a hiccup to be learnt from.
    private static readonly TimeSpan Stopped = TimeSpan.FromMilliseconds(1200);

    private readonly record struct Take(
        double StallMs, double DetectMs, double ServeMs, double GapMs, JsonNode? Steps)
    {
        /// <summary>Three times the largest beat gap seen lately and 10 ms.</summary>
        public double StopAimMs => (3 * GapMs) + 10;
    }

    /// <summary>Runs both kinds.</summary>
    internal async Task<JsonObject> RunAsync(CancellationToken cancellation)
    {
        await using BenchPair pair = await BenchPair.StartAsync(
            [], null, VolumeBytes, null, cancellation, etcd: etcd);
        StallWriter writer = new(pair.Port, "vol0", VolumeBytes);
        using CancellationTokenSource stop =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task writing = Task.Run(() => writer.RunAsync(stop.Token), cancellation);
        try
        {
            JsonObject kill = await SeriesAsync(pair, writer, Libc.SIGKILL, cancellation);
            JsonObject pause = await SeriesAsync(pair, writer, Libc.SIGSTOP, cancellation);
            return new JsonObject { ["kill"] = kill, ["stop"] = pause };
        }
        finally
        {
            await stop.CancelAsync();
            await writing;
        }
    }

    private async Task<JsonObject> SeriesAsync(
        BenchPair pair, StallWriter writer, int signal, CancellationToken cancellation)
    {
        bool kill = signal == Libc.SIGKILL;
        List<Take> takes = [];
        _ = await pair.InSyncAsync(cancellation);
        if (times > 1)
        {
            await BenchPair.WaitAsync(Settle, cancellation); // One alone is no figure anyway.
        }

        for (int i = 0; i < times; i++)
        {
            view.Progress(kill ? "takeover after kill -9" : "takeover after SIGSTOP", i, times);
            takes.Add(await OnceAsync(pair, writer, signal, cancellation));
        }

        Samples stall = new(takes.Select(take => take.StallMs));
        JsonObject result = new()
        {
            ["times"] = times,
            ["p50Ms"] = Round(stall.Median),
            ["p99Ms"] = Round(stall.Percentile(99)),
            ["worstMs"] = Round(stall.Worst),
            ["detectP50Ms"] = Round(new Samples(takes.Select(t => t.DetectMs)).Median),
            ["serveP50Ms"] = Round(new Samples(takes.Select(t => t.ServeMs)).Median),
            ["takes"] = new JsonArray([.. takes.Select(Json)]),
        };
        if (kill)
        {
            result["aim"] = $"p50 {KillAimMedianMs} ms, worst {KillAimWorstMs} ms";
            result["reached"] = stall.Median <= KillAimMedianMs && stall.Worst <= KillAimWorstMs;
        }
        else
        {
            result["aim"] = "at most 3 times the largest beat gap seen lately + 10 ms, each time";
            result["reachedTimes"] = takes.Count(take => take.StallMs <= take.StopAimMs);
            result["reached"] = takes.All(take => take.StallMs <= take.StopAimMs);
        }

        return result;
    }

    private static async Task<Take> OnceAsync(
        BenchPair pair, StallWriter writer, int signal, CancellationToken cancellation)
    {
        string owner = await pair.InSyncAsync(cancellation);
        string survivor = owner == "a" ? "b" : "a";
        await BenchPair.WaitAsync(Before, cancellation);
        JsonObject before = await pair.StatusAsync(survivor, cancellation);
        long answers = writer.Answers;
        writer.Reset();
        pair.Signal(owner, signal);
        long from = Stopwatch.GetTimestamp();
        while (writer.Answers < answers + 100 || writer.LargestGap < TimeSpan.FromMilliseconds(2))
        {
            await BenchPair.WaitAsync(TimeSpan.FromMilliseconds(5), cancellation);
            if (Stopwatch.GetElapsedTime(from) > TimeSpan.FromSeconds(30))
            {
                throw new TimeoutException("nobody served within 30 s after the owner went");
            }
        }

        await BenchPair.WaitAsync(signal == Libc.SIGKILL ? After : Stopped, cancellation);
        double stall = writer.LargestGap.TotalMilliseconds;
        JsonObject after = await pair.StatusAsync(survivor, cancellation);
        JsonNode? takeover = after["sections"]?["ownership"]?["groups"]?[0]?["lastTakeover"];
        if (signal == Libc.SIGKILL)
        {
            await pair.RestartAsync(owner, cancellation);
        }
        else
        {
            pair.Signal(owner, Libc.SIGCONT);
        }

        return new Take(
            stall,
            Number(takeover?["detectMs"]),
            Number(takeover?["takeoverMs"]),
            Number(before["partner"]?["largestBeatGapMs"]),
            takeover?["steps"]?.DeepClone());
    }

    private static double Number(JsonNode? node) => node?.GetValue<double>() ?? double.NaN;

    private static double Round(double value) => Math.Round(value, 2);

    private static JsonNode Json(Take take) => new JsonObject
    {
        ["stallMs"] = Round(take.StallMs),
        ["detectMs"] = Round(take.DetectMs),
        ["serveMs"] = Round(take.ServeMs),
        ["largestBeatGapMs"] = Round(take.GapMs),
        ["steps"] = take.Steps,
    };
}
