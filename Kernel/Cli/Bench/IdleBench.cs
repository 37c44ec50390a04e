using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>What a pair that nobody uses takes of one core, by the system's own accounts.</summary>
internal sealed class IdleBench(BenchView view)
{
    private const double AimPercent = 5;
    private const double TicksPerSecond = 100; // sysconf(_SC_CLK_TCK) of Linux on x86-64.
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Sample = TimeSpan.FromSeconds(30);

    /// <summary>Waits until the nodes have settled, then samples.</summary>
    internal async Task<JsonObject> RunAsync(CancellationToken cancellation)
    {
        await using BenchPair pair = await BenchPair.StartAsync(
            [], null, BenchPair.VolumeBytes, null, cancellation);
        view.Progress($"idle: {Settle.TotalSeconds} s to settle");
        await BenchPair.WaitAsync(Settle, cancellation);
        view.Progress($"idle: {Sample.TotalSeconds} s sampled");
        double[] before = [.. PairLayout.Names.Select(name => Seconds(pair.Pid(name)))];
        await BenchPair.WaitAsync(Sample, cancellation);
        double[] percents = [.. PairLayout.Names.Select((name, i) =>
            Math.Round((Seconds(pair.Pid(name)) - before[i]) / Sample.TotalSeconds * 100, 2))];
        double sum = Math.Round(percents.Sum(), 2);
        return new JsonObject
        {
            ["percentOfOneCore"] = sum,
            ["perNode"] = new JsonArray([.. percents]),
            ["aim"] = $"at most {AimPercent} % for the pair",
            ["reached"] = sum <= AimPercent,
        };
    }

    /// <summary>utime and stime of proc_pid_stat(5), counted from after the name.</summary>
    private static double Seconds(int pid)
    {
        string stat = File.ReadAllText($"/proc/{pid}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (Field(11) + Field(12)) / TicksPerSecond;

        double Field(int index) => double.Parse(fields[index], CultureInfo.InvariantCulture);
    }
}
