using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// What both nodes tell each other when the well-known port connects: the private data of connect
/// and accept, 56 bytes at most. The page's address is not in it: that one is preset. The
/// well-known queue pair's number travels beside it, and its packet number is the control pair's.
/// </summary>
internal readonly record struct Greeting(
    ushort Port,
    ushort Node,
    QueuePairAddress Control,
    ulong LinkId,
    uint PageKey,
    uint PageLength,
    uint InboxKey,
    uint InboxLength,
    ulong InboxAddress,
    uint BoardKey)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Bytes = 56;

    private const uint Magic = 0x5247_5653; // "SVGR" as it lies in memory.
    private const ushort Version = 1;

    /// <summary>The bytes to send.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[Bytes];
        Span<byte> to = bytes;
        BinaryPrimitives.WriteUInt32LittleEndian(to, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(to[4..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(to[6..], Port);
        BinaryPrimitives.WriteUInt16LittleEndian(to[8..], Node);
        to[10] = Control.ReadsMax;
        BinaryPrimitives.WriteUInt32LittleEndian(to[12..], Control.Number);
        BinaryPrimitives.WriteUInt32LittleEndian(to[16..], Control.Psn);
        BinaryPrimitives.WriteUInt64LittleEndian(to[20..], LinkId);
        BinaryPrimitives.WriteUInt32LittleEndian(to[28..], PageKey);
        BinaryPrimitives.WriteUInt32LittleEndian(to[32..], PageLength);
        BinaryPrimitives.WriteUInt32LittleEndian(to[36..], InboxKey);
        BinaryPrimitives.WriteUInt32LittleEndian(to[40..], InboxLength);
        BinaryPrimitives.WriteUInt64LittleEndian(to[44..], InboxAddress);
        BinaryPrimitives.WriteUInt32LittleEndian(to[52..], BoardKey);
        return bytes;
    }

    /// <summary>
    /// Reads and checks what came; says in <paramref name="refusal"/> why it is refused. Private
    /// data comes padded to the connection manager's own length.
    /// </summary>
    public static Greeting? Decode(
        ReadOnlySpan<byte> from, uint port, ushort node, out Refusal? refusal)
    {
        if (from.Length < Bytes)
        {
            refusal = Refused($"{Bytes} bytes", $"{from.Length}");
            return null;
        }

        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(from);
        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(from[4..]);
        Greeting read = new(
            BinaryPrimitives.ReadUInt16LittleEndian(from[6..]),
            BinaryPrimitives.ReadUInt16LittleEndian(from[8..]),
            new QueuePairAddress(
                BinaryPrimitives.ReadUInt32LittleEndian(from[12..]),
                BinaryPrimitives.ReadUInt32LittleEndian(from[16..]),
                from[10]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[20..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[28..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[32..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[36..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[40..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[44..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[52..]));
        refusal = (magic, version) switch
        {
            (not Magic, _) => Refused($"magic {Magic:x8}", $"{magic:x8}"),
            (_, not Version) => Refused($"greeting version {Version}", $"{version}"),
            _ when read.Port != port || read.Node != node => Refused(
                $"node {node} at port {port}", $"node {read.Node} at port {read.Port}"),
            _ when read.Control.ReadsMax is 0 or > Limits.ReadsMax => Refused(
                $"1 to {Limits.ReadsMax} reads", $"{read.Control.ReadsMax}"),
            _ => null,
        };
        return refusal is null ? read : null;
    }

    private static Refusal Refused(string expected, string actual) =>
        new("greeting on the well-known port", expected, actual);
}
