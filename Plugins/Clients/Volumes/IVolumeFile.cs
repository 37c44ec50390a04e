namespace StorageOs.Volumes;

/// <summary>What became of a disk operation.</summary>
internal enum DiskResult
{
    /// <summary>Done.</summary>
    Ok,

    /// <summary>No room; the same may work later.</summary>
    NoSpace,

    /// <summary>The disk failed: what is on it is not known any more (L3).</summary>
    Failed,
}

/// <summary>
/// A volume's file on this node. <see cref="TryReadNow"/> never waits; the others may, and are
/// called on a worker.
/// </summary>
internal interface IVolumeFile : IDisposable
{
    /// <summary>Reads what is at hand without waiting.</summary>
    /// <returns>False when that would wait; the buffer's contents are undefined then.</returns>
    bool TryReadNow(Span<byte> into, long offset);

    /// <summary>Reads all of <paramref name="into"/>.</summary>
    DiskResult Read(Span<byte> into, long offset);

    /// <summary>Writes adjacent buffers one after the other.</summary>
    DiskResult Write(IReadOnlyList<ReadOnlyMemory<byte>> buffers, long offset);

    /// <summary>Makes a range read as zeros and frees its space.</summary>
    DiskResult Punch(long offset, long length);

    /// <summary>Flushes to stable storage.</summary>
    DiskResult Flush();

    /// <summary>Start of the first data at or after <paramref name="offset"/>; the end when there
    /// is none.</summary>
    long NextData(long offset);
}
