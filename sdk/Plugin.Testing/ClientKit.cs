using System.Globalization;
using System.Runtime.CompilerServices;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Plugin.Testing.Pair;

namespace StorageOs.Plugin.Testing;

/// <summary>
/// What every client does, on two nodes in virtual time. STORAGEOS_SEED runs one seed alone.
/// </summary>
/// <typeparam name="TPlugin">The plugin; it registers one client.</typeparam>
public abstract class ClientKit<TPlugin>
    where TPlugin : IPlugin, new()
{
    /// <summary>What the client is given on both nodes.</summary>
    protected virtual ClientPairOptions Options => new();

    /// <summary>How many lives of a pair it has to live through.</summary>
    protected virtual int Seeds => 40;

    /// <summary>Needs are within the limits, the same on both nodes and each time.</summary>
    [Fact]
    public void Needs_are_constant_and_such_as_can_be_met() => Each(2, pair =>
    {
        pair.Start();
        ClientNeeds first = pair.First.Client!.Needs;
        ClientNeeds again = pair.First.Client.Needs;
        Assert.All(
            [
                first.Name, .. first.Ports.Select(static need => need.Name),
                .. first.Regions.Select(static need => need.Name),
            ],
            static name => Assert.True(
                ClientLimits.IsName(name),
                $"\"{name}\" is no name of 1 to {ClientLimits.NameCharactersMax} letters, "
                + "digits, '-', '.' or '_'"));
        Assert.InRange(first.Ports.Count, 0, ClientLimits.PortsPerClientMax);
        Assert.InRange(first.Regions.Count, 0, ClientLimits.RegionsPerClientMax);
        Assert.InRange(
            first.Regions.Sum(static need => (long)need.Bytes), 0, ClientLimits.MemoryBytesMax);
        Assert.True(first.Versions.Min <= first.Versions.Max, $"versions {first.Versions}");
        Assert.Equal(first.Ports, again.Ports);
        Assert.Equal(first.Regions, again.Regions);
        Assert.Distinct(first.Ports.Select(static need => need.Name));
        Assert.Distinct(first.Regions.Select(static need => need.Name));
        Assert.All(first.Ports, static need => Assert.InRange(
            need.PostsInFlightMax, 1, PortNeed.PostsInFlightLimit));
        Assert.All(first.Regions, static need => Assert.InRange(need.Bytes, 1, int.MaxValue));
    });

    /// <summary>A node may be alone for as long as it likes.</summary>
    [Fact]
    public void Starts_and_stops_without_a_partner() => Each(2, pair =>
    {
        pair.First.Start();
        pair.RunUntil(() => pair.First.HasStarted, TimeSpan.FromSeconds(60), "the start");
        pair.Run(TimeSpan.FromSeconds(1));
        pair.First.Stop();
        pair.Run(TimeSpan.FromSeconds(1));
    });

    /// <summary>A stop in the middle of a session takes its time and no more.</summary>
    [Fact]
    public void Stops_in_time_and_leaves_nothing_running() => Each(10, pair =>
    {
        pair.Start();
        pair.Run(TimeSpan.FromMilliseconds(pair.Below(200)));
        pair.First.Stop();
        pair.Run(TimeSpan.FromSeconds(1));
        pair.Second.Stop();
        pair.Run(TimeSpan.FromSeconds(1));
    });

    /// <summary>Sessions end and begin anew; nothing is posted after a loss.</summary>
    [Fact]
    public void Goes_on_after_a_lost_session_and_posts_nothing_after_it() => Each(10, pair =>
    {
        pair.Start();
        for (int session = 0; session < 10; session++)
        {
            pair.Run(TimeSpan.FromMilliseconds(pair.Below(100)));
            pair.Disconnect();
            pair.Run(TimeSpan.FromMilliseconds(10));
            pair.AwaitReady();
        }
    });

    /// <summary>Crashes, pauses and reboots, of either node or both.</summary>
    [Fact]
    public void Lives_through_what_happens_to_a_pair() => Each(Seeds, pair =>
    {
        pair.Start();
        for (int event_ = 0; event_ < 30; event_++)
        {
            pair.Run(TimeSpan.FromMilliseconds(pair.Below(60)));
            Happen(pair);
        }

        pair.Run(TimeSpan.FromSeconds(1));
        pair.AwaitReady();
        pair.Run(TimeSpan.FromSeconds(1));
        pair.First.Stop();
        pair.Second.Stop();
    });

    /// <summary>A client on a reactor of its own can be taken out of a running node.</summary>
    [Fact]
    public void Can_be_unloaded_after_it_has_run()
    {
        WeakReference context = RunUnloadable();
        for (int turn = 0; context.IsAlive && turn < 20; turn++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(
            context.IsAlive,
            "its load context is still in use: a thread, a timer or a static event of the runtime "
            + "holds on to it");
    }

    private static void Happen(ClientPair pair)
    {
        ClientNode node = pair.Below(2) == 0 ? pair.First : pair.Second;
        TimeSpan soon = TimeSpan.FromMilliseconds(1 + pair.Below(30));
        switch (pair.Below(6))
        {
            case 0:
                node.Reboot(soon);
                break;
            case 1:
                node.Pause(ClientPair.BeatLimit / 2);
                break;
            case 2:
                node.Pause(ClientPair.BeatLimit + soon);
                break;
            case 3:
                pair.Disconnect();
                break;
            case 4:
                pair.First.Reboot(soon);
                pair.Second.Reboot(soon * 2);
                break;
            default:
                break; // All is well for a while.
        }
    }

    // Not inlined: what is left on the caller's frame would keep the context alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private WeakReference RunUnloadable()
    {
        PluginContext context = new(typeof(TPlugin).Assembly.Location);
        using (ClientPair pair = new(() => context.Make(typeof(TPlugin).FullName!), 1, Options))
        {
            pair.Start();
            pair.Run(TimeSpan.FromSeconds(1));
            pair.First.Stop();
            pair.Second.Stop();
            pair.Check();
        }

        context.Unload();
        return new(context);
    }

    private void Each(int seeds, Action<ClientPair> run)
    {
        string? only = Environment.GetEnvironmentVariable("STORAGEOS_SEED");
        ulong first = only is null ? 1 : ulong.Parse(only, CultureInfo.InvariantCulture);
        ulong last = only is null ? (ulong)seeds : first;
        for (ulong seed = first; seed <= last; seed++)
        {
            using ClientPair pair = new(static () => new TPlugin(), seed, Options);
            run(pair);
            pair.Check();
        }
    }
}
