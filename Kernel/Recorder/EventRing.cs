namespace StorageOs.Kernel.Recorder;

/// <summary>What a ring holds, oldest first.</summary>
/// <param name="Events">Every event whose checksum holds.</param>
/// <param name="Damaged">Slots that hold something else; nothing of them is believed.</param>
internal sealed record EventRing(IReadOnlyList<RecordedEvent> Events, int Damaged)
{
    private const int TriesMax = 3;

    /// <summary>
    /// Reads a ring that somebody may be writing into: what is torn now is whole a moment later,
    /// what stays torn is damaged.
    /// </summary>
    public static EventRing Read(ReadOnlySpan<byte> ring)
    {
        List<RecordedEvent> events = [];
        int damaged = 0;
        for (int at = 0; at < EventSlot.RingBytes; at += EventSlot.Bytes)
        {
            if (ReadSlot(ring.Slice(at, EventSlot.Bytes), out bool empty) is { } found)
            {
                events.Add(found);
            }
            else if (!empty)
            {
                damaged++;
            }
        }

        events.Sort(static (left, right) =>
            (left.Epoch, left.Sequence).CompareTo((right.Epoch, right.Sequence)));
        return new(events, damaged);
    }

    private static RecordedEvent? ReadSlot(ReadOnlySpan<byte> slot, out bool empty)
    {
        empty = false;
        Span<byte> copy = stackalloc byte[EventSlot.Bytes];
        for (int i = 0; i < TriesMax; i++)
        {
            slot.CopyTo(copy);
            empty = EventSlot.IsEmpty(copy);
            if (empty)
            {
                return null;
            }

            if (EventSlot.Read(copy) is { } found)
            {
                return found;
            }
        }

        return null;
    }
}
