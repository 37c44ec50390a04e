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

    private readonly JsonObject results = [];
    private readonly List<Refusal> failures = [];

    /// <summary>Runs all parts and prints them.</summary>
    internal static async Task<int> RunAsync(
        Output output, int rounds, int times, int seconds, CancellationToken cancellation)
    {
        BenchView view = new(quiet: false);
        await using BenchGuests guests = await BenchGuests.MakeAsync(cancellation);
        GuestBench bench = new(view, rounds, times, seconds);
        await bench.MeasureAsync(guests, cancellation);
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

    private async Task MeasureAsync(BenchGuests guests, CancellationToken cancellation)
    {
        results["setup"] = Setup(guests);
        await TryAsync("boot", async () =>
            results["boot"] = await new BootBench(guests, view).StartAsync(cancellation));
        await TryAsync("writes", async () =>
        {
            await guests.InSyncAsync("a", cancellation);
            view.Progress("bringing up DRBD, NVMe and nbd-client");
            PeerDevices devices = await PeerDevices.UpAsync(guests, cancellation);
            JsonObject writes = [];
            results["writes"] = writes;
            await new WriteBench(guests, devices, view, rounds, seconds)
                .RunAsync(writes, cancellation);
        });
        await TryAsync("fence", async () =>
        {
            await guests.InSyncAsync("a", cancellation);
            results["fence"] = await new FenceBench(guests, view, rounds).RunAsync(cancellation);
        });
        await TryAsync("ports", async () =>
        {
            await guests.InSyncAsync("a", cancellation);
            results["ports"] = await new PortBench(guests, view, rounds).RunAsync(cancellation);
        });
        await TryAsync("losses", async () => results["losses"] =
            await new LossBench(guests, view, times).RunAsync(cancellation));
    }

    private static JsonObject Setup(BenchGuests guests) => new()
    {
        ["accelerator"] = guests.Settings.Accelerator,
        ["guests"] = $"2, each 1 processor and {Image.GuestSettings.MemoryMib} MiB",
        ["link"] = "virtio-net over Unix datagrams, MTU 9000, soft RoCE (rdma_rxe) on it",
        ["storageos"] = $"transport {guests.Settings.Transport}, log of each node in NVDIMM "
            + "(device DAX), volume of 64 MiB on a virtio disk of each node",
        ["drbd"] = "protocol C, kernel module 8.4, brd of 64 MiB on both sides, internal "
            + "metadata, else as by default",
        ["nvme"] = "nvmet on the other guest, brd of 64 MiB, one I/O queue (1 processor), "
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
