namespace StorageOs.NvramMirror;

/// <summary>How far a log is known to chain.</summary>
/// <param name="End">End of the last good record.</param>
/// <param name="Crc">Its CRC; what the next one must name.</param>
/// <param name="Generation">Its generation.</param>
/// <param name="Term">Its term.</param>
/// <param name="LastStart">Its start; <paramref name="End"/> when there is none.</param>
/// <param name="Any">Whether there is one; without, the next may name any predecessor.</param>
internal readonly record struct LogCursor(
    ulong End, uint Crc, ulong Generation, ulong Term, ulong LastStart, bool Any)
{
    /// <summary>Before the first record.</summary>
    public static LogCursor At(ulong head) => new(head, 0, 0, 0, head, false);
}

/// <summary>Finds the longest prefix whose records chain (rule L2). Pure.</summary>
internal static class LogScan
{
    /// <summary>
    /// Goes on from <paramref name="cursor"/> while records chain and end at or before
    /// <paramref name="limit"/>.
    /// </summary>
    public static LogCursor Run(ReadOnlySpan<byte> ring, LogCursor cursor, ulong limit)
    {
        while (cursor.End < limit
            && RecordCodec.TryRead(ring, cursor.End, out RecordHeader record)
            && record.End <= limit
            && Chains(cursor, record))
        {
            cursor = new(
                record.End, record.Crc, record.Generation, record.Term, record.Lsn, true);
        }

        return cursor;
    }

    private static bool Chains(in LogCursor cursor, in RecordHeader record) =>
        !cursor.Any
        || (record.PreviousCrc == cursor.Crc
            && (record.Generation == cursor.Generation
                || (record.Generation > cursor.Generation
                    && record.Control == ControlKind.GenerationStart)));
}
