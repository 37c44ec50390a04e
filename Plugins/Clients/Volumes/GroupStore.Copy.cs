using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>
/// This part: copies everything to a stale partner through the log, then has the partner compare
/// (S11). An extent is read from disk on a worker; back on the reactor everything appended is
/// acknowledged first, the overlay is put over what was read, and the record is appended in the
/// same turn: no write falls between, neither for a copy nor for the checksums of a comparison.
/// </summary>
internal sealed partial class GroupStore
{
    private const int RepairsMax = 3; // Of one extent; then the partner's disk is not good.

    private readonly ReadJob copyRead;
    private readonly Queue<Comparison> comparisons = new(); // In the log; not answered yet.
    private readonly Queue<Extent> repairs = new(); // Found to differ.
    private byte[] extent = []; // Has room while a copy runs.
    private TaskCompletionSource<bool>? copy;
    private TaskCompletionSource<bool>? readFor; // The copy that the read under way is for.
    private IProgress<CopyProgress>? progress;
    private CancellationToken copyCancellation;
    private bool comparing; // The second round: everything was copied once.
    private Extent current;
    private int copyVolume;
    private long copyOffset;
    private CopyProgress done;
    private ulong copyEnd;
    private bool copyReading;
    private int copyReady; // Bytes of the extent that wait to be appended.

    /// <summary>Differences that comparisons have found since the boot; each was repaired, or
    /// its copy failed.</summary>
    public long MismatchesFound { get; private set; }

    /// <summary>See <see cref="IVolumes.CopyAllAsync"/>.</summary>
    public ValueTask<bool> CopyAllAsync(
        IProgress<CopyProgress> report, CancellationToken cancellation)
    {
        Invariant.Require(log.Role == LogRole.Resyncing && copy is null);
        copy = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ValueTask<bool> result = new(copy.Task);
        progress = report;
        copyCancellation = cancellation;
        comparing = false;
        copyVolume = 0;
        copyOffset = 0;
        done = new CopyProgress(0, volumes.Sum(v => v.SizeBytes), 0, 0);
        copyReady = 0;
        extent = extent.Length == pieceBytes ? extent : new byte[pieceBytes];
        copyEnd = log.Acknowledged.Value;
        PumpCopy();
        return result;
    }

    /// <summary>Goes on with a copy, as far as the log's share for it goes.</summary>
    private void PumpCopy()
    {
        if (copy is null || copyReading)
        {
            return;
        }

        if (copyCancellation.IsCancellationRequested || log.PartnerFailed || !TakeComparisons())
        {
            EndCopy(false);
            return;
        }

        // The append's commit may free space and have started the next read from within.
        if (copyReady != 0 && (!AppendExtent() || copyReading))
        {
            return;
        }

        if (!NextExtent())
        {
            // Flushed by the partner: the last extent is on its disk, and compared.
            if (comparisons.Count == 0 && log.PartnerFlushed.Value >= copyEnd)
            {
                EndCopy(true);
            }

            return;
        }

        // Clients get the rest of the log: a copy may fill a quarter of it.
        ulong share = (ulong)log.Summary.CapacityBytes / 4;
        if (copyEnd < log.PartnerFlushed.Value + share
            && comparisons.Count < IGroupLog.MismatchesKept)
        {
            ReadExtent();
        }
    }

    /// <summary>Says what is next: what differed, else the next in order, twice over.</summary>
    private bool NextExtent()
    {
        if (repairs.TryPeek(out current))
        {
            return true;
        }

        bool more = SkipToVolume();
        if (!more && !comparing)
        {
            comparing = true;
            copyVolume = 0;
            copyOffset = 0;
            more = SkipToVolume();
        }

        if (more)
        {
            Volume volume = volumes[copyVolume];
            long length = Math.Min(pieceBytes, volume.SizeBytes - copyOffset);
            current = new Extent(volume, copyOffset, (int)length, 0);
        }

        return more;
    }

    private bool SkipToVolume()
    {
        while (copyVolume < volumes.Count && copyOffset >= volumes[copyVolume].SizeBytes)
        {
            copyVolume++;
            copyOffset = 0;
        }

        return copyVolume < volumes.Count;
    }

    private void ReadExtent()
    {
        copyReading = true;
        readFor = copy;
        copyRead.Volume = current.Volume;
        copyRead.Offset = current.Offset;
        copyRead.Into = extent.AsMemory(0, current.Length);
        StartRead(copyRead);
    }

    private void CopyReadEnded(ReadJob read)
    {
        copyReading = false;
        EndRead(read);
        if (copy is null || readFor != copy)
        {
            PumpCopy(); // What was read belongs to a copy that has ended.
            return;
        }

        if (read.Result != DiskResult.Ok)
        {
            EndCopy(false);
            return;
        }

        copyReady = read.Into.Length;
        PumpCopy();
    }

