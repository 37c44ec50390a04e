using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Cli.Image;
using StorageOs.Kernel.Loop.Interop;

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
    private static readonly TimeSpan Before = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan After = TimeSpan.FromSeconds(1);

    private readonly PairLayout pair = guests.Layout;
    private readonly BootBench boots = new(guests, view);
    private readonly List<JsonObject> booted = [];

    /// <summary>Runs all kinds; one object for each, added as it is there.</summary>
    internal async Task RunAsync(JsonObject results, CancellationToken cancellation)
    {
        foreach (Violence how in new[] { Violence.Stop, Violence.Cut, Violence.Kill })
        {
            results[Name(how)] = await SeriesAsync(how, cancellation);
        }

        results["boot after power loss"] = Boots();
    }

    private static string Name(Violence how) => how switch
    {
        Violence.Kill => "power loss",
        Violence.Stop => "pause",
        _ => "cut link",
    };

    private async Task<JsonObject> SeriesAsync(Violence how, CancellationToken cancellation)
    {
        Samples served = new();
        JsonArray takes = [];
        for (int i = 0; i < times; i++)
        {
            view.Progress(Name(how), i, times);
            await guests.InSyncAsync(Owner, cancellation);
            TimeSpan took = await OnceAsync(how, cancellation);
            served.Add(took.TotalMilliseconds);
            JsonObject status = await NodeClient.StatusAsync(
                Survivor, pair.Socket(Survivor), cancellation);
            takes.Add(new JsonObject
            {
                ["firstWriteMs"] = Math.Round(took.TotalMilliseconds, 1),
                ["survivorSays"] =
                    status["sections"]?["ownership"]?["groups"]?[0]?["lastTakeover"]?.DeepClone(),
            });
            await BringBackAsync(how, cancellation);
        }

        return new JsonObject
        {
            ["times"] = times,
            ["p50Ms"] = Math.Round(served.Median, 1),
            ["worstMs"] = Math.Round(served.Worst, 1),
            ["takes"] = takes,
            ["aim"] = $"p50 {AimMedianMs} ms, worst {AimWorstMs} ms",
            ["reached"] = served.Median <= AimMedianMs && served.Worst <= AimWorstMs,
        };
    }

    private async Task<TimeSpan> OnceAsync(Violence how, CancellationToken cancellation)
    {
        StallWriter writer = new(guests.Settings.NbdPort, "vol0", BenchGuests.VolumeBytes);
        using CancellationTokenSource stop =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task writing = Task.Run(() => writer.RunAsync(stop.Token), cancellation);
        await BenchPair.WaitAsync(Before, cancellation);
        long from = Stopwatch.GetTimestamp();
        if (how == Violence.Cut)
        {
            // QEMU takes its time to hear of it; the link is down when it has answered.
            await GuestMonitor.SetInterconnectAsync(pair, Owner, up: false, cancellation);
            from = Stopwatch.GetTimestamp();
            await GuestMonitor.SetInterconnectAsync(pair, Survivor, up: false, cancellation);
        }
        else
        {
            Signal(how == Violence.Kill ? Libc.SIGKILL : Libc.SIGSTOP);
        }

        await stop.CancelAsync();
        TimeSpan took = await FirstWrite.AfterAsync(
            from, guests.Settings.NbdPort, cancellation);
        await writing;
        await BenchPair.WaitAsync(After, cancellation);
        return took;
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
