using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

/// <summary>
/// Says whose a volume is and which half of it is the index. Both copies say the same but in the
/// middle of a change: the first is durable before the second is touched. Pure.
/// </summary>
/// <param name="Generation">Grows with each change; the higher one counts.</param>
/// <param name="Half">The half that counts, 0 or 1.</param>
/// <param name="Stamp">
/// Random, new with each index: tells its batches from what an earlier one has left in the half,
/// also one that was never finished.
/// </param>
/// <param name="VolumeBytes">Size of the volume that it was made for.</param>
internal sealed record Superblock(ulong Generation, int Half, ulong Stamp, long VolumeBytes)
{
    private const uint Version = 1;
    private const int SumAt = Layout.BlockBytes - sizeof(uint);
    private static ReadOnlySpan<byte> Magic => "SOSOBJG\x1a"u8;

    /// <summary>What a block says; null when it is no superblock, or a damaged one.</summary>
    public static Superblock? Read(string volume, ReadOnlySpan<byte> block, out Refusal? refusal)
    {
        refusal = null;
        if (!block.StartsWith(Magic)
            || Crc32C.Of(block[..SumAt]) != BinaryPrimitives.ReadUInt32LittleEndian(block[SumAt..]))
        {
            return null;
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(block[8..]);
        Superblock found = new(
            BinaryPrimitives.ReadUInt64LittleEndian(block[16..]),
            (int)BinaryPrimitives.ReadUInt32LittleEndian(block[12..]),
            BinaryPrimitives.ReadUInt64LittleEndian(block[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(block[32..]));
        refusal = version != Version
            ? new($"volume {volume}", $"format {Version}", $"format {version}",
                "use the version of this plugin that wrote it")
            : found.Half is not (0 or 1)
            ? new($"volume {volume}", "half 0 or 1 as the index", $"{found.Half}",
                "this is no damage: look for another writer")
            : null;
        return found;
    }

    /// <summary>Writes it as a block.</summary>
    public void Write(Span<byte> block)
    {
        block.Clear();
        Magic.CopyTo(block);
        BinaryPrimitives.WriteUInt32LittleEndian(block[8..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(block[12..], (uint)Half);
        BinaryPrimitives.WriteUInt64LittleEndian(block[16..], Generation);
        BinaryPrimitives.WriteUInt64LittleEndian(block[24..], Stamp);
        BinaryPrimitives.WriteInt64LittleEndian(block[32..], VolumeBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(block[SumAt..], Crc32C.Of(block[..SumAt]));
    }
}