    /// <summary>Appends the extent just read; reads it again when it had to wait.</summary>
    private bool AppendExtent()
    {
        log.Commit(); // Whatever was appended is acknowledged now, and goes into the overlay.
        Index();
        if (copy is null || copyReady == 0)
        {
            return false; // Ended, or appended, by what the commit set off.
        }

        copyReady = 0;
        bool zeros = PutTogether();
        bool repairing = current.Repairs != 0;
        int length = zeros && !repairing ? HoleLength() : current.Length;
        if ((!comparing || repairing) && !AppendCopy(zeros, length))
        {
            return false; // Full: the extent is read again by a later turn.
        }

        if (comparing && !AppendComparison(zeros, length))
        {
            return false;
        }

        Advance(repairing, length);
        log.Commit();
        progress?.Report(done);
        return copy is not null;
    }

    /// <summary>Puts what stands in the log over what was read; true when all is zeros.</summary>
    private bool PutTogether()
    {
        Span<byte> bytes = extent.AsSpan(0, current.Length);
        bool hole = copyRead.NextData >= current.Offset + current.Length;
        if (hole)
        {
            bytes.Clear();
        }

        Overlay overlay = current.Volume.Overlay;
        bool touched = overlay.Touches(current.Offset, current.Length);
        overlay.Apply(current.Offset, bytes, log);
        return (hole && !touched) || !bytes.ContainsAnyExcept((byte)0);
    }

    private bool AppendCopy(bool zeros, int length)
    {
        LogEntry entry = new(
            zeros ? LogEntryKind.CopyZeroes : LogEntryKind.Copy,
            current.Volume.Number, current.Offset, length);
        ReadOnlySpan<byte> bytes = zeros ? default : extent.AsSpan(0, length);
        if (log.TryAppend(entry, bytes, out Lsn end) != AppendOutcome.Accepted)
        {
            return false;
        }

        copyEnd = end.Value;
        return true;
    }

    private bool AppendComparison(bool zeros, int length)
    {
        Span<byte> sums = stackalloc byte[ExtentSums.BytesOf(PieceBytesMax)];
        sums = zeros ? default : sums[..ExtentSums.BytesOf(length)];
        ExtentSums.Write(extent.AsSpan(0, zeros ? 0 : length), sums);
        LogEntry entry = new(
            zeros ? LogEntryKind.CompareZeroes : LogEntryKind.Compare,
            current.Volume.Number, current.Offset, length);
        if (log.TryAppend(entry, sums, out Lsn end) != AppendOutcome.Accepted)
        {
            return false;
        }

        copyEnd = end.Value;
        comparisons.Enqueue(new Comparison(end, current with { Length = length }));
        return true;
    }

    private void Advance(bool repairing, int length)
    {
        if (repairing)
        {
            repairs.Dequeue();
            return;
        }

        copyOffset += length;
        done = comparing
            ? done with { BytesCompared = done.BytesCompared + length }
            : done with { BytesDone = done.BytesDone + length };
    }

    /// <summary>Takes in what the partner has compared.</summary>
    /// <returns>False when an extent differs however often it is copied.</returns>
    private bool TakeComparisons()
    {
        while (comparisons.TryPeek(out Comparison one) && one.End <= log.PartnerFlushed)
        {
            comparisons.Dequeue();
            if (log.PartnerFound(one.End))
            {
                MismatchesFound++;
                done = done with { Mismatches = done.Mismatches + 1 };
                if (one.Extent.Repairs == RepairsMax)
                {
                    return false;
                }

                Repair(one.Extent);
            }
        }

        return true;
    }

    /// <summary>A compared hole may be longer than what is copied in one piece.</summary>
    private void Repair(Extent differs)
    {
        for (int at = 0; at < differs.Length; at += pieceBytes)
        {
            repairs.Enqueue(new Extent(
                differs.Volume, differs.Offset + at, Math.Min(pieceBytes, differs.Length - at),
                differs.Repairs + 1));
        }
    }

    /// <summary>A hole may be longer than one extent, as far as no write stands in the
    /// log.</summary>
    private int HoleLength()
    {
        Volume volume = current.Volume;
        long end = Math.Min(copyRead.NextData, volume.SizeBytes);
        end = Math.Min(end, current.Offset + ZeroBytesMax) & -Overlay.BlockBytes;
        long length = current.Length;
        while (current.Offset + length < end
            && !volume.Overlay.Touches(current.Offset + length, Overlay.BlockBytes))
        {
            length += Overlay.BlockBytes;
        }

        return (int)length;
    }

    private void EndCopy(bool good)
    {
        if (copy is { } waiting)
        {
            copy = null;
            copyReady = 0;
            comparisons.Clear();
            repairs.Clear();
            waiting.SetResult(good);
        }
    }

    /// <summary>A part of a volume, and how often it was copied again.</summary>
    private readonly record struct Extent(Volume Volume, long Offset, int Length, int Repairs);

    /// <summary>A comparison in the log: where its record ends, and what it is of.</summary>
    private readonly record struct Comparison(Lsn End, Extent Extent);
}
