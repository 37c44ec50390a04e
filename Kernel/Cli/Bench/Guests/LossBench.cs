using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Cli.Image;
using StorageOs.Kernel.Loop.Interop;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// From the loss of guest a, which owns vol0, to the first write that is served; and the boot of a
/// guest that had lost its power. A writer keeps the volume busy until the loss.
/// </summary>
internal sealed class LossBench(BenchGuests guests, BenchView view, int times)
{
    private const double AimMedianMs = 100;
    private const double AimWorstMs = 250;
    private const string Owner = "a";
    private const string Survivor = "b";
    private static readonly TimeSpan After = TimeSpan.FromSeconds(1);

    private readonly PairLayout pair = guests.Layout;
    private readonly BootBench boots = new(guests, view);
    private readonly List<JsonObject> booted = [];

    /// <summary>Runs all kinds; one object for each, added as it is there.</summary>
    internal async Task RunAsync(JsonObject results, CancellationToken cancellation)
    {
        RefusedException? failed = null;
        foreach (Violence how in new[] { Violence.Stop, Violence.Cut, Violence.Kill })
        {
            JsonObject series = [];
            results[Name(how)] = series;
            try
            {
                await SeriesAsync(how, series, cancellation);
            }
            catch (RefusedException refused)
            {
                // The other kinds are measured all the same.
                failed ??= refused;
                series["failed"] = StatusDocument.Of(refused.Refusal);
            }
        }

        if (booted.Count > 0)
        {
            results["boot after power loss"] = Boots();
        }

        if (failed is not null)
        {
            throw failed;
        }
    }

    private static string Name(Violence how) => how switch
    {
        Violence.Kill => "power loss",
        Violence.Stop => "pause",
        _ => "cut link",
    };

    private async Task SeriesAsync(
        Violence how, JsonObject series, CancellationToken cancellation)
    {
        Samples served = new();
        JsonArray takes = [];
        series["takes"] = takes;
        for (int i = 0; i < times; i++)
        {
            view.Progress(Name(how), i, times);
            try
            {
                TimeSpan took = await OnceAsync(how, cancellation);
                served.Add(took.TotalMilliseconds);
                takes.Add(await TakeAsync(took, cancellation));
            }
            finally
            {
                await BringBackAsync(how, cancellation);
            }

            series["times"] = i + 1;
            series["p50Ms"] = Math.Round(served.Median, 1);
            series["worstMs"] = Math.Round(served.Worst, 1);
            series["aim"] = $"p50 {AimMedianMs} ms, worst {AimWorstMs} ms";
            series["reached"] = served.Median <= AimMedianMs && served.Worst <= AimWorstMs;
        }
    }

    private async Task<JsonObject> TakeAsync(TimeSpan took, CancellationToken cancellation)
    {
        JsonObject status = await NodeClient.StatusAsync(
            Survivor, pair.Socket(Survivor), cancellation);
        return new JsonObject
        {
            ["firstWriteMs"] = Math.Round(took.TotalMilliseconds, 1),
            ["survivorSays"] =
                status["sections"]?["ownership"]?["groups"]?[0]?["lastTakeover"]?.DeepClone(),
        };
    }

    private async Task<TimeSpan> OnceAsync(Violence how, CancellationToken cancellation)
    {
        StallWriter writer = new(guests.Settings.NbdPort, "vol0", BenchGuests.VolumeBytes);
        using CancellationTokenSource stop =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task writing = Task.Run(() => writer.RunAsync(stop.Token), cancellation);
        try
        {
            // Under the writer's load: a survivor of another state may rightly refuse to serve.
            _ = await guests.SettledAsync(Owner, cancellation);
            (long from, Task others) = await LoseAsync(how, cancellation);
            await stop.CancelAsync();
            try
            {
                return await FirstWrite.AfterAsync(
                    from, guests.Settings.NbdPort, () => HindranceAsync(cancellation),
                    cancellation);
            }
            finally
            {
                await others;
                await BenchPair.WaitAsync(After, cancellation);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await writing;
        }
    }

    /// <summary>The loss: when it was, and what of it goes on.</summary>
    private async Task<(long From, Task Others)> LoseAsync(
        Violence how, CancellationToken cancellation)
    {
        if (how != Violence.Cut)
        {
            long from = Stopwatch.GetTimestamp();
            Signal(how == Violence.Kill ? Libc.SIGKILL : Libc.SIGSTOP);
            return (from, Task.CompletedTask);
        }

        // QEMU takes its time to hear of it, seconds now and then. Nothing goes either way when the
        // first has answered; the other's carrier follows.
        await GuestMonitor.SetInterconnectAsync(pair, Owner, up: false, cancellation);
        return (
            Stopwatch.GetTimestamp(),
            GuestMonitor.SetInterconnectAsync(pair, Survivor, up: false, cancellation));
    }

    // What the survivor says, and where its threads stand in the kernel.
    private async Task<string> HindranceAsync(CancellationToken cancellation)
    {
        string said = await guests.ViewsAsync([Survivor], cancellation);
        (_, string stacks) = await guests.Shell(Survivor).TryAsync(
            "for t in /proc/[0-9]*/task/*; do grep -qs rxe_cleanup $t/stack "
            + "&& cat $t/comm $t/stack; done; dmesg | tail -20", cancellation);
        return $"none; {said}; {stacks}";
    }

    private async Task BringBackAsync(Violence how, CancellationToken cancellation)
    {
        switch (how)
        {
            case Violence.Cut:
                foreach (string name in PairLayout.Names)
                {
                    await GuestMonitor.SetInterconnectAsync(pair, name, up: true, cancellation);
                }

                break;
            case Violence.Stop:
                Signal(Libc.SIGCONT);
                break;
            default:
                int said = boots.Said(Owner);
                long from = Stopwatch.GetTimestamp();
                _ = await NodeProcess.StartAsync(pair, Owner, cancellation);
                booted.Add(await boots.WatchAsync(Owner, said, from, cancellation));
                break;
        }
    }

    private void Signal(int signal)
    {
        if (GuestProcess.Find(pair, Owner) is not { } pid || Libc.kill(pid, signal) != 0)
        {
            throw new RefusedException(new Refusal(
                $"guest {Owner}", "a process to signal", "none", $"see {pair.Log(Owner)}"));
        }
    }

    private JsonObject Boots()
    {
        bool reached = booted.All(static boot => boot["reached"]!.GetValue<bool>());
        return new JsonObject
        {
            ["times"] = booted.Count,
            ["connectedMs"] = Middle("connectedMs"),
            ["servingMs"] = Middle("servingMs"),
            ["aim"] = "connected before the first client plugin is loaded, each time",
            ["reached"] = reached,
        };

        double Middle(string key) =>
            new Samples(booted.Select(boot => boot[key]!.GetValue<double>())).Median;
    }
}
