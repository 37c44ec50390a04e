using System.Buffers.Binary;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// Keeps a group's <see cref="DurableMemory"/> in a file of two slots written in turn, so that a
/// crash in the middle of a write leaves the one before. Flushed to the disk at power level only:
/// at process level a crash of the process loses nothing that was written.
/// </summary>
internal sealed class MemoryFile : IDisposable
{
    private const ulong Magic = 0x3130_4D4D_4F46_4F53; // "SOFOMM01"
    private const int SlotBytes = 512;
    private const int CrcOffset = 64;
    private readonly IStableFile file;
    private readonly bool flush;
    private ulong sequence;

    /// <summary>Reads what the file holds.</summary>
    /// <param name="file">The file; this memory's from here on.</param>
    /// <param name="path">Its name, for people.</param>
    /// <param name="level">The node's level.</param>
    /// <exception cref="RefusedException">It holds something, and neither slot is good.</exception>
    public MemoryFile(IStableFile file, string path, PersistenceLevel level)
    {
        this.file = file;
        flush = level == PersistenceLevel.Power;
        byte[] bytes = new byte[2 * SlotBytes];
        int read = file.Read(bytes, 0);
        bool good = Take(bytes.AsSpan(0, SlotBytes)) | Take(bytes.AsSpan(SlotBytes));
        if (read > 0 && !good && bytes.AsSpan(0, read).ContainsAnyExcept((byte)0))
        {
            file.Dispose();
            throw new RefusedException(new Refusal(
                path, "one good slot of two", "none",
                "bring the file back from a copy; without it this node must be copied to anew"));
        }
    }

    /// <summary>What was recorded last.</summary>
    public DurableMemory Memory { get; private set; } = DurableMemory.Empty;

    /// <summary>Records; returns when it is as durable as the node's level.</summary>
    public void Write(DurableMemory memory)
    {
        byte[] slot = new byte[SlotBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(slot, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(slot.AsSpan(8), sequence + 1);
        memory.RegisterId.TryWriteBytes(slot.AsSpan(16));
        BinaryPrimitives.WriteUInt64LittleEndian(slot.AsSpan(32), memory.HighestTerm.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(slot.AsSpan(40), memory.IntentTerm.Value);
        slot[48] = (byte)memory.Intent;
        uint crc = Crc32C.Of(slot.AsSpan(0, CrcOffset));
        BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(CrcOffset), crc);
        file.Write(slot, (long)((sequence + 1) % 2) * SlotBytes);
        if (flush)
        {
            file.Flush();
        }

        sequence++;
        Memory = memory;
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private bool Take(ReadOnlySpan<byte> slot)
    {
        ulong number = BinaryPrimitives.ReadUInt64LittleEndian(slot[8..]);
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(slot[CrcOffset..]);
        if (BinaryPrimitives.ReadUInt64LittleEndian(slot) != Magic
            || crc != Crc32C.Of(slot[..CrcOffset]) || slot[48] > (byte)SwapIntent.Handover)
        {
            return false;
        }

        if (number > sequence)
        {
            sequence = number;
            Memory = new DurableMemory(
                new Guid(slot.Slice(16, 16)),
                new Term(BinaryPrimitives.ReadUInt64LittleEndian(slot[32..])),
                new Term(BinaryPrimitives.ReadUInt64LittleEndian(slot[40..])),
                (SwapIntent)slot[48]);
        }

        return true;
    }
}
