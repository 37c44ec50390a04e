using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NbdExport.Addresses;

/// <summary>Kinds of link message.</summary>
internal enum LinkKind : ushort
{
    /// <summary>
    /// First on every link; the connections that follow are all that the sender has.
    /// </summary>
    Hello = 1,

    /// <summary>Brings the listening socket.</summary>
    Listener = 2,

    /// <summary>Brings a duplicate of a connection just accepted.</summary>
    Opened = 3,

    /// <summary>That connection has ended.</summary>
    Closed = 4,

    /// <summary>The sender holds the service address from now on.</summary>
    Taken = 5,
}

/// <summary>
/// A message between the two nodes that share one service address. Bytes, little-endian: magic (4),
/// kind (2), port (2), system id of the sender (8), connection id (8). One descriptor goes along
/// with <see cref="LinkKind.Listener"/> and <see cref="LinkKind.Opened"/>, none with the others.
/// </summary>
internal readonly record struct LinkMessage(LinkKind Kind, ulong Connection)
{
    /// <summary>Bytes of every message.</summary>
    public const int Bytes = 24;

    /// <summary>"NBL" and the version of the form.</summary>
    private const uint Magic = 0x014c424e;

    /// <summary>Whether a descriptor belongs to it.</summary>
    public bool BringsDescriptor => Kind is LinkKind.Listener or LinkKind.Opened;

    /// <summary>Writes it for an address and a sender.</summary>
    public void Write(Span<byte> room, ushort port, ulong sender)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(room, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(room[4..], (ushort)Kind);
        BinaryPrimitives.WriteUInt16LittleEndian(room[6..], port);
        BinaryPrimitives.WriteUInt64LittleEndian(room[8..], sender);
        BinaryPrimitives.WriteUInt64LittleEndian(room[16..], Connection);
    }

    /// <summary>
    /// Reads what came from the partner; null, with the reason, when it is not its word.
    /// </summary>
    public static LinkMessage? Read(
        ReadOnlySpan<byte> bytes, bool descriptor, ushort port, ulong sender, out Refusal? refusal)
    {
        refusal = null;
        if (bytes.Length != Bytes)
        {
            refusal = new("link message", $"{Bytes} bytes", $"{bytes.Length}");
            return null;
        }

        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        var kind = (LinkKind)BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]);
        ushort toPort = BinaryPrimitives.ReadUInt16LittleEndian(bytes[6..]);
        ulong from = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        var message = new LinkMessage(kind, BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]));
        if (magic != Magic || !Enum.IsDefined(kind))
        {
            refusal = new("link message", $"magic {Magic:x8}, kind 1 to 5", $"{magic:x8}, {kind}");
        }
        else if (toPort != port || from != sender)
        {
            refusal = new("link message", $"{sender:x} for port {port}", $"{from:x}, {toPort}");
        }
        else if (descriptor != message.BringsDescriptor)
        {
            refusal = new($"link message {kind}",
                message.BringsDescriptor ? "one descriptor" : "no descriptor",
                descriptor ? "one" : "none");
        }

        return refusal is null ? message : null;
    }
}
