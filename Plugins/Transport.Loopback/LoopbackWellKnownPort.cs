using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// The well-known port: one node listens on a socket named by its id and VI number, the other
/// connects to it; both send one greeting. All progress is made in <see cref="Poll"/>.
/// </summary>
internal sealed class LoopbackWellKnownPort : IWellKnownPort
{
    private readonly LoopbackTransport transport;
    private readonly WellKnownNeed need;
    private readonly FabricId partner;
    private readonly Listener? listener;
    private readonly byte[] greeting;
    private readonly LoopbackRegion page;
    private readonly LoopbackRegion inbox;
    private LoopbackPreparedPort? prepared;
    private Link? link;
    private LoopbackPort? port;
    private MappedRemoteMemory? partnerPage;
    private MappedRemoteMemory? partnerInbox;
    private WellKnownState state = WellKnownState.Connecting;

    /// <summary>Offers page and inbox and, where this node listens, listens.</summary>
    public LoopbackWellKnownPort(LoopbackTransport transport, WellKnownNeed need, FabricId partner)
    {
        this.transport = transport;
        this.need = need;
        this.partner = partner;
        page = transport.Own(need.Page);
        inbox = transport.Own(need.Inbox);
        listener = need.Connects
            ? null
            : new Listener(
                transport.Fabric, need.LocalPort, partner, need.PartnerPort, transport.Changed);
        prepared = new LoopbackPreparedPort(transport, Limits.WellKnownPostsMax);
        RemoteRegion pageOffer = page.OfferInPlace(RemoteAccess.Read);
        RemoteRegion inboxOffer = inbox.OfferInPlace(RemoteAccess.Read | RemoteAccess.Write);
        greeting = new Greeting(
            transport.Fabric.Id,
            need.LocalPort,
            prepared.Id,
            pageOffer.Key,
            inboxOffer.Key,
            inboxOffer.Address,
            (uint)page.Length,
            (uint)inbox.Length).Encode();
        Detail = need.Connects
            ? $"connecting to {partner} VI {need.PartnerPort}"
            : $"listening on {transport.Fabric.Id} VI {need.LocalPort} for {partner}";
    }

    /// <inheritdoc/>
    public string Detail { get; private set; }

    /// <inheritdoc/>
    public IPort Port => Connected(port);

    /// <inheritdoc/>
    public IRemoteMemory PartnerPage => Connected(partnerPage);

    /// <inheritdoc/>
    public IRemoteMemory PartnerInbox => Connected(partnerInbox);

    /// <summary>What joins the nodes; null before they are.</summary>
    public Link? Link => port is null ? null : link;

    /// <summary>Whether it has been disposed.</summary>
    public bool IsDisposed { get; private set; }

    /// <inheritdoc/>
    public WellKnownState Poll()
    {
        switch (state)
        {
            case WellKnownState.Connecting when need.Connects:
                PollConnecting();
                break;
            case WellKnownState.Connecting:
                PollListening();
                break;
            case WellKnownState.Connected when port!.State != PortState.Open:
                Detail = $"the port to {partner} is {port.State}";
                state = WellKnownState.Failed;
                break;
        }

        return state;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (IsDisposed)
        {
            return;
        }

        IsDisposed = true;
        state = WellKnownState.Failed;
        page.Revoke();
        inbox.Revoke();
        prepared?.Dispose();
        port?.Dispose();
        listener?.Dispose();
        link?.Release();
        partnerPage?.Dispose();
        partnerInbox?.Dispose();
    }

    private static T Connected<T>(T? value)
        where T : class
    {
        Invariant.Require(value is not null);
        return value;
    }

    private void PollConnecting()
    {
        if (link is { Gone: true })
        {
            Detail = $"{partner} VI {need.PartnerPort} hung up"
                + (link.Refusal is { } why ? $"; {why}" : "");
            Drop();
        }

        if (link is null)
        {
            System.Net.Sockets.Socket? socket = Connector.TryConnect(
                transport.Fabric.ShortSocketPath(partner, need.PartnerPort), out int error);
            if (socket is null)
            {
                Detail = $"nothing answers at {partner} VI {need.PartnerPort} (error {error})";
                return;
            }

            link = new Link(socket, partner, need.PartnerPort, transport.Changed);
            link.TrySend(greeting);
        }

        if (link.Greeting is { } answer)
        {
            Finish(answer);
        }
    }

    private void PollListening()
    {
        link = listener!.TakeGreeted();
        if (listener.LastRefusal is { } why)
        {
            Detail = $"listening for {partner}; refused somebody: {why}";
        }

        if (link?.Greeting is { } call)
        {
            if (link.TrySend(greeting))
            {
                Finish(call);
            }
            else
            {
                Drop();
            }
        }
    }

    private void Finish(Greeting theirs)
    {
        try
        {
            port = prepared!.Join(theirs.PortId, link!);
        }
        catch (RefusedException refused)
        {
            Detail = refused.Message;
            Drop();
            return;
        }

        prepared = null;
        link!.EndsWith(port.PartnerBoard);
        partnerPage = Import(theirs.PageKey, need.PartnerMemoryAddress, theirs.PageLength);
        partnerInbox = Import(theirs.InboxKey, theirs.InboxAddress, theirs.InboxLength);
        Detail = $"connected to {partner} VI {need.PartnerPort}";
        state = WellKnownState.Connected;
        listener?.Dispose();
    }

    private MappedRemoteMemory Import(ulong key, ulong address, uint length) =>
        MappedRemoteMemory.Import(
            new RemoteRegion(key, address, length, RemoteAccess.Read), transport.Fabric, true);

    private void Drop()
    {
        link?.Release();
        link = null;
    }
}
