using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>
/// This part: copies everything to a stale partner through the log (S11). An extent is read from
/// disk on a worker; back on the reactor everything appended is acknowledged first, the overlay is
/// put over what was read, and the record is appended in the same turn: no write falls between.
/// </summary>
internal sealed partial class GroupStore
{
    private byte[] extent = []; // Has room while a copy runs.
    private readonly ReadJob copyRead;
    private TaskCompletionSource<bool>? copy;
    private TaskCompletionSource<bool>? readFor; // The copy that the read under way is for.
    private IProgress<CopyProgress>? progress;
    private CancellationToken copyCancellation;
    private int copyVolume;
    private long copyOffset;
    private long copied;
    private ulong copyEnd;
    private bool copyReading;
    private int copyReady; // Bytes of the extent that wait to be appended.

    /// <summary>See <see cref="IVolumes.CopyAllAsync"/>.</summary>
    public ValueTask<bool> CopyAllAsync(
        IProgress<CopyProgress> report, CancellationToken cancellation)
    {
        Invariant.Require(log.Role == LogRole.Resyncing && copy is null);
        copy = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ValueTask<bool> result = new(copy.Task);
        progress = report;
        copyCancellation = cancellation;
        copyVolume = 0;
        copyOffset = copied = 0;
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

        if (copyCancellation.IsCancellationRequested || log.PartnerFailed)
        {
            EndCopy(false);
            return;
        }

        // The append's commit may free space and have started the next read from within.
        if (copyReady != 0 && (!AppendCopy() || copyReading))
        {
            return;
        }

        while (copyVolume < volumes.Count && copyOffset >= volumes[copyVolume].SizeBytes)
        {
            copyVolume++;
            copyOffset = 0;
        }

        if (copyVolume == volumes.Count)
        {
            // Flushed by the partner: the last extent is on its disk.
            if (log.PartnerFlushed.Value >= copyEnd)
            {
                EndCopy(true);
            }

            return;
        }

        // Clients get the rest of the log: a copy may fill a quarter of it.
        ulong share = (ulong)log.Summary.CapacityBytes / 4;
        if (copyEnd < log.PartnerFlushed.Value + share)
        {
            ReadExtent(volumes[copyVolume]);
        }
    }

    private void ReadExtent(Volume volume)
    {
        copyReading = true;
        readFor = copy;
        int length = (int)Math.Min(pieceBytes, volume.SizeBytes - copyOffset);
        copyRead.Volume = volume;
        copyRead.Offset = copyOffset;
        copyRead.Into = extent.AsMemory(0, length);
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
    private bool AppendCopy()
    {
        log.Commit(); // Whatever was appended is acknowledged now, and goes into the overlay.
        Index();
        if (copy is null || copyReady == 0)
        {
            return false; // Ended, or appended, by what the commit set off.
        }

        Volume volume = copyRead.Volume;
        int length = copyReady;
        copyReady = 0;
        bool hole = copyRead.NextData >= copyOffset + length
            && !volume.Overlay.Touches(copyOffset, length);
        if (copyRead.NextData >= copyOffset + length)
        {
            extent.AsSpan(0, length).Clear();
        }

        volume.Overlay.Apply(copyOffset, extent.AsSpan(0, length), log);
        hole = hole || !extent.AsSpan(0, length).ContainsAnyExcept((byte)0);
        long span = hole ? HoleLength(volume, length) : length;
        LogEntry entry = new(
            hole ? LogEntryKind.CopyZeroes : LogEntryKind.Copy,
            volume.Number, copyOffset, (int)span);
        AppendOutcome outcome = log.TryAppend(
            entry, hole ? default : extent.AsSpan(0, length), out Lsn lsn);
        if (outcome != AppendOutcome.Accepted)
        {
            return false; // Full: the extent is read again by a later turn.
        }

        copyEnd = lsn.Value;
        copyOffset += span;
        copied += span;
        log.Commit();
        progress?.Report(new CopyProgress(copied, volumes.Sum(v => v.SizeBytes)));
        return copy is not null;
    }

    /// <summary>A hole may be longer than one extent, as far as no write stands in the
    /// log.</summary>
    private long HoleLength(Volume volume, int least)
    {
        long end = Math.Min(copyRead.NextData, volume.SizeBytes);
        end = Math.Min(end, copyOffset + ZeroBytesMax) & -Overlay.BlockBytes;
        long length = least;
        while (copyOffset + length < end
            && !volume.Overlay.Touches(copyOffset + length, Overlay.BlockBytes))
        {
            length += Overlay.BlockBytes;
        }

        return length;
    }

    private void EndCopy(bool good)
    {
        if (copy is { } waiting)
        {
            copy = null;
            copyReady = 0;
            waiting.SetResult(good);
        }
    }
}
