using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// One try to connect the well-known port: an id of the connection manager, and queue pairs that
/// are made for this try alone, so that none was ever in error and no number comes twice.
/// </summary>
internal sealed class Attempt(VerbsTransport transport, nint id, HardwareAddress local)
    : IDisposable
{
    private QueuePair? main;
    private QueuePair? control;
    private uint number;
    private byte readsMax;
    private bool disposed;

    /// <summary>rdma_cm_id.</summary>
    public nint Id { get; } = id;

    /// <summary>What joins the nodes, once they are.</summary>
    public Link? Link { get; private set; }

    /// <summary>The well-known queue pair's port, once it is connected.</summary>
    public VerbsPort? Port { get; private set; }

    /// <summary>What the partner greeted with.</summary>
    public Greeting Theirs { get; private set; }

    /// <summary>Our name for the link.</summary>
    public ulong LinkId { get; } = Board.NewLinkId();

    /// <summary>When the partner has had its time.</summary>
    public long Deadline { get; set; }

    /// <summary>Makes queue pairs and keys, and the greeting that tells of them.</summary>
    public byte[] Prepare(WellKnownNeed need, VerbsRegion page, VerbsRegion inbox)
    {
        Adapter adapter = transport.AdapterOf(local);
        uint psn = QueuePair.NewPsn();
        main = new QueuePair(adapter, Limits.WellKnownPostsMax, psn, withChannel: true);
        control = new QueuePair(adapter, Limits.GoodbyesMax, psn);
        (number, readsMax) = (main.Number, adapter.ReadsMax);
        RemoteRegion pageOffer = page.OfferAnew(RemoteAccess.Read, adapter);
        RemoteRegion inboxOffer = inbox.OfferAnew(
            RemoteAccess.Read | RemoteAccess.Write, adapter);
        return new Greeting(
            (ushort)need.LocalPort,
            local.Node,
            control.Address,
            LinkId,
            (uint)pageOffer.Key,
            (uint)page.Length,
            (uint)inboxOffer.Key,
            (uint)inbox.Length,
            inboxOffer.Address,
            transport.Board.Offer(adapter)).Encode();
    }

    /// <summary>rdma_connect.</summary>
    public void Connect(byte[] greeting) => Native.Success(
        "rdma_connect",
        Cm.Connect(Id, number, readsMax, greeting));

    /// <summary>rdma_accept.</summary>
    public void Accept(byte[] greeting) => Native.Success(
        "rdma_accept",
        Cm.Accept(Id, number, readsMax, greeting));

    /// <summary>
    /// Connects both queue pairs along the path that the connection manager has found; ports that
    /// are made later take the same.
    /// </summary>
    public void Join(Greeting theirs, string name)
    {
        Theirs = theirs;
        IbvQpAttr first = Attributes(IbvConstants.IBV_QPS_INIT);
        IbvQpAttr path = Attributes(IbvConstants.IBV_QPS_RTR);
        path.PortNumber = first.PortNumber;
        path.PkeyIndex = first.PkeyIndex;
        foreach (QueuePair pair in (QueuePair[])[main!, control!])
        {
            pair.Initialize(first.PortNumber, first.PkeyIndex);
        }

        byte wait = transport.Options.AckTimeout;
        main!.Connect(path, theirs.Control with { Number = path.DestinationQpNumber }, wait);
        control!.Connect(path, theirs.Control, wait);
        Link = new Link(transport, control, LinkId, theirs, path, name);
        control = null;
        Port = transport.MakePort(main, Limits.WellKnownPostsMax, Link, 0, 0);
        main = null;
    }

    /// <summary>Disconnects without a goodbye.</summary>
    public void BreakOff()
    {
        Native.Success("rdma_disconnect", RdmaCm.rdma_disconnect(Id));
        Link?.End(PortState.Disposed, "broken off");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        Cleanup.All(
            () => Link?.Close(),
            () => Port?.Dispose(),
            Disconnect,
            () => main?.Dispose(),
            () => control?.Dispose(),
            () => CmChannel.Destroy(Id));
    }

    private void Disconnect()
    {
        if (Link is not null)
        {
            // May fail when the partner was first: then there is nothing left to tell it.
            _ = RdmaCm.rdma_disconnect(Id);
        }
    }

    private IbvQpAttr Attributes(uint state)
    {
        IbvQpAttr attributes = new() { QpState = state };
        int mask = 0;
        Native.Success(
            "rdma_init_qp_attr", RdmaCm.rdma_init_qp_attr(Id, ref attributes, ref mask));
        return attributes;
    }
}
