using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Simulator.Whole;

/// <summary>The transport of one boot of a node.</summary>
internal sealed class NodeTransport : ITransport, ITransportProvider
{
    private readonly Dictionary<ulong, (NodeRegion Region, RemoteAccess Access)> keys = [];
    private readonly List<PortEnd> ends = [];
    private readonly HashSet<NodeTransport> exited = [];

    /// <summary>Makes one; it is reachable once opened.</summary>
    public NodeTransport(Fabric fabric, WholeNode node, ulong boot)
    {
        (Fabric, Node, Boot) = (fabric, node, boot);
        fabric.Add(this);
    }

    /// <inheritdoc/>
    public TransportTraits Traits => new("simulated", Fabric.OneSided, SurvivesPowerLoss: true);

    /// <summary>The way to the partner.</summary>
    public Fabric Fabric { get; }

    /// <summary>Whose it is.</summary>
    public WholeNode Node { get; }

    /// <summary>Of which boot.</summary>
    public ulong Boot { get; }

    /// <summary>Whether the process lives.</summary>
    public bool Alive { get; private set; } = true;

    /// <summary>The well-known port; null when closed.</summary>
    public WellKnownEnd? WellKnown { get; private set; }

    /// <inheritdoc/>
    public ITransport Open(TransportSettings settings, Action changed) => this;

    /// <inheritdoc/>
    public IRegion Map(RegionNeed need) => new NodeRegion(this, need, Node.MemoryOf(need));

    /// <inheritdoc/>
    public IWellKnownPort OpenWellKnown(WellKnownNeed need)
    {
        WellKnown = new(this, need);
        Fabric.MatchWellKnown();
        return WellKnown;
    }

    /// <inheritdoc/>
    public IPreparedPort Prepare(PortNeed need) =>
        NewEnd(need.PostsInFlightMax, Node.WakeReactor);

    /// <inheritdoc/>
    public IRemoteMemory Import(RemoteRegion offer) => new NodeRemote(offer);

    /// <summary>Makes an end of a port.</summary>
    public PortEnd NewEnd(int postsInFlightMax, Action wake)
    {
        PortEnd end = new(this, postsInFlightMax, wake);
        ends.Add(end);
        return end;
    }

    /// <summary>The operating system has told of the end of a partner's boot.</summary>
    public void NoteExit(NodeTransport partner) => exited.Add(partner);

    /// <summary>Whether it has.</summary>
    public bool HasExited(NodeTransport partner) => exited.Contains(partner);

    /// <summary>An end was closed.</summary>
    public void Forget(PortEnd end) => ends.Remove(end);

    /// <summary>The well-known port was closed.</summary>
    public void Forget(WellKnownEnd closed) =>
        WellKnown = WellKnown == closed ? null : WellKnown;

    /// <summary>Gives a region a key.</summary>
    public ulong Offer(NodeRegion region, RemoteAccess access)
    {
        ulong key = Fabric.NewNumber();
        keys[key] = (region, access);
        return key;
    }

    /// <summary>Ends a key; false when the hardware did not do it.</summary>
    public void Revoke(ulong key)
    {
        if (!Node.RevokeFails)
        {
            _ = keys.Remove(key);
        }
    }

    /// <summary>The memory that a key opens for an access of so many bytes; null: none.</summary>
    public NodeRegion? Reach(ulong key, RemoteAccess access, long offset, int length) =>
        Alive && keys.TryGetValue(key, out (NodeRegion Region, RemoteAccess Access) found)
        && (found.Access & access) != 0 && offset >= 0 && offset + length <= found.Region.Length
            ? found.Region
            : null;

    /// <summary>Whether a key opens anything.</summary>
    public bool Opens(ulong key) => keys.ContainsKey(key);

    /// <summary>The process ends, wherever it is.</summary>
    /// <param name="toldExit">The operating system tells the partner.</param>
    public void Die(bool toldExit)
    {
        Alive = false;
        keys.Clear();
        Fabric.Remove(this);
        WellKnown = null;
        foreach (PortEnd end in ends.ToArray())
        {
            end.OwnerDied(toldExit);
        }

        ends.Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => Die(toldExit: false);
}

/// <summary>Memory of one boot; what is backed outlives it in its node.</summary>
internal sealed class NodeRegion(NodeTransport transport, RegionNeed need, byte[] memory) : IRegion
{
    private byte[] memory = memory;
    private ulong key;

