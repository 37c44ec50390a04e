using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Kernel.Isolation.Inside;

/// <summary>
/// One client of a plugin in its process: told what the node says, and given what its contract
/// promises. On the plugin's reactor but where said otherwise.
/// </summary>
internal sealed class InsideClient(IClient client, int number, Line line, InsidePorts ports)
    : IClientServices, IDisposable
{
    private readonly Dictionary<string, InsideRegion> regions = [];
    private readonly Dictionary<string, InsidePort> open = [];
    private readonly CancellationTokenSource stopping = new();
    private readonly CancellationTokenSource deadline = new();
    private readonly SemaphoreSlim resumed = new(0);

    /// <summary>What it needs, read once.</summary>
    internal ClientNeeds Needs { get; } = client.Needs;

    /// <inheritdoc/>
    public PartnerView Partner => Line.Unpack<PartnerView>(Request(Ask.Partner, Named("")));

    /// <summary>The node has reclaimed its memory. Any thread.</summary>
    internal void Resume() => resumed.Release();

    /// <summary>It is to stop. Any thread.</summary>
    internal void Stopping() => _ = stopping.CancelAsync();

    /// <summary>The node waits no longer. Any thread.</summary>
    internal void Deadline() => _ = deadline.CancelAsync();

    /// <inheritdoc/>
    public IRegion Region(string name) => regions[name];

    /// <inheritdoc/>
    public async ValueTask<IPort> OpenPortAsync(
        string name, CancellationToken cancellation = default)
    {
        _ = await line.CallAsync(Ask.OpenPort, Line.Pack(Named(name)))
            .WaitAsync(cancellation);
        return open.TryGetValue(name, out InsidePort? port)
            ? port
            : throw new RefusedException(
                new($"port {name}", "one that stays open", "one that is closed again"));
    }

    /// <inheritdoc/>
    public void ClosePort(string name) => Request(Ask.ClosePort, Named(name));

    /// <inheritdoc/>
    public void Offer(string region) => Request(Ask.Offer, Named(region));

    /// <inheritdoc/>
    public void Withdraw(string region) => Request(Ask.Withdraw, Named(region));

    /// <inheritdoc/>
    public void Reconnect(string why) => Request(Ask.Reconnect, Named(why));

    /// <inheritdoc/>
    public void Dispose()
    {
        stopping.Dispose();
        deadline.Dispose();
        resumed.Dispose();
    }

    /// <summary>Does what the node says.</summary>
    internal async ValueTask DoAsync(LineCall call)
    {
        switch (call.What)
        {
            case Ask.Start: await StartAsync(call.Of<StartBody>()); break;
            case Ask.Ready: Ready(call.Of<ReadyBody>()); break;
            case Ask.Lost:
                LostBody lost = call.Of<LostBody>();
                CloseAll();
                client.PartnerLost(lost.Session, lost.End);
                break;
            case Ask.Port: ChangePort(call.Of<PortBody>()); break;
            case Ask.Memory:
                MemoryBody memory = call.Of<MemoryBody>();
                client.MemoryChanged(
                    memory.Name, memory.Memory is { } one ? new InsideMemory(one) : null);
                break;
            case Ask.Stop:
                await client.StopAsync(deadline.Token);
                CloseAll();
                break;
            case Ask.Hold: Hold(call); break;
            default: throw new InvariantException($"the node asks for {call.What}");
        }
    }

    /// <summary>Asks the node for something and waits. Any thread.</summary>
    internal JsonNode? Request<TBody>(string what, TBody body) =>
        line.CallAsync(what, Line.Pack(body)).GetAwaiter().GetResult();

    private OneBody Named(string name) => new(number, name);

    private ValueTask StartAsync(StartBody start)
    {
        foreach (SharedRegion region in start.Regions)
        {
            regions[region.Name] = new InsideRegion(
                region, (uint)regions.Count, this, number);
        }

        return client.StartAsync(this, stopping.Token);
    }

    private void Ready(ReadyBody ready)
    {
        open.Clear();
        foreach (SharedPort port in ready.Ports)
        {
            open[port.Name] = Opened(port);
        }

        client.PartnerReady(new ClientGrant(
            ready.Session, ready.PartnerEpoch, ready.Version,
            open.ToDictionary(static one => one.Key, static one => (IPort)one.Value),
            ready.Memory.ToDictionary(
                static one => one.Name, static one => (IRemoteMemory)new InsideMemory(one)))
        {
            Meeting = ready.Meeting,
        });
    }

    private void ChangePort(PortBody change)
    {
        if (open.Remove(change.Name, out InsidePort? old))
        {
            old.CloseRing();
        }

        if (change.Port is { } port)
        {
            open[change.Name] = Opened(port);
        }

        client.PortChanged(change.Name, open.GetValueOrDefault(change.Name));
    }

    private InsidePort Opened(SharedPort port) => ports.Open(
        port, () => line.Tell(Ask.DisposePort, Line.Pack(Named(port.Name))));

    private void CloseAll()
    {
        foreach (InsidePort port in open.Values)
        {
            port.CloseRing();
        }

        open.Clear();
    }

    /// <summary>
    /// The node may move the client's memory: until it has, nothing of the client runs.
    /// </summary>
    private void Hold(LineCall call)
    {
        call.Answer(null, null, null);
        resumed.Wait();
        foreach (InsideRegion region in regions.Values)
        {
            region.MapAnew();
        }
    }
}

