using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

/// <summary>
/// Records that are written at once and hold all or none. The next one is written when this one is
/// durable, so a crash leaves one damaged batch at most, and nothing good behind it. Pure.
/// </summary>
/// <remarks>
/// Magic, CRC-32C of all behind it, stamp of the index, number in the index, bytes, records; then
/// the records, then zeros up to a whole block.
/// </remarks>
internal static class Batch
{
    /// <summary>Most bytes of one, whole blocks.</summary>
    public const int BytesMax = 64 * Size.KiB;

    private const uint Magic = 0x42474F53;
    private const int HeaderBytes = 32;
    private const int SumFrom = 8;

    /// <summary>Most bytes of its records.</summary>
    public const int RecordBytesMax = BytesMax - HeaderBytes;

    /// <summary>Writes one; how many bytes, whole blocks.</summary>
    public static int Write(
        Span<byte> into, ulong stamp, ulong number, IReadOnlyCollection<Record> records)
    {
        int at = HeaderBytes;
        foreach (Record record in records)
        {
            record.Write(into[at..]);
            at += record.Bytes;
        }

        int padded = Padded(at);
        into[at..padded].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(into, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(into[8..], stamp);
        BinaryPrimitives.WriteUInt64LittleEndian(into[16..], number);
        BinaryPrimitives.WriteInt32LittleEndian(into[24..], at);
        BinaryPrimitives.WriteInt32LittleEndian(into[28..], records.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(into[4..], Crc32C.Of(into[SumFrom..at]));
        return padded;
    }

    /// <summary>
    /// The number of a good batch with this stamp that begins here; null when there is none.
    /// </summary>
    /// <param name="bytes">What begins here; a batch whole, if it is one.</param>
    /// <param name="stamp">The stamp.</param>
    /// <param name="records">Its records.</param>
    /// <param name="count">How many.</param>
    /// <param name="length">Its bytes, whole blocks.</param>
    public static ulong? Read(
        ReadOnlySpan<byte> bytes, ulong stamp, out ReadOnlySpan<byte> records, out int count,
        out int length)
    {
        records = default;
        (count, length) = (0, 0);
        if (bytes.Length < HeaderBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic
            || BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) != stamp)
        {
            return null;
        }

        int end = BinaryPrimitives.ReadInt32LittleEndian(bytes[24..]);
        if (end < HeaderBytes || end > Math.Min(BytesMax, bytes.Length)
            || Crc32C.Of(bytes[SumFrom..end])
                != BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]))
        {
            return null;
        }

        records = bytes[HeaderBytes..end];
        count = BinaryPrimitives.ReadInt32LittleEndian(bytes[28..]);
        length = Padded(end);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
    }

    private static int Padded(int bytes) => (int)Layout.BlocksOf(bytes) * Layout.BlockBytes;
}
