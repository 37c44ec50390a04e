using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// The mirrored export beside servers that mirror nothing, each driven by fio over TCP in turns.
/// </summary>
internal sealed class ExportBench(BenchView view, int rounds, double seconds)
{
    private const string Ours = "storageos";
    private const string Memory = "nbdkit memory";

    private static readonly Job[] Jobs =
    [
        new("randwrite depth 1", "randwrite", "4k", 1, 1.0),
        new("randwrite depth 32", "randwrite", "4k", 32, 0.9),
        new("randread depth 1", "randread", "4k", 1, null),
        new("randread depth 32", "randread", "4k", 32, null),
        new("write 1 MiB", "write", "1m", 4, null),
        new("read 1 MiB", "read", "1m", 4, null),
    ];

    private sealed record Job(string Name, string Kind, string Block, int Depth, double? Aim);

    private readonly record struct Run(double Iops, double P50Us, double P99Us);

    /// <summary>Starts all servers, then measures.</summary>
    internal async Task<JsonObject> RunAsync(CancellationToken cancellation)
    {
        Tool.Require("fio", "fio");
        Tool.Require("nbdkit", "nbdkit");
        Tool.Require("qemu-nbd", "qemu-utils");
        await using BenchPair pair = await BenchPair.StartAsync(
            [], null, BenchPair.VolumeBytes, null, cancellation);
        string folder = pair.Layout.Directory;
        string[] files = [Path.Combine(folder, "nbdkit.raw"), Path.Combine(folder, "qemu.raw")];
        Array.ForEach(files, static file => MakeFile(file));
        int port = DrillCommand.FreePorts();
        int third = DrillCommand.FreePorts();
        string size = $"{BenchPair.VolumeBytes / Size.MiB}M";
        using Tool memory = Tool.Start("nbdkit", $"-f -i 127.0.0.1 -p {port} memory {size}");
        using Tool file = Tool.Start("nbdkit", $"-f -i 127.0.0.1 -p {port + 1} file {files[0]}");
        using Tool qemu = Tool.Start("qemu-nbd",
            $"-t -e 8 -b 127.0.0.1 -p {third} -f raw --cache=writeback {files[1]}");
        (string Name, string Uri)[] servers =
        [
            (Ours, $"nbd://127.0.0.1:{pair.Port}/vol0"),
            (Memory, $"nbd://127.0.0.1:{port}/"),
            ("nbdkit file", $"nbd://127.0.0.1:{port + 1}/"),
            ("qemu-nbd", $"nbd://127.0.0.1:{third}/"),
        ];
        return await MeasureAsync(servers, cancellation);
    }

    private async Task<JsonObject> MeasureAsync(
        (string Name, string Uri)[] servers, CancellationToken cancellation)
    {
        JsonObject results = [];
        foreach ((int index, Job job) in Jobs.Index())
        {
            List<Run>[] runs = [.. servers.Select(static _ => new List<Run>())];
            for (int round = 0; round < rounds; round++)
            {
                for (int i = 0; i < servers.Length; i++)
                {
                    view.Progress($"fio {job.Name}, round {round + 1}: {servers[i].Name}",
                        index, Jobs.Length);
                    runs[i].Add(await FioAsync(job, servers[i].Uri, cancellation));
                }
            }

            results[job.Name] = Report(job, servers, runs);
        }

        return results;
    }

    private static JsonObject Report(Job job, (string Name, string Uri)[] servers, List<Run>[] runs)
    {
        JsonObject report = [];
        for (int i = 0; i < servers.Length; i++)
        {
            Samples ratios = new(runs[0].Zip(
                runs[i], static (our, their) => our.Iops / their.Iops));
            report[servers[i].Name] = new JsonObject
            {
                ["iops"] = Math.Round(new Samples(runs[i].Select(r => r.Iops)).Median),
                ["p50Us"] = Math.Round(new Samples(runs[i].Select(r => r.P50Us)).Median, 1),
                ["p99Us"] = Math.Round(new Samples(runs[i].Select(r => r.P99Us)).Median, 1),
                ["oursToThis"] = Math.Round(ratios.Median, 3),
                ["worstRound"] = Math.Round(ratios.Best, 3),
            };
        }

        if (job.Aim is { } aim)
        {
            report["aim"] = $"at least {aim:0.0} times nbdkit memory";
            report["reached"] = report[Memory]!["oursToThis"]!.GetValue<double>() >= aim;
        }

        return report;
    }

    private async Task<Run> FioAsync(Job job, string uri, CancellationToken cancellation)
    {
        string output = await Tool.RunAsync("fio",
            $"--name=bench --ioengine=nbd --uri={uri} --rw={job.Kind} --bs={job.Block} "
            + $"--iodepth={job.Depth} --time_based --runtime={(int)(seconds * 1000)}ms "
            + $"--ramp_time={(int)(seconds * 500)}ms "
            + $"--size={BenchPair.VolumeBytes} --output-format=json", cancellation);
        JsonNode side = JsonNode.Parse(output[output.IndexOf('{')..])!["jobs"]![0]![
            job.Kind.EndsWith("read", StringComparison.Ordinal) ? "read" : "write"]!;
        JsonNode percentiles = side["clat_ns"]!["percentile"]!;
        return new Run(
            side["iops"]!.GetValue<double>(),
            percentiles["50.000000"]!.GetValue<double>() / 1000,
            percentiles["99.000000"]!.GetValue<double>() / 1000);
    }

    private static void MakeFile(string path)
    {
        using FileStream file = File.Create(path);
        file.SetLength(BenchPair.VolumeBytes);
    }
}
