using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Interop;

namespace StorageOs.FailoverMonitor.Edge;

// S13: this node's own copy of a group's register entry, in a file of two slots. A write goes to
// the slot that does not hold the last entry known to stand, under a number higher than any tried
// before, so that a write that failed, or a crash in the middle of one, leaves the one before.
//
// The file is locked for as long as this process can write it. Locks of this kind end only when
// every thread of the process has let go of its files, the last thing before it is gone: a partner
// that gets the lock reads what nobody can write any more, however early it was told of the death.

/// <summary>A group's entry in this node's own record; the partner's, read by its path.</summary>
internal sealed class RecordFile : IDisposable
{
    private const ulong Magic = 0x3130_4352_4F53_4F53; // "SOSORC01"
    private const int WouldBlock = 11;
    internal const int SlotBytes = 512;
    private const int CrcOffset = 128;
    private const int LockTriesMax = 50;
    private static readonly TimeSpan LockAgain = TimeSpan.FromMilliseconds(20);
    private readonly SafeFileHandle handle;
    private readonly GroupId group;
    private readonly bool flush;
    private ulong numbered;
    private int slotOfEntry = 1;

    /// <summary>Opens, or makes, the file, and takes its lock.</summary>
    /// <exception cref="RefusedException">
    /// It holds something and neither slot is good, or another process has the lock.
    /// </exception>
    public RecordFile(string path, GroupId group, PersistenceLevel level)
    {
        this.group = group;
        flush = level == PersistenceLevel.Power;
        handle = Lock(path);
        byte[] bytes = new byte[2 * SlotBytes];
        int read = RandomAccess.Read(handle, bytes, 0);
        Slot? best = Best(bytes, group);
        if (best is null && bytes.AsSpan(0, read).ContainsAnyExcept((byte)0))
        {
            handle.Dispose();
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
    public void Dispose() => handle.Dispose();

    /// <summary>
    /// Reads the record of a partner whose process has ended; unavailable, and why, while it runs.
    /// </summary>
    public static (WitnessReading Reading, bool Runs) ReadDead(string path, GroupId group)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(
                path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (Libc.flock(file, Libc.LockShared | Libc.LockNonBlocking) != 0)
            {
                int error = Marshal.GetLastPInvokeError();
                return Unreadable($"{path} cannot be locked: error {error}", error == WouldBlock);
            }

            byte[] bytes = new byte[2 * SlotBytes];
            int read = RandomAccess.Read(file, bytes, 0);
            return Best(bytes, group) is Slot best
                ? (new WitnessReading(ReadOutcome.Found, best.Entry), false)
                : bytes.AsSpan(0, read).ContainsAnyExcept((byte)0)
                    ? Unreadable($"{path}: neither slot is good")
                    : (new WitnessReading(ReadOutcome.Missing, null, $"{path} is empty"), false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Unreadable(failure.Message, failure.HResult == WouldBlock);
        }
    }

    private static (WitnessReading Reading, bool Runs) Unreadable(string why, bool runs = false) =>
        (new WitnessReading(ReadOutcome.Unavailable, null, why), runs);

    /// <summary>
    /// .NET locks by itself when nothing is shared, unless told not to by the environment, hence
    /// the second call. A partner that looks holds a lock for a moment: that is waited for.
    /// </summary>
    private static SafeFileHandle Lock(string path)
    {
        for (int tries = 1; ; tries++)
        {
            string why;
            try
            {
                SafeFileHandle file = File.OpenHandle(
                    path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                if (Libc.flock(file, Libc.LockExclusive | Libc.LockNonBlocking) == 0)
                {
                    return file;
                }

                why = $"flock: error {Marshal.GetLastPInvokeError()}";
                file.Dispose();
            }
            catch (IOException held)
            {
                why = held.Message;
            }

            if (tries == LockTriesMax)
            {
                throw new RefusedException(new Refusal(
                    path, "a lock that no other process holds", why,
                    "without a witness the data directory needs a file system with locks"));
            }

            Thread.Sleep(LockAgain);
        }
    }

    private void Write(RegisterEntry entry)
    {
        int slot = 1 - slotOfEntry;
        numbered++; // Even when it fails: it may stand all the same, and must not win later.
        RandomAccess.Write(handle, Encode(entry, numbered), (long)slot * SlotBytes);
        if (flush)
        {
            RandomAccess.FlushToDisk(handle);
        }

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
