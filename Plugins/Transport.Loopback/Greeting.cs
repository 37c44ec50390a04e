using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// What both nodes tell each other when the well-known port connects, in the 56 bytes that rdma_cm
/// carries as private data, too. The page's address is not in it: that one is preset.
/// </summary>
internal readonly record struct Greeting(
    FabricId Node,
    uint VirtualInterface,
    ulong PortId,
    ulong PageKey,
    ulong InboxKey,
    ulong InboxAddress,
    uint PageLength,
    uint InboxLength)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Bytes = 56;

    private const uint Magic = 0x5247_4C53; // "SLGR" as it lies in memory.
    private const uint Version = 1;

    /// <summary>The bytes to send.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[Bytes];
        Span<byte> to = bytes;
        BinaryPrimitives.WriteUInt32LittleEndian(to, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(to[4..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(to[8..], Node.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(to[12..], VirtualInterface);
        BinaryPrimitives.WriteUInt64LittleEndian(to[16..], PortId);
        BinaryPrimitives.WriteUInt64LittleEndian(to[24..], PageKey);
        BinaryPrimitives.WriteUInt64LittleEndian(to[32..], InboxKey);
        BinaryPrimitives.WriteUInt64LittleEndian(to[40..], InboxAddress);
        BinaryPrimitives.WriteUInt32LittleEndian(to[48..], PageLength);
        BinaryPrimitives.WriteUInt32LittleEndian(to[52..], InboxLength);
        return bytes;
    }

    /// <summary>
    /// Reads and checks what came; says in <paramref name="refusal"/> why it is refused.
    /// </summary>
    public static Greeting? Decode(
        ReadOnlySpan<byte> from, FabricId node, uint virtualInterface, out Refusal? refusal)
    {
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(from);
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(from[4..]);
        Greeting read = new(
            new FabricId(BinaryPrimitives.ReadUInt32LittleEndian(from[8..])),
            BinaryPrimitives.ReadUInt32LittleEndian(from[12..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[32..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[40..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[48..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[52..]));
        refusal = (magic, version) switch
        {
            (not Magic, _) => Refused($"magic {Magic:x8}", $"{magic:x8}"),
            (_, not Version) => Refused($"greeting version {Version}", $"{version}"),
            _ when read.Node != node || read.VirtualInterface != virtualInterface => Refused(
                $"{node} VI {virtualInterface}", $"{read.Node} VI {read.VirtualInterface}"),
            _ => null,
        };
        return refusal is null ? read : null;
    }

    private static Refusal Refused(string expected, string actual) =>
        new("greeting on the well-known port", expected, actual);
}
