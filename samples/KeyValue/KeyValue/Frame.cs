using System.Buffers.Binary;
using System.Text;
using StorageOs.Contracts.Runtime;

namespace Sample.KeyValue;

/// <summary>What a frame is.</summary>
internal enum FrameKind : uint
{
    /// <summary>What the sender has: its count, and its history as the value.</summary>
    Hello = 1,

    /// <summary>The follower has all that the leader has, and is bound to what comes.</summary>
    Joined,

    /// <summary>The sender's map has another past than the receiver's.</summary>
    Differs,

    /// <summary>A whole map follows: its count, and its history as the value.</summary>
    Copy,

    /// <summary>As <see cref="Copy"/>, over whatever is there: an operator said so.</summary>
    CopyOver,

    /// <summary>A key of the map that is copied.</summary>
    Entry,

    /// <summary>It is whole.</summary>
    Copied,

    /// <summary>A write: the key is set.</summary>
    Set,

    /// <summary>A write: the key is deleted, if it is there.</summary>
    Delete,

    /// <summary>
    /// A hello was heard and nothing else is to be said: shows the end of the ring once more, for
    /// the twin may have cleared it when it started, after our own hello was in it.
    /// </summary>
    Heard,
}

/// <summary>
/// One write or one word about the map, in memory, in a file and in a ring: a header of
/// <see cref="HeaderBytes"/>, key and value. A key is bytes, each kept as one letter of Latin 1.
/// </summary>
/// <param name="Kind">What it is.</param>
/// <param name="Count">A write's number, from 1; of other kinds, how many were made.</param>
/// <param name="Reign">In whose reign a write was made.</param>
/// <param name="Key">The key.</param>
/// <param name="Value">The value.</param>
internal sealed record Frame(FrameKind Kind, ulong Count, ulong Reign, string Key, byte[] Value)
{
    /// <summary>Length, kind, count, reign, length of the key and checksum.</summary>
    public const int HeaderBytes = 32;

    public const int KeyBytesMax = 512;
    public const int ValueBytesMax = 16 * 1024;
    public const int BytesMax = HeaderBytes + KeyBytesMax + ValueBytesMax;
    private const int ChecksumAt = 28;

    public Frame(FrameKind kind, ulong count = 0, byte[]? value = null)
        : this(kind, count, 0, "", value ?? [])
    {
    }

    public int Bytes => HeaderBytes + Key.Length + Value.Length;

    public bool IsWrite => Kind is FrameKind.Set or FrameKind.Delete;

    /// <summary>How long the frame is whose header this is; 0 when it is none.</summary>
    public static int LengthOf(ReadOnlySpan<byte> header)
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        return length <= BytesMax - HeaderBytes ? HeaderBytes + (int)length : 0;
    }

    /// <summary>Reads the frame at the start; null when it is torn or none.</summary>
    public static Frame? Read(ReadOnlySpan<byte> from)
    {
        int bytes = from.Length < HeaderBytes ? 0 : LengthOf(from);
        if (bytes == 0 || from.Length < bytes
            || BinaryPrimitives.ReadUInt32LittleEndian(from[ChecksumAt..]) != Sum(from[..bytes]))
        {
            return null;
        }

        int key = BinaryPrimitives.ReadInt32LittleEndian(from[24..]);
        return key < 0 || key > bytes - HeaderBytes
            ? null
            : new(
                (FrameKind)BinaryPrimitives.ReadUInt32LittleEndian(from[4..]),
                BinaryPrimitives.ReadUInt64LittleEndian(from[8..]),
                BinaryPrimitives.ReadUInt64LittleEndian(from[16..]),
                Encoding.Latin1.GetString(from.Slice(HeaderBytes, key)),
                from[(HeaderBytes + key)..bytes].ToArray());
    }

    /// <summary>Writes it to the start of <paramref name="into"/>.</summary>
    public void Write(Span<byte> into)
    {
        BinaryPrimitives.WriteInt32LittleEndian(into, Key.Length + Value.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(into[4..], (uint)Kind);
        BinaryPrimitives.WriteUInt64LittleEndian(into[8..], Count);
        BinaryPrimitives.WriteUInt64LittleEndian(into[16..], Reign);
        BinaryPrimitives.WriteInt32LittleEndian(into[24..], Key.Length);
        _ = Encoding.Latin1.GetBytes(Key, into[HeaderBytes..]);
        Value.CopyTo(into[(HeaderBytes + Key.Length)..]);
        BinaryPrimitives.WriteUInt32LittleEndian(into[ChecksumAt..], Sum(into[..Bytes]));
    }

    // Of everything but itself.
    private static uint Sum(ReadOnlySpan<byte> frame) => ~Crc32C.Extend(
        Crc32C.Extend(~0u, frame[..ChecksumAt]), frame[HeaderBytes..]);
}