    /// <inheritdoc/>
    public string Name => need.Name;

    /// <summary>Where it is kept when its process is gone; null when nowhere.</summary>
    public string? BackingPath => need.BackingPath;

    /// <inheritdoc/>
    public int Length => memory.Length;

    /// <inheritdoc/>
    public Span<byte> Bytes => memory;

    /// <inheritdoc/>
    public Memory<byte> Memory => memory;

    /// <inheritdoc/>
    public RemoteRegion Offer(RemoteAccess access)
    {
        Invariant.Require(key == 0);
        key = transport.Offer(this, access);
        return new(key, 0, (ulong)memory.Length, access);
    }

    /// <inheritdoc/>
    public void Revoke() => transport.Revoke(key);

    /// <inheritdoc/>
    public void Reclaim(ReadOnlySpan<ByteRange> live)
    {
        if (key == 0)
        {
            return;
        }

        key = 0;
        byte[] fresh = transport.Node.NewMemory(memory.Length);
        foreach (ByteRange range in live)
        {
            memory.AsSpan(range.Offset, range.Length).CopyTo(fresh.AsSpan(range.Offset));
        }

        Array.Fill(memory, (byte)0xEE); // Whoever still reads the old memory is found out.
        memory = fresh;
        transport.Node.MemoryMoved(transport.Boot, need, fresh);
    }

    /// <inheritdoc/>
    public bool ProbeRevoked() => !transport.Opens(key);

    /// <inheritdoc/>
    public void Dispose() => Revoke();
}

/// <summary>Memory of the partner, known by its key.</summary>
internal sealed class NodeRemote(RemoteRegion region) : IRemoteMemory
{
    /// <inheritdoc/>
    public RemoteRegion Region => region;

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}

/// <summary>One attempt at the well-known port.</summary>
internal sealed class WellKnownEnd(NodeTransport transport, WellKnownNeed need) : IWellKnownPort
{
    private WellKnownEnd? match;
    private PortEnd? port;
    private bool closed;

    /// <inheritdoc/>
    public string Detail => port is null ? "nobody answers" : "simulated link";

    /// <inheritdoc/>
    public IPort Port => port!;

    /// <inheritdoc/>
    public IRemoteMemory PartnerPage { get; private set; } = null!;

    /// <inheritdoc/>
    public IRemoteMemory PartnerInbox { get; private set; } = null!;

    /// <summary>Whether it still waits for the partner.</summary>
    public bool IsWaiting => !closed && port is null && transport.Alive;

    /// <inheritdoc/>
    public WellKnownState Poll() => port is null ? WellKnownState.Connecting
        : port.State == PortState.Open ? WellKnownState.Connected
        : WellKnownState.Failed;

    /// <summary>Whether the two are about to be connected.</summary>
    public bool IsMatchedWith(WellKnownEnd other) => match == other;

    /// <summary>The two are about to be connected.</summary>
    public void Match(WellKnownEnd other) => match = other;

    /// <summary>They are not.</summary>
    public void Unmatch() => match = null;

    /// <summary>Makes this end's port.</summary>
    public PortEnd MakePort() =>
        transport.NewEnd(PortNeed.PostsInFlightLimit, transport.Node.WakeManager);

    /// <summary>It is connected.</summary>
    public void Connected(PortEnd made, WellKnownEnd partner)
    {
        port = made;
        (PartnerPage, PartnerInbox) = partner.Offer();
        transport.Node.WakeManager();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        closed = true;
        port?.Dispose();
        transport.Forget(this);
    }

    private (IRemoteMemory Page, IRemoteMemory Inbox) Offer() =>
        (Offer(need.Page, RemoteAccess.Read),
            Offer(need.Inbox, RemoteAccess.Read | RemoteAccess.Write));

    private NodeRemote Offer(IRegion region, RemoteAccess access) => new(new(
        transport.Offer((NodeRegion)region, access), 0, (ulong)region.Length, access));
}
