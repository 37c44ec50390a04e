using Microsoft.Extensions.Logging;

namespace StorageOs.Kernel.Recorder;

/// <summary>
/// This node's copy of its partner's ring: follows it, event by event, while the partner's memory
/// can be read, takes what is left when the partner is lost, and is kept in a file, so that the
/// story of a death is there although the dead has booted over it. Written by the connection
/// manager's thread alone; read by any.
/// </summary>
internal sealed class PartnerRing
{
    /// <summary>Slots that one read fetches at most.</summary>
    public const int SlotsPerRead = 32;

    /// <summary>
    /// How often a slot is read again that a writer seems to be at, before it counts as damaged.
    /// </summary>
    private const int TriesMax = 50;

    private readonly byte[] ring = new byte[EventSlot.RingBytes];
    private readonly Lock saving = new();
    private readonly string path;
    private readonly ILogger log;
    private ulong have;
    private int tries;
    private bool unsaved;

    /// <summary>Takes up what was kept in the file, if anything.</summary>
    public PartnerRing(string path, ILogger log)
    {
        (this.path, this.log) = (path, log);
        try
        {
            byte[] kept = File.Exists(path) ? File.ReadAllBytes(path) : [];
            if (kept.Length == ring.Length)
            {
                kept.CopyTo(ring, 0);
                have = EventRing.Read(ring).Events.Select(old => old.Sequence)
                    .DefaultIfEmpty().Max();
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            KernelEvents.PartnerEventsUnread.Raise(log, path, failure.Message);
        }
    }

    /// <summary>The last of the partner's events that is known.</summary>
    public ulong Recorded => Volatile.Read(ref have);

    /// <summary>What is known of the partner's events.</summary>
    public EventRing Read() => EventRing.Read(ring);

    /// <summary>
    /// What to read next of a partner that has recorded so many; null when nothing is missing.
    /// </summary>
    public (ulong From, int Count)? Next(ulong recorded)
    {
        if (recorded < have)
        {
            BeginAnew();
        }

        if (recorded <= have)
        {
            return null;
        }

        ulong oldest = recorded > EventSlot.Count ? recorded - EventSlot.Count + 1 : 1;
        ulong from = Math.Max(have + 1, oldest);
        int toEnd = EventSlot.Count - (int)(from % EventSlot.Count);
        ulong count = Math.Min(recorded - from + 1, (ulong)Math.Min(SlotsPerRead, toEnd));
        return (from, (int)count);
    }

    /// <summary>
    /// Takes slots that were read. One that is not whole yet stops it: it is read again.
    /// </summary>
    public void Take(ulong from, ReadOnlySpan<byte> slots)
    {
        for (; slots.Length >= EventSlot.Bytes; slots = slots[EventSlot.Bytes..], from++)
        {
            ulong found = EventSlot.SequenceOf(slots);
            if (found < from && ++tries < TriesMax)
            {
                return;
            }

            if (found >= from)
            {
                Put(slots[..EventSlot.Bytes], found);
            }

            (have, tries) = (from, 0);
        }
    }

    /// <summary>Takes whatever is newer in a whole ring.</summary>
    public void TakeAll(ReadOnlySpan<byte> all)
    {
        for (int at = 0; at < EventSlot.RingBytes; at += EventSlot.Bytes)
        {
            ReadOnlySpan<byte> slot = all.Slice(at, EventSlot.Bytes);
            ulong found = EventSlot.SequenceOf(slot);
            if (found > EventSlot.SequenceOf(ring.AsSpan(at, EventSlot.Bytes))
                && EventSlot.OffsetOf(found) == at)
            {
                Put(slot, found);
                have = Math.Max(have, found);
            }
        }
    }

    /// <summary>
    /// Keeps it in the file, by a worker: the manager's thread does not wait for a disk.
    /// </summary>
    public void Save()
    {
        if (unsaved)
        {
            unsaved = false;
            _ = Task.Run(() => Write(path));
        }
    }

    private void Put(ReadOnlySpan<byte> slot, ulong sequence)
    {
        slot.CopyTo(ring.AsSpan(EventSlot.OffsetOf(sequence)));
        unsaved = true;
    }

    /// <summary>
    /// The partner has lost its own ring and counts from the start; what is known of before is set
    /// aside.
    /// </summary>
    private void BeginAnew()
    {
        byte[] before = [.. ring];
        _ = Task.Run(() => Write(path + ".before", before));
        Array.Clear(ring);
        (have, tries, unsaved) = (0, 0, true);
    }

    private void Write(string to, byte[]? what = null)
    {
        try
        {
            lock (saving)
            {
                RingFile.Replace(to, what ?? [.. ring]);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            KernelEvents.PartnerEventsNotKept.Raise(log, to, failure.Message);
        }
    }
}
