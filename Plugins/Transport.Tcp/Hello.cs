using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Tcp;

/// <summary>What a connection is for.</summary>
internal enum HelloKind : byte
{
    /// <summary>Joins the nodes: presents both, then only stands.</summary>
    Link = 1,

    /// <summary>Carries the caller's requests to the port end of that secret.</summary>
    Requests = 2,

    /// <summary>Carries the requests of the port end of that secret to the caller.</summary>
    Served = 3,
}

/// <summary>
/// The first bytes of every connection; on a link, both ends say one. The page's address is not in
/// it: that one is preset.
/// </summary>
/// <param name="Kind">What the connection is for.</param>
/// <param name="Secret">The port end meant; on a link, the sender's own well-known one.</param>
/// <param name="FromPort">The sender's preset port number.</param>
/// <param name="ToPort">The partner's preset port number, as the sender knows it.</param>
/// <param name="PageKey">Key of the sender's page; on a link.</param>
/// <param name="InboxKey">Key of the sender's inbox; on a link.</param>
/// <param name="InboxAddress">Address of the sender's inbox; on a link.</param>
/// <param name="PageLength">Bytes of the page; on a link.</param>
/// <param name="InboxLength">Bytes of the inbox; on a link.</param>
internal readonly record struct Hello(
    HelloKind Kind,
    UInt128 Secret,
    ushort FromPort = 0,
    ushort ToPort = 0,
    ulong PageKey = 0,
    ulong InboxKey = 0,
    ulong InboxAddress = 0,
    uint PageLength = 0,
    uint InboxLength = 0)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Bytes = 64;

    private const uint Magic = 0x5354_4C53; // "SLTS" as it lies in memory.
    private const ushort Version = 1;

    /// <summary>The bytes to send.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[Bytes];
        Span<byte> to = bytes;
        BinaryPrimitives.WriteUInt32LittleEndian(to, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(to[4..], Version);
        to[6] = (byte)Kind;
        BinaryPrimitives.WriteUInt128LittleEndian(to[8..], Secret);
        BinaryPrimitives.WriteUInt64LittleEndian(to[24..], PageKey);
        BinaryPrimitives.WriteUInt64LittleEndian(to[32..], InboxKey);
        BinaryPrimitives.WriteUInt64LittleEndian(to[40..], InboxAddress);
        BinaryPrimitives.WriteUInt32LittleEndian(to[48..], PageLength);
        BinaryPrimitives.WriteUInt32LittleEndian(to[52..], InboxLength);
        BinaryPrimitives.WriteUInt16LittleEndian(to[56..], FromPort);
        BinaryPrimitives.WriteUInt16LittleEndian(to[58..], ToPort);
        return bytes;
    }

    /// <summary>
    /// Reads and checks what came; says in <paramref name="refusal"/> why it is refused.
    /// </summary>
    public static Hello? Decode(ReadOnlySpan<byte> from, out Refusal? refusal)
    {
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(from);
        ushort version = BinaryPrimitives.ReadUInt16LittleEndian(from[4..]);
        Hello read = new(
            (HelloKind)from[6],
            BinaryPrimitives.ReadUInt128LittleEndian(from[8..]),
            BinaryPrimitives.ReadUInt16LittleEndian(from[56..]),
            BinaryPrimitives.ReadUInt16LittleEndian(from[58..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[24..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[32..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[40..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[48..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[52..]));
        refusal = (magic, version) switch
        {
            (not Magic, _) => Refused($"magic {Magic:x8}", $"{magic:x8}"),
            (_, not Version) => Refused($"hello version {Version}", $"{version}"),
            _ when read.Kind is < HelloKind.Link or > HelloKind.Served =>
                Refused("a kind of connection, 1 to 3", $"{from[6]}"),
            _ => null,
        };
        return refusal is null ? read : null;
    }

    private static Refusal Refused(string expected, string actual) => new(
        "a hello", expected, actual, "let only the partner's node reach this port");
}
