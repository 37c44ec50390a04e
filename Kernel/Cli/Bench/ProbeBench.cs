using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// What is measured from within a node, by a client that only this command loads: ports, the
/// mirrored log and reconnects of a pair that runs nothing else.
/// </summary>
internal sealed class ProbeBench(BenchView view, int rounds)
{
    private const int ReconnectsPerRound = 40;
    private const int CountedAppends = 1_000_000;
    private const double WriteAim = 1.3;
    private const double SocketAim = 20;
    private const double AppendAim = 2;

    /// <summary>Where the client that measures is built to.</summary>
    internal static string Folder
    {
        get
        {
            string folder = Path.GetFullPath(
                Path.Combine(NodeConfiguration.BuiltPlugins, "..", "bench", "Probe"));
            return File.Exists(Path.Combine(folder, "plugin.json")) ? folder
                : throw new RefusedException(new Refusal(
                    "bench", $"the measuring client in {folder}", "none",
                    "run it from the sources: ./storageos bench"));
        }
    }

    /// <summary>Runs the parts that were asked for.</summary>
    internal async Task RunAsync(
        IReadOnlyCollection<string> parts, JsonObject results, CancellationToken cancellation)
    {
        string probe = Folder;
        if (parts.Contains("port") || parts.Contains("append"))
        {
            await FromWithinAsync(probe, parts, results, cancellation);
        }

        if (parts.Contains("handshake"))
        {
            // With every client that a pair has, for each has its part in becoming ready.
            await using BenchPair pair = await BenchPair.StartAsync(
                [probe], null, BenchPair.VolumeBytes, null, cancellation);
            results["handshake"] = await HandshakeAsync(pair, cancellation);
        }
    }

    private async Task FromWithinAsync(
        string probe, IReadOnlyCollection<string> parts, JsonObject results,
        CancellationToken cancellation)
    {
        string echo = Path.Combine(Path.GetTempPath(), $"storageos-echo-{Environment.ProcessId}");
        await using BenchPair pair = await BenchPair.StartAsync(
            [probe], ["nvram-mirror", "bench-probe"], Size.MiB,
            new JsonObject { ["echo"] = echo, ["ringBytes"] = 64 * Size.MiB }, cancellation);
        try
        {
            if (parts.Contains("port"))
            {
                results["port"] = await PortAsync(pair, echo, cancellation);
            }

            if (parts.Contains("append"))
            {
                results["append"] = await AppendAsync(pair, cancellation);
            }
        }
        finally
        {
            File.Delete(echo);
        }
    }

    private async Task<JsonObject> PortAsync(
        BenchPair pair, string echo, CancellationToken cancellation)
    {
        JsonObject results = [];
        foreach (int bytes in new[] { 64, 4096 })
        {
            view.Progress($"one-sided operations of {bytes} bytes");
            JsonNode answer = (await pair.AskAsync("a", "bench-port", new JsonObject
            {
                ["bytes"] = bytes,
                ["rounds"] = rounds,
                ["echo"] = echo,
            }, cancellation))!;
            Comparison write = Comparison.Of(answer["write"]!);
            Comparison socket = Comparison.Of(answer["socket"]!);
            results[$"write{bytes}"] = write.ToJson(
                "a plain copy", bytes == 4096 ? $"at most {WriteAim} times" : null,
                write.MedianRatio <= WriteAim);
            results[$"read{bytes}"] =
                Comparison.Of(answer["read"]!).ToJson("a plain copy", null, false);
            results[$"socket{bytes}"] = socket.ToJson(
                "a UNIX-socket ping-pong", bytes == 4096 ? $"{SocketAim} times faster" : null,
                1 / socket.MedianRatio >= SocketAim);
        }

        return results;
    }

    private async Task<JsonObject> AppendAsync(BenchPair pair, CancellationToken cancellation)
    {
        _ = await pair.AskAsync("b", "bench-passive", [], cancellation);
        JsonObject results = [];
        double[] medians = new double[2];
        foreach ((int i, int depth) in new[] { (0, 1), (1, 32) })
        {
            view.Progress($"mirrored appends at depth {depth}");
            JsonNode answer = (await pair.AskAsync("a", "bench-append", new JsonObject
            {
                ["depth"] = depth,
                ["rounds"] = rounds,
            }, cancellation))!;
            Comparison appends = Comparison.Of(answer["rounds"]!);
            medians[i] = appends.OurMedian;
            results[$"depth{depth}"] = appends.ToJson(
                "two copies and one CRC-32C",
                depth == 1 ? $"at most {AppendAim} times" : "no slower than depth 1",
                depth == 1 ? appends.MedianRatio <= AppendAim : medians[1] <= medians[0]);
        }

        view.Progress($"{CountedAppends:N0} mirrored appends, allocations counted");
        JsonNode counted = (await pair.AskAsync("a", "bench-allocated",
            new JsonObject { ["appends"] = CountedAppends }, cancellation))!;
        JsonObject allocated = counted.DeepClone().AsObject();
        allocated["aim"] = "0 bytes, 0 collections";
        allocated["reached"] = allocated["allocatedBytes"]!.GetValue<long>() == 0
            && allocated["collections"]!.GetValue<int>() == 0;
        results["allocated"] = allocated;
        return results;
    }

    private async Task<JsonObject> HandshakeAsync(BenchPair pair, CancellationToken cancellation)
    {
        Samples handshake = new();
        Samples whole = new();
        int reconnects = ReconnectsPerRound * rounds;
        for (int i = 0; i < reconnects; i++)
        {
            view.Progress("reconnects", i, reconnects);
            JsonNode? answer = await pair.AskAsync("a", "bench-reconnect", [], cancellation);
            whole.Add(answer!["reconnectMs"]!.GetValue<double>());
            JsonObject status = await pair.StatusAsync("a", cancellation);
            handshake.Add(status["session"]!["handshakeMs"]!.GetValue<double>());
        }

        return new JsonObject
        {
            ["reconnects"] = reconnects,
            ["firstReadToReadyMs"] = Of(handshake),
            ["endToReadyMs"] = Of(whole),
        };

        static JsonObject Of(Samples samples) => new()
        {
            ["p50"] = Math.Round(samples.Median, 2),
            ["p99"] = Math.Round(samples.Percentile(99), 2),
            ["worst"] = Math.Round(samples.Worst, 2),
        };
    }
}
