using System.Collections.Concurrent;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// One-sided reads and writes between two processes of one machine: each maps the other's memory
/// and copies. Operations go on while the partner's process is stopped.
/// </summary>
internal sealed class LoopbackTransport : ITransport
{
    private readonly BlockingCollection<Action> background = [];
    private readonly Thread backgroundThread;
    private readonly ConcurrentDictionary<LoopbackPort, bool> ports = new();
    private readonly Lock regionsLock = new();
    private readonly List<LoopbackRegion> regions = [];
    private LoopbackWellKnownPort? wellKnown;
    private long memoryNumber;
    private bool disposed;

    /// <summary>Takes its place on the fabric.</summary>
    public LoopbackTransport(Fabric fabric, Action changed)
    {
        Fabric = fabric;
        Changed = changed;
        Slots = new SlotPool(fabric.Board);
        backgroundThread = new Thread(RunBackground)
        {
            IsBackground = true,
            Name = "loopback spares",
        };
        backgroundThread.Start();
    }

    /// <inheritdoc/>
    public TransportTraits Traits { get; } =
        new("loopback", OneSided: true, SurvivesPowerLoss: false);

    /// <summary>This node's place on the fabric.</summary>
    public Fabric Fabric { get; }

    /// <summary>Slots of this node's board.</summary>
    public SlotPool Slots { get; }

    /// <summary>To be called when a poll or a port's state would tell something new.</summary>
    public Action Changed { get; }

    /// <summary>What joins this node to its partner now; null when nothing does.</summary>
    public Link? CurrentLink => wellKnown is { IsDisposed: false } ? wellKnown.Link : null;

    /// <inheritdoc/>
    public IRegion Map(RegionNeed need)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (need.Bytes is <= 0 or > int.MaxValue - Size.Page)
        {
            throw new RefusedException(new Refusal(
                $"region {need.Name}", "1 byte to 2 GiB less a page", $"{need.Bytes} bytes"));
        }

        RegionNeed whole = need.BackingPath is null
            ? need
            : need with { BackingPath = Path.GetFullPath(need.BackingPath) };
        int length = (need.Bytes + Size.Page - 1) / Size.Page * Size.Page;
        LoopbackRegion region = new(this, whole, length);
        lock (regionsLock)
        {
            regions.Add(region);
        }

        return region;
    }

    /// <inheritdoc/>
    public IWellKnownPort OpenWellKnown(WellKnownNeed need)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Invariant.Require(wellKnown is null or { IsDisposed: true });
        FabricId partner = FabricId.Parse("the partner's address", need.PartnerAddress);
        RequireInterface("this node's port number", need.LocalPort);
        RequireInterface("the partner's port number", need.PartnerPort);
        if (partner == Fabric.Id)
        {
            throw new RefusedException(new Refusal(
                "the partner's address",
                "another node's",
                $"{partner}, which is this node's own",
                "give each node its own Fibre Channel id"));
        }

        wellKnown = new LoopbackWellKnownPort(this, need, partner);
        return wellKnown;
    }

    /// <inheritdoc/>
    public IPreparedPort Prepare(PortNeed need)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return need.PostsInFlightMax is >= 1 and <= PortNeed.PostsInFlightLimit
            ? new LoopbackPreparedPort(this, need.PostsInFlightMax)
            : throw new RefusedException(new Refusal(
                $"port {need.Name}",
                $"1 to {PortNeed.PostsInFlightLimit} posts in flight",
                $"{need.PostsInFlightMax}"));
    }

    /// <inheritdoc/>
    public IRemoteMemory Import(RemoteRegion offer) =>
        MappedRemoteMemory.Import(offer, Fabric, populate: true);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        foreach (LoopbackPort port in ports.Keys)
        {
            port.Dispose();
        }

        wellKnown?.Dispose();
        LoopbackRegion[] left;
        lock (regionsLock)
        {
            left = [.. regions];
        }

        foreach (LoopbackRegion region in left)
        {
            region.Dispose();
        }

        background.CompleteAdding();
        backgroundThread.Join();
        background.Dispose();
        Fabric.Dispose();
    }

    /// <summary>Bytes of a region of this transport, as a post names them.</summary>
    public Span<byte> Local(IRegion region, int offset, int length) =>
        Own(region).Bytes.Slice(offset, length);

    /// <summary>
    /// The region as this transport's own; anything else is a mistake of the caller's.
    /// </summary>
    public LoopbackRegion Own(IRegion region)
    {
        LoopbackRegion? own = region as LoopbackRegion;
        Invariant.Require(own is not null && own.Transport == this);
        return own;
    }

    /// <summary>The memory as this transport's.</summary>
    public static MappedRemoteMemory Remote(IRemoteMemory memory)
    {
        MappedRemoteMemory? own = memory as MappedRemoteMemory;
        Invariant.Require(own is not null);
        return own;
    }

    /// <summary>Runs something slow that nobody waits for, in order.</summary>
    public void Background(Action work) => background.Add(work);

    /// <summary>A number for one more memory file of this boot.</summary>
    public ulong NextMemoryNumber() => (ulong)Interlocked.Increment(ref memoryNumber);

    /// <summary>A port to be closed with the transport.</summary>
    public void Adopt(LoopbackPort port) => ports[port] = true;

    /// <summary>A port that has closed.</summary>
    public void Forget(LoopbackPort port) => ports.TryRemove(port, out _);

    /// <summary>A region that is no more.</summary>
    public void Forget(LoopbackRegion region)
    {
        lock (regionsLock)
        {
            regions.Remove(region);
        }
    }

    private static void RequireInterface(string subject, uint number)
    {
        if (number is 0 or > Limits.VirtualInterfaceMax)
        {
            throw new RefusedException(new Refusal(
                subject, $"a VI number, 1 to {Limits.VirtualInterfaceMax}", $"{number}"));
        }
    }

    private void RunBackground()
    {
        foreach (Action work in background.GetConsumingEnumerable())
        {
            work();
        }
    }
}
