using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

/// <summary>A port's end that has a slot on the board and no partner yet.</summary>
internal sealed class LoopbackPreparedPort : IPreparedPort
{
    private readonly LoopbackTransport transport;
    private readonly int postsInFlightMax;
    private bool handedOn;

    /// <summary>Takes a slot.</summary>
    public LoopbackPreparedPort(LoopbackTransport transport, int postsInFlightMax)
    {
        this.transport = transport;
        this.postsInFlightMax = postsInFlightMax;
        Id = transport.Slots.Publish(default);
        Address = new PortAddress(transport.Fabric.Id, Id).Encode();
    }

    /// <summary>Random id of this end.</summary>
    public ulong Id { get; }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Address { get; }

    /// <inheritdoc/>
    public IPort Connect(ReadOnlySpan<byte> partnerAddress)
    {
        if (PortAddress.Decode(partnerAddress) is not { } partner)
        {
            throw Refused(
                "a port address of this transport", $"{partnerAddress.Length} other bytes");
        }

        Link? link = transport.CurrentLink;
        if (link is null || link.Gone)
        {
            throw Refused("a partner that is there", "no connection to it");
        }

        return partner.Node == link.Partner
            ? Join(partner.Id, link)
            : throw Refused($"a port of {link.Partner}", $"one of {partner.Node}");
    }

    /// <summary>Joins this end to a port of the node at the link's other end.</summary>
    public LoopbackPort Join(ulong partnerId, Link link)
    {
        Invariant.Require(!handedOn);
        MappedBoard? board = transport.Fabric.PartnerBoard(link.Partner);
        if (board is null || !board.Holds(partnerId))
        {
            throw Refused("an end that is open", "one that is closed, or never was");
        }

        LoopbackPort port = new(transport, postsInFlightMax, Id, board, partnerId, link);
        handedOn = true;
        return port;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!handedOn)
        {
            handedOn = true;
            transport.Slots.Clear(Id);
        }
    }

    private static RefusedException Refused(string expected, string actual) =>
        new(new Refusal("connecting a port", expected, actual, "prepare a new one on both nodes"));
}
