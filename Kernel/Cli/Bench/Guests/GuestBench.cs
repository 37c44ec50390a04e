using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// <c>bench --guests</c>: one pair of guests, soft RoCE between them; what a third party can
/// compare us with is measured in the same guests, over the same link, in turns.
/// </summary>
internal sealed class GuestBench(BenchView view, int rounds, int times, int seconds)
{
    /// <summary>Losses of each kind unless told otherwise: after each, a guest boots.</summary>
    internal const int TimesUsual = 5;

    /// <summary>Parts, beside the boot that each run begins with.</summary>
    internal static readonly string[] Parts = ["writes", "fence", "ports", "losses"];

    private readonly JsonObject results = [];
    private readonly List<Refusal> failures = [];

    /// <summary>Runs all parts and prints them.</summary>
    internal static async Task<int> RunAsync(
        Output output, string[] only, int rounds, int times, int seconds,
        CancellationToken cancellation)
    {
        BenchView view = new(quiet: false);
        await using BenchGuests guests = await BenchGuests.MakeAsync(cancellation);
        GuestBench bench = new(view, rounds, times, seconds);
        await bench.MeasureAsync(guests, only, cancellation);
        view.End();
        return bench.Print(output);
    }

    private int Print(Output output)
    {
        if (output.Json)
        {
            results["failed"] = new JsonArray([.. failures.Select(StatusDocument.Of)]);
            Output.Write(results);
            return failures.Count == 0 ? ExitCode.Good : ExitCode.Failed;
        }

        Output.Tables().Write(GuestTable.Of(results));
        return failures.Count == 0 ? ExitCode.Good : output.Fail(failures);
    }

    private async Task MeasureAsync(
        BenchGuests guests, string[] only, CancellationToken cancellation)
    {
        results["setup"] = Setup(guests);
        await TryAsync("boot", async () =>
            results["boot"] = await new BootBench(guests, view).StartAsync(cancellation));
        await TryPartAsync("writes", async part =>
        {
            view.Progress("bringing up DRBD, NVMe and nbd-client");
            PeerDevices devices = await PeerDevices.UpAsync(guests, cancellation);
            await new WriteBench(guests, devices, view, rounds, seconds)
                .RunAsync(part, cancellation);
        });
        if (only.Contains("writes"))
        {
            await TryAsync("peers down", () => PeerDevices.DownAsync(guests, cancellation));
        }

        await TryPartAsync("fence", part =>
            new FenceBench(guests, view, rounds).RunAsync(part, cancellation));
        await TryPartAsync("ports", part =>
            new PortBench(guests, view, rounds).RunAsync(part, cancellation));
        await TryPartAsync("losses", part =>
            new LossBench(guests, view, times).RunAsync(part, cancellation));

        async Task TryPartAsync(string name, Func<JsonObject, Task> run)
        {
            if (only.Contains(name))
            {
                JsonObject part = [];
                results[name] = part;
                await TryAsync(name, async () =>
                {
                    await guests.InSyncAsync("a", cancellation);
                    await run(part);
                });
            }
        }
    }

    private static JsonObject Setup(BenchGuests guests) => new()
    {
        ["accelerator"] = guests.Settings.Accelerator,
        ["guests"] = $"2, each 1 processor and {Image.GuestSettings.MemoryMib} MiB",
        ["link"] = "virtio-net over Unix datagrams, MTU 9000, soft RoCE (rdma_rxe) on it",
        ["storageos"] = $"transport {guests.Settings.Transport}, log of each node in NVDIMM "
            + "(device DAX), volume of 64 MiB on a virtio disk of each node",
        ["drbd"] = "protocol C, kernel module 8.4, a partition of 64 MiB of the same disks, "
            + "internal metadata, else as by default",
        ["nvme"] = "nvmet on the other guest, a partition of 64 MiB of its disk, one I/O queue, "
            + "not mirrored, else as by default",
        ["fio"] = "libaio, direct, randwrite 4k, in guest a; api: from within the node",
        ["loadAtStart"] = File.ReadAllText("/proc/loadavg").Trim(),
    };

    // What was measured before is not lost with a part that cannot be.
    private async Task TryAsync(string part, Func<Task> run)
    {
        try
        {
            await run();
        }
        catch (RefusedException refused)
        {
            failures.Add(refused.Refusal with { Subject = $"{part}: {refused.Refusal.Subject}" });
        }
        catch (OperationCanceledException)
        {
            failures.Add(new Refusal(part, "to be measured to its end", "an interruption"));
        }
#pragma warning disable CA1031 // Reported as the part's failure; the figures of the others count.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            failures.Add(new Refusal(part, "to be measured to its end", $"{failure}"));
        }
    }
}
