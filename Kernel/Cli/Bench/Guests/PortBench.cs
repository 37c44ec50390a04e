using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// Operations on a port of ours, one after the other, beside perftest's on the same device. Ours
/// sleep until the completion has come; perftest's reads, too, but its writes can only poll.
/// </summary>
internal sealed class PortBench(BenchGuests guests, BenchView view, int rounds)
{
    private const double Aim = 1.15;
    private const int Count = 1_000;
    private const string Common = "-d rxe-eth0 -x 1 -F -n 1000";

    private static readonly Job[] Jobs =
    [
        new("write", 64, "ib_write_bw -t 1"),
        new("write", 4096, "ib_write_bw -t 1"),
        new("read", 64, "ib_read_lat -e"),
        new("read", 4096, "ib_read_lat -e"),
    ];

    private sealed record Job(string Kind, int Bytes, string Perftest)
    {
        public bool IsWrite => Kind == "write";

        public string Command => $"{Perftest} -s {Bytes} {Common}";
    }

    /// <summary>Runs all rounds; one object for each kind, added as it is there.</summary>
    internal async Task RunAsync(JsonObject results, CancellationToken cancellation)
    {
        foreach (Job job in Jobs)
        {
            Samples ours = new();
            Samples theirs = new();
            Samples ratios = new();
            for (int round = 0; round < rounds; round++)
            {
                view.Progress($"{job.Kind} of {job.Bytes} bytes", round, rounds);
                double our = await OursAsync(job, cancellation);
                double their = await PerftestAsync(job, cancellation);
                ours.Add(our);
                theirs.Add(their);
                ratios.Add(our / their);
            }

            results[$"{job.Kind} {job.Bytes} bytes"] = new JsonObject
            {
                ["oursUs"] = Math.Round(ours.Median, 1),
                ["perftestUs"] = Math.Round(theirs.Median, 1),
                ["ratio"] = Math.Round(ratios.Median, 3),
                ["worstRatio"] = Math.Round(ratios.Worst, 3),
                ["beside"] = job.Command,
                ["figure"] = job.IsWrite ? "mean" : "median",
                ["aim"] = $"at most {Aim} times perftest",
                ["reached"] = ratios.Median <= Aim,
            };
        }
    }

    private async Task<double> OursAsync(Job job, CancellationToken cancellation)
    {
        JsonNode times = (await guests.AskAsync("a", "guest-port", new JsonObject
        {
            ["kind"] = job.Kind,
            ["bytes"] = job.Bytes,
            ["count"] = Count,
        }, cancellation))!;
        return times[job.IsWrite ? "meanUs" : "p50Us"]!.GetValue<double>();
    }

    // Its server takes one client and ends. The client may be there before it listens.
    private async Task<double> PerftestAsync(Job job, CancellationToken cancellation)
    {
        string server = GuestNetwork.Interconnect("b");
        _ = await guests.Shell("b").RunAsync(
            $"{job.Command} </dev/null >/run/perftest.log 2>&1 &", cancellation);
        string output = await guests.Shell("a").RunAsync(
            $"for i in 1 2 3 4 5 6 7 8 9; do sleep 0.3; {job.Command} {server} && exit 0; done; "
            + "exit 1", cancellation);
        string[]? words = output.Split('\n')
            .Select(static line => line.Split(
                (char[]?)null, StringSplitOptions.RemoveEmptyEntries)) // Tabs and spaces.
            .LastOrDefault(line => line.Length >= 5 && line[0] == $"{job.Bytes}");

        // The one prints millions of messages each second last, the other its median fifth.
        if (!double.TryParse(words?[4], CultureInfo.InvariantCulture, out double figure))
        {
            throw new RefusedException(new Refusal(
                job.Command, $"a line of {job.Bytes} and four figures", output));
        }

        return job.IsWrite ? 1 / figure : figure;
    }
}
