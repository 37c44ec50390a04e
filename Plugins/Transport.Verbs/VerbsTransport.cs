using System.Collections.Concurrent;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// One-sided reads and writes by an RDMA card: the partner's processor takes no part in them, and
/// they go on while its process is stopped.
/// </summary>
internal sealed class VerbsTransport : ITransport
{
    private readonly Action changed;
    private readonly Watcher watcher;
    private readonly List<Adapter> adapters = [];
    private readonly Dictionary<System.Net.IPAddress, Adapter> adapterOf = [];
    private readonly ConcurrentDictionary<nint, VerbsPort> ports = new();
    private readonly Lock regionsLock = new();
    private readonly List<VerbsRegion> regions = [];
    private VerbsWellKnownPort? wellKnown;
    private bool disposed;

    /// <summary>Opens the devices that the paths begin at, and checks each.</summary>
    public VerbsTransport(VerbsOptions options, Action changed)
    {
        Options = options;
        this.changed = changed;
        Cm = new CmChannel();
        watcher = new Watcher();
        try
        {
            watcher.Add(Cm.Descriptor, OnConnectionEvents);
            foreach (NetworkPath path in options.Paths)
            {
                Open(path.Local);
            }

            watcher.Start();
            Board = new Board();
            FlushScratch = (VerbsRegion)Map(
                new RegionNeed("flush scratch", Size.Page, RemoteAccess.None));
            foreach (Adapter adapter in adapters)
            {
                SelfCheck.Run(adapter);
            }
        }
        catch (RefusedException)
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public TransportTraits Traits { get; } =
        new("verbs", OneSided: true, SurvivesPowerLoss: false);

    /// <summary>Where queue pairs end.</summary>
    public Retirement Retirement { get; } = new();

    /// <summary>The configuration.</summary>
    public VerbsOptions Options { get; }

    /// <summary>The connection manager.</summary>
    public CmChannel Cm { get; }

    /// <summary>Where the partner says what it has closed.</summary>
    public Board Board { get; } = null!;

    /// <summary>What a flush reads into.</summary>
    public VerbsRegion FlushScratch { get; } = null!;

    /// <summary>The cards in use, that of the first path first.</summary>
    public IReadOnlyList<Adapter> Adapters => adapters;

    /// <summary>Number, modulo their count, of the path to try first.</summary>
    public int FirstPath { get; set; }

    /// <summary>What joins this node to its partner now; null when nothing does.</summary>
    public Link? CurrentLink => wellKnown is { IsDisposed: false } open ? open.Link : null;

    /// <summary>The card that ports and offers of this moment belong to.</summary>
    public Adapter OfferingAdapter => CurrentLink?.Adapter ?? adapters[0];

    /// <inheritdoc/>
    public IRegion Map(RegionNeed need)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (need.Bytes is <= 0 or > int.MaxValue - Size.Page)
        {
            throw new RefusedException(new Refusal(
                $"region {need.Name}", "1 byte to 2 GiB less a page", $"{need.Bytes} bytes"));
        }

        int length = (need.Bytes + Size.Page - 1) / Size.Page * Size.Page;
        VerbsRegion region = new(this, need, length);
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
        HardwareAddress partner =
            HardwareAddress.Parse("the partner's address", need.PartnerAddress);
        RequirePort("this node's port number", need.LocalPort);
        RequirePort("the partner's port number", need.PartnerPort);
        if (partner == Options.Local)
        {
            throw new RefusedException(new Refusal(
                "the partner's address",
                "another node's",
                $"{partner}, which is this node's own",
                "give each node its own address"));
        }

        wellKnown = new VerbsWellKnownPort(this, need, PathsTo(partner));
        return wellKnown;
    }

