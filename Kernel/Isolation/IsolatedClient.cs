using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Kernel.Isolation;

/// <summary>
/// In the node, a client that runs in a process of its own. Its memory lies in files, so that both
/// map it; its ports are this node's, and posted on here. On its plugin's reactor.
/// </summary>
internal sealed class IsolatedClient : IClient, IReclaimWatcher
{
    private static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(500);
    private readonly IsolatedProcess process;
    private readonly PortPump pump;
    private readonly int number;
    private readonly ClientNeeds original;
    private readonly Dictionary<uint, IRemoteMemory> memory = [];
    private readonly Dictionary<string, uint> numbers = [];
    private IRegion[] regions = [];
    private IClientServices? services;
    private uint lastNumber;

    /// <summary>Makes it.</summary>
    /// <param name="process">Where it runs.</param>
    /// <param name="pump">Serves the ports of its plugin.</param>
    /// <param name="number">Its number among the clients of its plugin.</param>
    /// <param name="needs">What it needs, as it said.</param>
    /// <param name="folder">Where memory without a file of its own goes.</param>
    internal IsolatedClient(
        IsolatedProcess process, PortPump pump, int number, ClientNeeds needs, string folder)
    {
        (this.process, this.pump, this.number, original) = (process, pump, number, needs);
        Needs = needs with
        {
            Regions =
            [
                .. needs.Regions.Select((region, index) => region with
                {
                    BackingPath = region.BackingPath
                        ?? Path.Combine(folder, $"{number}-{index}.memory"),
                }),
            ],
        };
    }

    /// <inheritdoc/>
    public ClientNeeds Needs { get; }

    /// <summary>What it may ask for; only once it starts.</summary>
    internal IClientServices Services =>
        services ?? throw new PluginProcessException("a client that was started was expected");

    /// <inheritdoc/>
    public async ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        regions = [.. Needs.Regions.Select(region => services.Region(region.Name))];
        _ = stopping.Register(() => process.Tell(Ask.Stopping, new OneBody(number)));
        Task start = process.CallAsync(Ask.Start, new StartBody(number,
            [.. Needs.Regions.Select((region, index) => new SharedRegion(
                region.Name, region.BackingPath!, regions[index].Length))]));
        await EndsAsync(start, "its start did not end when it was asked to stop", stopping);
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant) => process.Call(Ask.Ready, new ReadyBody(
        number, grant.Session, grant.PartnerEpoch, grant.Version, grant.Meeting,
        [.. grant.Ports.Select(port => pump.Open(this, port.Key, port.Value))],
        [.. grant.Memory.Select(one => Share(one.Key, one.Value))]));

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        process.Call(Ask.Lost, new LostBody(number, session, end));
        pump.CloseAll(this);
        memory.Clear();
        numbers.Clear();
    }

    /// <inheritdoc/>
    public void PortChanged(string port, IPort? replacement)
    {
        PortServer? old = pump.Find(this, port);
        process.Call(Ask.Port, new PortBody(
            number, port, replacement is null ? null : pump.Open(this, port, replacement)));
        old?.Close();
    }

    /// <inheritdoc/>
    public void MemoryChanged(string region, IRemoteMemory? memory)
    {
        uint? old = numbers.TryGetValue(region, out uint known) ? known : null;
        process.Call(Ask.Memory, new MemoryBody(
            number, region, memory is null ? null : Share(region, memory)));
        pump.Turn(); // What was posted before it heard of it.
        if (old is { } gone)
        {
            _ = this.memory.Remove(gone);
        }
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        using CancellationTokenRegistration late = deadline.Register(
            () => process.Tell(Ask.Deadline, new OneBody(number)));
        await EndsAsync(
            process.CallAsync(Ask.Stop, new OneBody(number)), "it did not stop in time", deadline);
    }

    /// <inheritdoc/>
    public void Reclaiming() => process.Call(Ask.Hold, new OneBody(number));

    /// <inheritdoc/>
    public void Reclaimed() => process.Tell(Ask.Resume, new OneBody(number));

    /// <summary>One of its regions.</summary>
    internal IRegion RegionOf(uint index) => index < regions.Length
        ? regions[index]
        : throw new PluginProcessException($"a region was expected of it, found number {index}");

    /// <summary>Memory of its twin.</summary>
    internal IRemoteMemory MemoryOf(uint shared) =>
        memory.TryGetValue(shared, out IRemoteMemory? known)
            ? known
            : throw new PluginProcessException(
                $"memory of its twin was expected of it, found number {shared}");

    /// <summary>Does what its process asks of the connection manager.</summary>
    internal async ValueTask<JsonNode?> HandleAsync(LineCall call)
    {
        switch (call.What)
        {
            case Ask.OpenPort:
                _ = await Services.OpenPortAsync(Known(call));
                return null;
            case Ask.ClosePort: Services.ClosePort(Known(call)); return null;
            case Ask.Offer: Services.Offer(Known(call)); return null;
            case Ask.Withdraw: Services.Withdraw(Known(call)); return null;
            case Ask.Reconnect: Services.Reconnect(call.Of<OneBody>().Name); return null;
            case Ask.Partner: return Line.Pack(Services.Partner);
            case Ask.DisposePort: pump.Find(this, Known(call))?.Port.Dispose(); return null;
            case Ask.Revoke: Region(Known(call)).Revoke(); return null;
            case Ask.Probe: return Region(Known(call)).ProbeRevoked();
            case Ask.OfferRegion:
                OfferBody offer = call.Of<OfferBody>();
                return Line.Pack(Region(offer.Region).Offer(offer.Access));
            case Ask.Reclaim:
                ReclaimBody reclaim = call.Of<ReclaimBody>();
                Region(reclaim.Region).Reclaim([.. reclaim.Live]);
                return null;
            default:
                throw new PluginProcessException($"nobody knows what {call.What} is");
        }
    }

    /// <summary>
    /// Awaits what the process does. Soon after the limit it is killed: what would hang in the node
    /// for good, and keep what it was given, is certain to have ended here.
    /// </summary>
    private async Task EndsAsync(Task work, string why, CancellationToken limit)
    {
        using CancellationTokenSource done = new();
        using CancellationTokenRegistration late = limit.Register(
            () => _ = KillAfterAsync(work, why, done.Token));
        try
        {
            await work;
        }
        finally
        {
            await done.CancelAsync();
        }
    }

    private async Task KillAfterAsync(Task work, string why, CancellationToken done)
    {
        await Task.WhenAny(work, Task.Delay(Grace, done));
        if (!work.IsCompleted)
        {
            process.Kill(why);
        }
    }

    private static string Known(LineCall call) => call.Of<OneBody>().Name;

    private IRegion Region(string name) => original.Regions.Any(region => region.Name == name)
        ? Services.Region(name)
        : throw new PluginProcessException($"a region was expected of it, found {name}");

    private SharedMemory Share(string name, IRemoteMemory remote)
    {
        memory[++lastNumber] = remote;
        numbers[name] = lastNumber;
        return new SharedMemory(lastNumber, name, remote.Region);
    }
}
