using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Verbs;

/// <summary>A queue pair in INIT: it has a number and no partner yet.</summary>
internal sealed class VerbsPreparedPort : IPreparedPort
{
    private readonly VerbsTransport transport;
    private readonly PortNeed need;
    private readonly QueuePair pair;
    private readonly Link? link;
    private readonly ulong id;
    private bool handedOn;

    /// <summary>Makes the queue pair.</summary>
    public VerbsPreparedPort(VerbsTransport transport, PortNeed need)
    {
        this.transport = transport;
        this.need = need;
        link = transport.CurrentLink;
        Adapter adapter = transport.OfferingAdapter;
        adapter.RequirePosts(need.Name, need.PostsInFlightMax);
        id = transport.Board.NewId();
        try
        {
            pair = new QueuePair(
                adapter, need.PostsInFlightMax, QueuePair.NewPsn(), withChannel: true);
        }
        catch (RefusedException)
        {
            transport.Board.Free(id);
            throw;
        }

        try
        {
            pair.Initialize(
                link?.Path.PortNumber ?? adapter.Port, link?.Path.PkeyIndex ?? 0);
        }
        catch (RefusedException)
        {
            Dispose();
            throw;
        }

        Address = new PortAddress(pair.Address, link?.OwnId ?? 0, id).Encode();
    }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Address { get; }

    /// <inheritdoc/>
    public IPort Connect(ReadOnlySpan<byte> partnerAddress)
    {
        Invariant.Require(!handedOn);
        if (PortAddress.Decode(partnerAddress) is not { } partner)
        {
            throw Refused(
                "a port address of this transport", $"{partnerAddress.Length} other bytes");
        }

        if (link is null || link.State != PortState.Open || link != transport.CurrentLink)
        {
            throw Refused("a partner that is there", "no connection to it");
        }

        if (partner.LinkId != link.PartnerId)
        {
            throw Refused("a port of the partner we are connected to", "one of another");
        }

        pair.Connect(link.Path, partner.Pair, transport.Options.AckTimeout);
        handedOn = true;
        return transport.MakePort(pair, need.PostsInFlightMax, link, id, partner.Id);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!handedOn)
        {
            handedOn = true;
            pair.Dispose();
            transport.Board.Free(id);
        }
    }

    private static RefusedException Refused(string expected, string actual) =>
        new(new Refusal("connecting a port", expected, actual, "prepare a new one on both nodes"));
}
