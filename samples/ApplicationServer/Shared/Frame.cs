using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace ApplicationServer.Shared;

/// <summary>What a frame is.</summary>
internal enum FrameKind : uint
{
    /// <summary>The first word of a session: how many records the sender has.</summary>
    Hello = 1,

    /// <summary>One record.</summary>
    Record = 2,

    /// <summary>The sender's records differ from the receiver's: neither takes any.</summary>
    Differs = 3,
}

/// <summary>
/// One record, or one word about records, as it stands in a file and in a ring: a header of
/// <see cref="HeaderBytes"/> and the payload. The checksum finds what is torn, the sequence what is
/// missing, and the chain, which runs over every record up to this one, what has another past.
/// </summary>
internal readonly ref struct Frame(
    FrameKind kind, ulong sequence, uint chain, ReadOnlySpan<byte> payload)
{
    /// <summary>Length, kind, sequence, chain and checksum.</summary>
    public const int HeaderBytes = 24;

    /// <summary>The most bytes of a record.</summary>
    public const int PayloadBytesMax = 4096;

    /// <summary>The most bytes of a frame.</summary>
    public const int BytesMax = HeaderBytes + PayloadBytesMax;

    /// <summary>The chain of no record at all.</summary>
    public const uint ChainStart = ~0u;

    private const int ChecksumAt = 20;

    public FrameKind Kind { get; } = kind;

    /// <summary>A record's number, from 1; of a hello, the last one's.</summary>
    public ulong Sequence { get; } = sequence;

    public uint Chain { get; } = chain;

    public ReadOnlySpan<byte> Payload { get; } = payload;

    public int Bytes => HeaderBytes + Payload.Length;

    /// <summary>The chain with one more record.</summary>
    public static uint NextChain(uint chain, ulong sequence, ReadOnlySpan<byte> payload)
    {
        Span<byte> number = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(number, sequence);
        return Crc32C.Extend(Crc32C.Extend(chain, number), payload);
    }

    /// <summary>How long the frame is whose header this is; 0 when it is none.</summary>
    public static int LengthOf(ReadOnlySpan<byte> header)
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        return length <= PayloadBytesMax ? HeaderBytes + (int)length : 0;
    }

    /// <summary>Reads a whole frame; false when it is torn or none.</summary>
    public static bool TryRead(ReadOnlySpan<byte> from, out Frame frame)
    {
        frame = default;
        if (from.Length < HeaderBytes || LengthOf(from) is var bytes && (bytes == 0
            || from.Length < bytes)
            || BinaryPrimitives.ReadUInt32LittleEndian(from[ChecksumAt..])
                != Checksum(from[..bytes]))
        {
            return false;
        }

        frame = new(
            (FrameKind)BinaryPrimitives.ReadUInt32LittleEndian(from[4..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(from[16..]),
            from[HeaderBytes..bytes]);
        return true;
    }

    /// <summary>Writes it to the start of <paramref name="into"/>.</summary>
    public void Write(Span<byte> into)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(into, (uint)Payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(into[4..], (uint)Kind);
        BinaryPrimitives.WriteUInt64LittleEndian(into[8..], Sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(into[16..], Chain);
        Payload.CopyTo(into[HeaderBytes..]);
        BinaryPrimitives.WriteUInt32LittleEndian(into[ChecksumAt..], Checksum(into[..Bytes]));
    }

    // Of everything but itself.
    private static uint Checksum(ReadOnlySpan<byte> frame) => ~Crc32C.Extend(
        Crc32C.Extend(~0u, frame[..ChecksumAt]), frame[HeaderBytes..]);
}
