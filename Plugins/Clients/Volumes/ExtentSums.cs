using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Volumes;

/// <summary>
/// Checksums by which two nodes compare an extent: one CRC-32C for each 64 KiB, so that a megabyte
/// has sixteen of them and a burst of damage cannot hide in any. Pure.
/// </summary>
internal static class ExtentSums
{
    /// <summary>Bytes that one checksum covers.</summary>
    public const int BlockBytes = 64 * Size.KiB;

    /// <summary>Bytes of the checksums of an extent.</summary>
    public static int BytesOf(int length) =>
        (length + BlockBytes - 1) / BlockBytes * sizeof(uint);

    /// <summary>Writes the checksums of <paramref name="extent"/>.</summary>
    public static void Write(ReadOnlySpan<byte> extent, Span<byte> sums)
    {
        for (int at = 0; at < extent.Length; at += BlockBytes)
        {
            ReadOnlySpan<byte> block = extent.Slice(at, Math.Min(BlockBytes, extent.Length - at));
            BinaryPrimitives.WriteUInt32LittleEndian(
                sums[(at / BlockBytes * sizeof(uint))..], Crc32C.Of(block));
        }
    }

    /// <summary>Whether a block of an extent has the checksum it should have.</summary>
    public static bool Matches(ReadOnlySpan<byte> block, ReadOnlySpan<byte> sums, int number) =>
        Crc32C.Of(block)
            == BinaryPrimitives.ReadUInt32LittleEndian(sums[(number * sizeof(uint))..]);
}