/// <summary>Memory of the partner, by the number that the node knows it by.</summary>
internal sealed class InsideMemory(SharedMemory shared) : IRemoteMemory
{
    /// <inheritdoc/>
    public RemoteRegion Region => shared.Region;

    internal uint Number => shared.Number;

    /// <inheritdoc/>
    public void Dispose()
    {
        // The node has it, and gives it back.
    }
}

/// <summary>A client's memory, mapped where the node has it, too.</summary>
internal sealed class InsideRegion : IRegion
{
    private readonly SharedRegion shared;
    private readonly InsideClient client;
    private readonly int number;
    private Interop.SharedFile map;

    internal InsideRegion(SharedRegion shared, uint index, InsideClient client, int number)
    {
        (this.shared, Index, this.client, this.number) = (shared, index, client, number);
        map = Interop.SharedFile.Open(shared.Path, shared.Length);
    }

    /// <inheritdoc/>
    public string Name => shared.Name;

    /// <inheritdoc/>
    public int Length => shared.Length;

    /// <inheritdoc/>
    public Span<byte> Bytes => map.GetSpan();

    /// <inheritdoc/>
    public Memory<byte> Memory => map.Memory;

    /// <summary>Its number among the client's.</summary>
    internal uint Index { get; }

    /// <inheritdoc/>
    public RemoteRegion Offer(RemoteAccess access) => Line.Unpack<RemoteRegion>(
        client.Request(Ask.OfferRegion, new OfferBody(number, Name, access)));

    /// <inheritdoc/>
    public void Revoke() => client.Request(Ask.Revoke, new OneBody(number, Name));

    /// <inheritdoc/>
    public void Reclaim(ReadOnlySpan<ByteRange> live)
    {
        client.Request(Ask.Reclaim, new ReclaimBody(number, Name, live.ToArray()));
        MapAnew();
    }

    /// <inheritdoc/>
    public bool ProbeRevoked() => Line.Unpack<bool>(
        client.Request(Ask.Probe, new OneBody(number, Name)));

    /// <inheritdoc/>
    public void Dispose()
    {
        // The node's: it is mapped until the client is taken out.
    }

    /// <summary>Its path may name other memory now.</summary>
    internal void MapAnew()
    {
        Interop.SharedFile old = map;
        map = Interop.SharedFile.Open(shared.Path, shared.Length);
        ((IDisposable)old).Dispose();
    }
}
