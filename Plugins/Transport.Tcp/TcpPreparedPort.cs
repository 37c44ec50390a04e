using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

/// <summary>A port's end that the partner can find and that cannot post yet.</summary>
internal sealed class TcpPreparedPort : IPreparedPort
{
    private const uint Magic = 0x5054_4C53; // "SLTP" as it lies in memory.
    private const int AddressBytes = 24;
    private readonly TcpTransport transport;
    private readonly int postsInFlightMax;
    private bool handedOn;

    /// <summary>Makes the end.</summary>
    public TcpPreparedPort(TcpTransport transport, PortEnd end, int postsInFlightMax)
    {
        this.transport = transport;
        this.postsInFlightMax = postsInFlightMax;
        End = end;
        byte[] address = new byte[AddressBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(address, Magic);
        BinaryPrimitives.WriteUInt128LittleEndian(address.AsSpan(8), end.Secret);
        Address = address;
    }

    /// <summary>The end itself.</summary>
    public PortEnd End { get; }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Address { get; }

    /// <inheritdoc/>
    public IPort Connect(ReadOnlySpan<byte> partnerAddress)
    {
        if (partnerAddress.Length != AddressBytes
            || BinaryPrimitives.ReadUInt64LittleEndian(partnerAddress) != Magic)
        {
            throw Refused(
                "a port address of this transport", $"{partnerAddress.Length} other bytes");
        }

        Link? link = transport.CurrentLink;
        return link is { Gone: false }
            ? Join(BinaryPrimitives.ReadUInt128LittleEndian(partnerAddress[8..]), link)
            : throw Refused("a partner that is there", "no connection to it");
    }

    /// <summary>
    /// Joins this end to the partner's of that secret. The node that dialled the link makes both
    /// connections; the other finds them at its end when they have come.
    /// </summary>
    public TcpPort Join(UInt128 partnerSecret, Link link)
    {
        Invariant.Require(!handedOn);
        byte[] hello = [];
        if (link.Dials)
        {
            hello = new Hello(HelloKind.Requests, partnerSecret).Encode();
            Invariant.Require(End.TryTakeRequests(transport.Dial(link.Partner, link.Port)));
            Invariant.Require(End.TryTakeServed(
                transport.Dial(link.Partner, link.Port),
                new Hello(HelloKind.Served, partnerSecret).Encode()));
        }

        End.Join(link);
        TcpPort port = new(transport, End, postsInFlightMax, hello);
        handedOn = true; // Until here whatever there is of it ends with this.
        return port;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!handedOn)
        {
            handedOn = true;
            End.Dispose();
        }
    }

    private static RefusedException Refused(string expected, string actual) =>
        new(new Refusal("connecting a port", expected, actual, "prepare a new one on both nodes"));
}
