using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// Mirrored writes of 4 KiB from within guest a: through our interface and through nbd-client on
/// our export, beside DRBD and NVMe over fabrics, which take turns with them in each round.
/// </summary>
internal sealed class WriteBench(
    BenchGuests guests, PeerDevices devices, BenchView view, int rounds, int seconds)
{
    private const string Api = "storageos api";
    private const string Export = "storageos nbd-client";
    private const string Drbd = "drbd protocol C";
    private const string NvmeRdma = "nvme rdma";
    private const string Owner = "a";
    private const int TurnTriesMax = 5;
    private const int CountedMin = 100_000;
    private const int CountSeconds = 10;
    private static readonly int[] Depths = [1, 16];

    private readonly GuestShell shell = guests.Shell(Owner);
    private int again;
    private long allocated;
    private long counted;

    /// <summary>
    /// Runs all rounds; one object for each depth, added as it is there: what comes later may fail.
    /// </summary>
    internal async Task RunAsync(JsonObject results, CancellationToken cancellation)
    {
        foreach (int depth in Depths)
        {
            await AtDepthAsync(depth, results, cancellation);
        }

        // What comes first fills pools; what is counted is what goes on for ever.
        (counted, allocated) = (0, 0);
        while (counted < CountedMin)
        {
            view.Progress("counting what writes allocate", (int)counted, CountedMin);
            _ = await TurnAsync(
                () => ApiAsync(Depths[^1], CountSeconds, cancellation), cancellation);
        }

        results["allocation"] = new JsonObject
        {
            ["writes"] = counted,
            ["allocatedBytes"] = allocated,
            ["aim"] = $"0 bytes over {CountedMin} mirrored writes",
            ["reached"] = allocated == 0,
        };
    }

    private async Task AtDepthAsync(
        int depth, JsonObject results, CancellationToken cancellation)
    {
        (string Name, Func<Task<WriteRun>> Run)[] sides =
        [
            (Api, () => ApiAsync(depth, seconds, cancellation)),
            (Drbd, () => FioAsync(devices.Drbd)),
            (Export, OursAsync),
            ("nvme tcp", () => FioAsync(devices.NvmeTcp)),
            (NvmeRdma, () => FioAsync(devices.NvmeRdma)),
        ];
        Dictionary<string, List<WriteRun>> runs = sides.ToDictionary(
            static side => side.Name, static _ => new List<WriteRun>());
        for (int round = 0; round < rounds; round++)
        {
            foreach ((string name, Func<Task<WriteRun>> run) in sides)
            {
                view.Progress($"writes at depth {depth}, round {round + 1}: {name}");
                runs[name].Add(await TurnAsync(run, cancellation));
            }

            JsonObject report = Report(runs);
            report["setting"] = new JsonObject
            {
                ["rounds"] = round + 1,
                ["turnsMadeAgain"] = again,
            };
            results[$"depth {depth}"] = report;
        }

        Task<WriteRun> FioAsync(string device) =>
            WriteRun.FioAsync(shell, device, depth, seconds, cancellation);

        async Task<WriteRun> OursAsync()
        {
            await PeerDevices.ConnectOursAsync(shell, cancellation);
            try
            {
                return await FioAsync(devices.Ours);
            }
            finally
            {
                await PeerDevices.DisconnectOursAsync(shell, cancellation);
            }
        }
    }

    /// <summary>
    /// One turn, in one session and in sync from before it to after it: else it is made again, for
    /// it measured something else too. How often that was is told.
    /// </summary>
    private async Task<WriteRun> TurnAsync(
        Func<Task<WriteRun>> run, CancellationToken cancellation)
    {
        Refusal? failed = null;
        for (int tries = 0; tries < TurnTriesMax; tries++)
        {
            string sessions = await guests.SettledAsync(Owner, cancellation);
            try
            {
                WriteRun one = await run();
                if (await guests.ReadyAsync(Owner, cancellation) == (sessions, ""))
                {
                    return one;
                }
            }
            catch (RefusedException refused)
            {
                failed = refused.Refusal;
            }

            again++;
        }

        throw new RefusedException(failed ?? new Refusal(
            "bench --guests", $"a turn in one session in {TurnTriesMax} tries",
            await guests.ViewsAsync(PairLayout.Names, cancellation)));
    }

    private async Task<WriteRun> ApiAsync(
        int depth, int seconds, CancellationToken cancellation)
    {
        JsonNode run = (await guests.AskAsync(Owner, "guest-write", new JsonObject
        {
            ["volume"] = "vol0",
            ["depth"] = depth,
            ["milliseconds"] = seconds * 1000,
        }, cancellation))!;
        allocated += run["allocatedBytes"]!.GetValue<long>();
        counted += run["count"]!.GetValue<long>();
        return new WriteRun(
            run["iops"]!.GetValue<double>(),
            run["p50Us"]!.GetValue<double>(),
            run["p99Us"]!.GetValue<double>());
    }

    private static JsonObject Report(Dictionary<string, List<WriteRun>> runs)
    {
        JsonObject report = [];
        foreach ((string name, List<WriteRun> one) in runs)
        {
            report[name] = new JsonObject
            {
                ["iops"] = Middle(one.Select(static run => run.Iops)),
                ["p50Us"] = Middle(one.Select(static run => run.P50Us)),
                ["p99Us"] = Middle(one.Select(static run => run.P99Us)),
            };
        }

        Aim(report[Api]!, "2.5 times faster than DRBD at p50, 2 times at p99", new JsonObject
        {
            ["drbdToOursP50"] = Ratio(runs[Drbd], runs[Api], static run => run.P50Us),
            ["drbdToOursP99"] = Ratio(runs[Drbd], runs[Api], static run => run.P99Us),
        }, static ratios => ratios[0] >= 2.5 && ratios[1] >= 2);
        Aim(report[Export]!, "at least DRBD's IOPS, 0.8 times NVMe/RDMA's", new JsonObject
        {
            ["iopsToDrbd"] = Ratio(runs[Export], runs[Drbd], static run => run.Iops),
            ["iopsToNvmeRdma"] = Ratio(runs[Export], runs[NvmeRdma], static run => run.Iops),
        }, static ratios => ratios[0] >= 1 && ratios[1] >= 0.8);
        return report;
    }

    private static void Aim(
        JsonNode of, string aim, JsonObject ratios, Func<double[], bool> reached)
    {
        bool good = reached([.. ratios.Select(static one => one.Value!.GetValue<double>())]);
        of["ratios"] = ratios;
        of["aim"] = aim;
        of["reached"] = good;
    }

    // Of each round, for rounds of one run share what else the machine does.
    private static double Ratio(
        List<WriteRun> these, List<WriteRun> those, Func<WriteRun, double> figure) =>
        Math.Round(new Samples(these.Zip(
            those, (one, other) => figure(one) / figure(other))).Median, 3);

    private static double Middle(IEnumerable<double> values) =>
        Math.Round(new Samples(values).Median, 1);
}
