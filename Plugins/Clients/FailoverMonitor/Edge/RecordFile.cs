using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Interop;

namespace StorageOs.FailoverMonitor.Edge;

// S13: this node's own copy of a group's register entry, in a file of two slots. A write goes to
// the slot that does not hold the last entry known to stand, under a number higher than any tried
// before, so that a write that failed, or a crash in the middle of one, leaves the one before.
//
// The file is locked for as long as this process can write it (LockedFile): a partner that gets the
// lock reads what nobody can write any more, however early it was told of the death.

/// <summary>A group's entry in this node's own record; the partner's, read by its path.</summary>
internal sealed class RecordFile : IDisposable
{
    private const ulong Magic = 0x3130_4352_4F53_4F53; // "SOSORC01"
    private const int WouldBlock = 11;
    internal const int SlotBytes = 512;
    private const int CrcOffset = 128;
    private readonly IStableFile file;
    private readonly GroupId group;
    private ulong numbered;
    private int slotOfEntry = 1;

    /// <summary>Takes over a file that is locked, and reads it.</summary>
    /// <param name="file">The file; this one's own from here on.</param>
    /// <param name="path">What it is called, for people.</param>
    /// <param name="group">The group it is of.</param>
    /// <exception cref="RefusedException">It holds something and neither slot is good.</exception>
    public RecordFile(IStableFile file, string path, GroupId group)
    {
        this.group = group;
        this.file = file;
        byte[] bytes = new byte[2 * SlotBytes];
        int read = file.Read(bytes, 0);
        Slot? best = Best(bytes, group);
        if (best is null && bytes.AsSpan(0, read).ContainsAnyExcept((byte)0))
        {
            file.Dispose();
            throw new RefusedException(new Refusal(
                path, "one good slot of two", "none",
                "bring the file back from a copy; without it nobody knows who went on alone"));
        }

        if (best is not null)
        {
            (Entry, numbered, slotOfEntry) = (best.Entry, best.Number, best.Index);
        }
    }

    /// <summary>The file's name in a node's data directory.</summary>
    public static string Name(GroupId group) => $"failover-{group}.record";

    /// <summary>The entry that stands; null before the first.</summary>
    public RegisterEntry? Entry { get; private set; }

    /// <summary>Puts an entry with a later term in place; an older one changes nothing.</summary>
    public void Adopt(RegisterEntry entry)
    {
        if (Entry is null || entry.Term > Entry.Term)
        {
            Write(entry);
        }
    }

    /// <summary>
    /// Puts <paramref name="next"/> in place; decided unless the file cannot be written. Terms only
    /// grow; a forced one leaves some out.
    /// </summary>
    public SwapOutcome Swap(RegisterEntry next)
    {
        if (Entry is not null && next.Term <= Entry.Term)
        {
            return new SwapOutcome(
                Entry.SwapId == next.SwapId ? SwapResult.Won : SwapResult.Lost, Entry);
        }

        try
        {
            Write(next);
            return new SwapOutcome(SwapResult.Won, next);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new SwapOutcome(SwapResult.Undecided, Entry, failure.Message);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    /// <summary>
    /// Reads the record of a partner whose process has ended; unavailable, and why, while it runs.
    /// </summary>
    public static (WitnessReading Reading, bool Runs) ReadDead(string path, GroupId group)
    {
        try
        {
            using SafeFileHandle handle = File.OpenHandle(
                path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (Libc.flock(handle, Libc.LockShared | Libc.LockNonBlocking) != 0)
            {
                int error = Marshal.GetLastPInvokeError();
                return Unreadable($"{path} cannot be locked: error {error}", error == WouldBlock);
            }

            byte[] bytes = new byte[2 * SlotBytes];
            int read = RandomAccess.Read(handle, bytes, 0);
            return (ReadingOf(bytes.AsSpan(0, read), path, group), false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Unreadable(failure.Message, failure.HResult == WouldBlock);
        }
    }

    /// <summary>What the bytes of a record that nobody writes say of a group.</summary>
    internal static WitnessReading ReadingOf(ReadOnlySpan<byte> read, string path, GroupId group)
    {
        Span<byte> bytes = stackalloc byte[2 * SlotBytes];
        bytes.Clear();
        read.CopyTo(bytes);
        return Best(bytes, group) is Slot best
            ? new WitnessReading(ReadOutcome.Found, best.Entry)
            : bytes.ContainsAnyExcept((byte)0)
                ? new WitnessReading(
                    ReadOutcome.Unavailable, null, $"{path}: neither slot is good")
                : new WitnessReading(ReadOutcome.Missing, null, $"{path} is empty");
    }

    private static (WitnessReading Reading, bool Runs) Unreadable(string why, bool runs = false) =>
        (new WitnessReading(ReadOutcome.Unavailable, null, why), runs);

    private void Write(RegisterEntry entry)
    {
        int slot = 1 - slotOfEntry;
        numbered++; // Even when it fails: it may stand all the same, and must not win later.
        file.Write(Encode(entry, numbered), (long)slot * SlotBytes);

        // At every level: who went on alone must be known after a loss of power, too, or a log that
        // forgot (L7) would be taken for one that missed nothing.
        file.Flush();
        (Entry, slotOfEntry) = (entry, slot);
    }

    /// <summary>The bytes of one slot.</summary>
    internal static byte[] Encode(RegisterEntry entry, ulong number)
    {
        byte[] bytes = new byte[SlotBytes];
        Span<byte> slot = bytes;
        BinaryPrimitives.WriteUInt64LittleEndian(slot, Magic);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[8..], number);
        slot[16] = entry.Group.Value;
        slot[17] = (byte)entry.Sync;
        entry.RegisterId.TryWriteBytes(slot[24..]);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[40..], entry.Term.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[48..], entry.Owner);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[56..], entry.StaleNode);
        BinaryPrimitives.WriteUInt64LittleEndian(slot[64..], entry.StaleSince.Value);
        entry.SwapId.TryWriteBytes(slot[72..]);
        BinaryPrimitives.WriteUInt32LittleEndian(
            slot[CrcOffset..], Crc32C.Of(slot[..CrcOffset]));
        return bytes;
    }

    /// <summary>The later of the good slots; null when neither is.</summary>
    internal static Slot? Best(ReadOnlySpan<byte> bytes, GroupId group)
    {
        Slot? first = Decode(bytes[..SlotBytes], group, 0);
        Slot? second = Decode(bytes[SlotBytes..], group, 1);
        return first is null ? second
            : second is null || first.Number > second.Number ? first : second;
    }

    private static Slot? Decode(ReadOnlySpan<byte> slot, GroupId group, int index)
    {
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(slot[CrcOffset..]);
        if (BinaryPrimitives.ReadUInt64LittleEndian(slot) != Magic
            || crc != Crc32C.Of(slot[..CrcOffset])
            || slot[16] != group.Value || slot[17] > (byte)SyncState.Stale)
        {
            return null;
        }

        RegisterEntry entry = new(
            new Guid(slot.Slice(24, 16)),
            group,
            new Term(BinaryPrimitives.ReadUInt64LittleEndian(slot[40..])),
            BinaryPrimitives.ReadUInt64LittleEndian(slot[48..]),
            (SyncState)slot[17],
            BinaryPrimitives.ReadUInt64LittleEndian(slot[56..]),
            new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(slot[64..])),
            new Guid(slot.Slice(72, 16)));
        return new Slot(entry, BinaryPrimitives.ReadUInt64LittleEndian(slot[8..]), index);
    }

    /// <summary>A good slot.</summary>
    internal sealed record Slot(RegisterEntry Entry, ulong Number, int Index);
}