    /// <inheritdoc/>
    public IPreparedPort Prepare(PortNeed need)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return need.PostsInFlightMax is >= 1 and <= PortNeed.PostsInFlightLimit
            ? new VerbsPreparedPort(this, need)
            : throw new RefusedException(new Refusal(
                $"port {need.Name}",
                $"1 to {PortNeed.PostsInFlightLimit} posts in flight",
                $"{need.PostsInFlightMax}"));
    }

    /// <inheritdoc/>
    public IRemoteMemory Import(RemoteRegion offer) => new VerbsRemoteMemory(offer);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        foreach (VerbsPort port in ports.Values)
        {
            port.Dispose();
        }

        wellKnown?.Dispose();
        VerbsRegion[] left;
        lock (regionsLock)
        {
            left = [.. regions];
        }

        foreach (VerbsRegion region in left)
        {
            region.Dispose();
        }

        Board?.Dispose();
        Retirement.Dispose(); // Before the watcher: who destroys waits for events to be taken.
        watcher.Dispose();
        foreach (Adapter adapter in adapters)
        {
            adapter.Dispose();
        }

        Cm.Dispose();
    }

    /// <summary>
    /// The region as this transport's own; anything else is the caller's mistake.
    /// </summary>
    public VerbsRegion Own(IRegion region)
    {
        VerbsRegion? own = region as VerbsRegion;
        Invariant.Require(own is not null && own.Transport == this);
        return own;
    }

    /// <summary>The memory as this transport's.</summary>
    public static VerbsRemoteMemory Remote(IRemoteMemory memory)
    {
        VerbsRemoteMemory? own = memory as VerbsRemoteMemory;
        Invariant.Require(own is not null);
        return own;
    }

    /// <summary>The card that an address of ours belongs to.</summary>
    public Adapter AdapterOf(HardwareAddress local) => adapterOf[local.Address];

    /// <summary>A port of a connected queue pair.</summary>
    public VerbsPort MakePort(
        QueuePair pair, int postsMax, Link link, ulong ownId, ulong partnerId) =>
        Options.Persistent
            ? new PersistentVerbsPort(this, pair, postsMax, link, ownId, partnerId)
            : new VerbsPort(this, pair, postsMax, link, ownId, partnerId);

    /// <summary>A port to be closed with the transport and ended with its link.</summary>
    public void Adopt(VerbsPort port, nint pair) => ports[pair] = port;

    /// <summary>A port that has closed.</summary>
    public void Forget(nint pair) => ports.TryRemove(pair, out _);

    /// <summary>A region that is no more.</summary>
    public void Forget(VerbsRegion region)
    {
        lock (regionsLock)
        {
            regions.Remove(region);
        }
    }

    /// <summary>Ends every port of a link, and tells that something has changed.</summary>
    public void EndPorts(Link link, PortState why)
    {
        foreach (VerbsPort port in ports.Values)
        {
            if (port.Link == link)
            {
                port.End(why);
            }
        }

        changed();
    }

    /// <summary>Ends the link there is, as the last means to stop a writer.</summary>
    public void FailLink(string why) => CurrentLink?.End(PortState.Failed, why);

    /// <summary>Ends the link as the end of the process would: without a word.</summary>
    internal void BreakOff() => wellKnown?.BreakOff();

    private static void RequirePort(string subject, uint number)
    {
        if (number is 0 or > Limits.CmPortMax)
        {
            throw new RefusedException(new Refusal(
                subject, $"a port number of rdma_cm, 1 to {Limits.CmPortMax}", $"{number}"));
        }
    }

    private NetworkPath[] PathsTo(HardwareAddress partner)
    {
        NetworkPath[] filled =
            [.. Options.Paths.Select(p => p with { Partner = p.Partner ?? partner })];
        return filled[0].Partner == partner
            ? filled
            : throw new RefusedException(new Refusal(
                $"transport option {VerbsOptions.PathsOption}",
                $"a first path to the partner's address {partner}",
                $"{filled[0].Partner}",
                "put the preset addresses of both nodes first"));
    }

    private void Open(HardwareAddress local)
    {
        if (adapterOf.ContainsKey(local.Address))
        {
            return;
        }

        Adapter opened = Adapter.Open(Cm, local);
        if (adapters.Find(a => a.Name == opened.Name && a.Port == opened.Port) is { } known)
        {
            opened.Dispose();
            adapterOf[local.Address] = known;
            return;
        }

        adapters.Add(opened);
        adapterOf[local.Address] = opened;
        watcher.Add(opened.AsyncDescriptor, () => OnCardEvents(opened));
    }

    private void OnConnectionEvents()
    {
        Cm.Drain();
        changed();
    }

    /// <summary>
    /// What a card says of itself. A queue pair in error ends its port; the rest is left to the
    /// card's own retries, which end every port in bounded time when a link stays down.
    /// </summary>
    private void OnCardEvents(Adapter adapter)
    {
        while (Ibv.ibv_get_async_event(adapter.Context, out IbvAsyncEvent happened) == 0)
        {
            VerbsPort? port = null;
            bool ofPair = happened.EventType is IbvConstants.IBV_EVENT_QP_FATAL
                or IbvConstants.IBV_EVENT_QP_REQ_ERR or IbvConstants.IBV_EVENT_QP_ACCESS_ERR;
            if (ofPair)
            {
                ports.TryGetValue(happened.Element, out port);
            }

            // Acknowledged before the port is touched: who destroys its queue pair waits for that.
            Ibv.ibv_ack_async_event(ref happened);
            port?.End(PortState.Failed);
            if (happened.EventType == IbvConstants.IBV_EVENT_DEVICE_FATAL
                && CurrentLink is { } link && link.Adapter == adapter)
            {
                link.End(PortState.PartnerGone, $"device {adapter.Name} failed");
            }
        }

        changed();
    }
}
