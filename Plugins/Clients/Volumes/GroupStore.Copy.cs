using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Volumes.Core;

namespace StorageOs.Volumes;

/// <summary>
/// This part: makes a stale partner's disk equal through the log (S10, S11); what is copied and
/// compared is <see cref="CopyPlan"/>'s to say. An extent is read from disk on a worker; back on
/// the reactor everything appended is acknowledged first, the overlay is put over what was read,
/// and the record is appended in the same turn: no write falls between, neither for a copy nor for
/// the checksums of a comparison.
/// </summary>
internal sealed partial class GroupStore
{
    private const int CostOfComparing = 4; // A comparison reads as much, and sends next to nothing.

    private readonly ResyncSettings settings;
    private readonly CopyPace pace;
    private readonly ReadJob copyRead;
    private readonly Queue<Sent> questions = new(); // In the log; not answered yet.
    private readonly Queue<Sent> copies = new(); // In the log; not on the partner's disk yet.
    private byte[] extent = []; // Has room while a copy runs.
    private TaskCompletionSource<bool>? copy;
    private TaskCompletionSource<bool>? readFor; // The copy that the read under way is for.
    private IProgress<CopyProgress>? progress;
    private CancellationToken copyCancellation;
    private CopyPlan? plan; // Once it is decided what is copied.
    private DivergenceRow? decided;
    private ulong attempts;
    private Extent current;
    private ulong copyEnd;
    private bool copyReading;
    private int copyReady; // Bytes of the extent that wait to be appended.

    /// <summary>Differences that comparisons have found since the boot where there should have been
    /// none; each was repaired, or its copy failed.</summary>
    public long MismatchesFound { get; private set; }

    /// <summary>See <see cref="IVolumes.ResyncAsync"/>.</summary>
    public ValueTask<bool> ResyncAsync(
        IProgress<CopyProgress> report, CancellationToken cancellation)
    {
        Invariant.Require(copy is null);
        if (log.Role != LogRole.Resyncing)
        {
            return new(false); // The partner was lost between its push and this.
        }

        copy = new(TaskCreationOptions.RunContinuationsAsynchronously);
        ValueTask<bool> result = new(copy.Task);
        progress = report;
        copyCancellation = cancellation;
        plan = null;
        decided = null;
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

        if (copyCancellation.IsCancellationRequested || log.PartnerFailed || !TakeAnswers())
        {
            EndCopy(false);
            return;
        }

        if (plan is null ? !Decide() : copyReady != 0 && !AppendExtent())
        {
            return;
        }

        // Who was told of it, or the append's commit, may have gone on from within.
        if (copy is not null && !copyReading)
        {
            GoOn();
        }
    }

    private void GoOn()
    {
        while (plan!.Next(out current))
        {
            // Clients get the rest of the log: a copy may fill a quarter of it.
            ulong share = (ulong)log.Summary.CapacityBytes / 4;
            if (copyEnd >= log.PartnerFlushed.Value + share
                || questions.Count >= IGroupLog.MismatchesKept || !pace.MayTake(reactor.Now))
            {
                return;
            }

            if (current.Step != CopyStep.Ask)
            {
                ReadExtent();
                return;
            }

            if (!AppendQuestion(LogEntryKind.AskChanges, default, current.Length))
            {
                return;
            }

            plan.Took(current, current.Length);
            log.Commit();
            if (copy is null)
            {
                return;
            }
        }

        // Flushed by the partner: the last extent is on its disk, and compared.
        if (questions.Count == 0 && log.PartnerFlushed.Value >= copyEnd)
        {
            EndCopy(true);
        }
    }

    /// <summary>S10: says how the two disks stand to each other, and plans by it.</summary>
    private bool Decide()
    {
        KeepRecord();
        DiskFacts theirs = log.PartnerDisk;
        bool agrees = entry is { Sync: SyncState.Stale } && entry.Owner == node.SystemId
            && entry.StaleNode == node.PartnerSystemId;
        ulong term = entry?.Term.Value ?? 0;
        DivergenceRow row = Divergence.Of(
            agrees, Divergence.Ours(record, theirs.Id, term),
            Divergence.Theirs(theirs.Id, theirs.AloneUnder.Value, term));
        if (row != decided)
        {
            decided = row;
            VolumeEvents.ResyncDecided.Raise(
                logger, Group, row.Relation, row.Kind, WhyDecided(row));
        }

        if (row.Kind == ResyncKind.Stop)
        {
            Report();
            return false;
        }

        if (row.Kind == ResyncKind.Everything)
        {
            record.PairAll(theirs.Id, WhyDecided(row));
            TellDisk();
        }

        ulong seed = record.DiskId ^ (ulong)reactor.Now.Nanoseconds ^ ++attempts;
        plan = new CopyPlan(
            record, row.Kind == ResyncKind.Union,
            new VerifySample(seed, record.Granules.Count, settings.SamplePercent), pieceBytes);
        VolumeEvents.ResyncStarted.Raise(
            logger, Group, plan.CopyTotal, plan.CompareTotal, record.Granules.TotalBytes);
        Report();
        return true;
    }

    private string WhyDecided(DivergenceRow row) =>
        record.Why.Length > 0 ? record.Why : row.Why;

    private void Report()
    {
        long left = plan is null ? 0 : Left(plan);
        double seconds = pace.TimeFor(left)?.TotalSeconds ?? -1;
        progress?.Report(new CopyProgress(
            plan?.CopyDone ?? 0, plan?.CopyTotal ?? 0, plan?.CompareDone ?? 0,
            plan?.CompareTotal ?? 0, plan?.Surprises ?? 0, pace.Rate, (long)Math.Ceiling(seconds),
            $"{decided?.Kind}", decided is null ? "" : WhyDecided(decided)));
    }

    private static long Left(CopyPlan plan) =>
        plan.CopyTotal - plan.CopyDone
        + ((plan.CompareTotal - plan.CompareDone) / CostOfComparing);

    private void ReadExtent()
    {
        copyReading = true;
        readFor = copy;
        copyRead.Volume = volumes[current.Volume];
        copyRead.Offset = current.Offset;
        copyRead.Into = extent.AsMemory(0, (int)current.Length);
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
        bool copying = current.Step is CopyStep.Copy or CopyStep.Repair;
        long length = zeros && current.Step != CopyStep.Repair ? HoleLength() : current.Length;
        if (copying && !AppendCopy(zeros, (int)length))
        {
            return false; // Full: the extent is read again by a later turn.
        }

        if (current.Step != CopyStep.Copy && !AppendComparison(zeros, (int)length))
        {
            return false;
        }

        plan!.Took(current, length);
        long cost = zeros ? Overlay.BlockBytes : copying ? length : length / CostOfComparing;
        pace.Took(cost, copying ? length : length / CostOfComparing, reactor.Now);
        log.Commit();
        Report();
        return copy is not null;
    }

    /// <summary>Puts what stands in the log over what was read; true when all is zeros.</summary>
    private bool PutTogether()
    {
        Span<byte> bytes = extent.AsSpan(0, (int)current.Length);
        bool hole = copyRead.NextData >= current.Offset + current.Length;
        if (hole)
        {
            bytes.Clear();
        }

        Overlay overlay = volumes[current.Volume].Overlay;
        bool touched = overlay.Touches(current.Offset, current.Length);
        overlay.Apply(current.Offset, bytes, log);
        return (hole && !touched) || !bytes.ContainsAnyExcept((byte)0);
    }

    private bool AppendCopy(bool zeros, int length)
    {
        LogEntry put = new(
            zeros ? LogEntryKind.CopyZeroes : LogEntryKind.Copy,
            (ushort)current.Volume, current.Offset, length);
        ReadOnlySpan<byte> bytes = zeros ? default : extent.AsSpan(0, length);
        if (log.TryAppend(put, bytes, out Lsn end) != AppendOutcome.Accepted)
        {
            return false;
        }

        copyEnd = end.Value;
        copies.Enqueue(new Sent(end, current with { Length = length }));
        return true;
    }

    private bool AppendComparison(bool zeros, int length)
    {
        Span<byte> sums = stackalloc byte[ExtentSums.BytesOf(PieceBytesMax)];
        sums = zeros ? default : sums[..ExtentSums.BytesOf(length)];
        ExtentSums.Write(extent.AsSpan(0, zeros ? 0 : length), sums);
        return AppendQuestion(
            zeros ? LogEntryKind.CompareZeroes : LogEntryKind.Compare, sums, length);
    }

    private bool AppendQuestion(LogEntryKind kind, ReadOnlySpan<byte> sums, long length)
    {
        LogEntry put = new(kind, (ushort)current.Volume, current.Offset, (int)length);
        if (log.TryAppend(put, sums, out Lsn end) != AppendOutcome.Accepted)
        {
            return false;
        }

        copyEnd = end.Value;
        questions.Enqueue(new Sent(end, current with { Length = length }));
        return true;
    }

    /// <summary>Takes in what the partner has written, and what it has answered.</summary>
    /// <returns>False when an extent differs however often it is copied.</returns>
    private bool TakeAnswers()
    {
        while (copies.TryPeek(out Sent one) && one.End <= log.PartnerFlushed)
        {
            copies.Dequeue();
            record.TakeCopied(one.Extent.Volume, one.Extent.Offset, one.Extent.Length);
        }

        while (questions.TryPeek(out Sent one) && one.End <= log.PartnerFlushed)
        {
            questions.Dequeue();
            bool yes = log.PartnerFound(one.End);
            long before = plan!.Surprises;
            bool widened = plan.Widened;
            bool good = plan.TakeAnswer(one.Extent, yes);
            if (plan.Surprises > before)
            {
                MismatchesFound++;
                VolumeEvents.CopyDiffers.Raise(
                    logger, Group, volumes[one.Extent.Volume].Name, one.Extent.Offset,
                    one.Extent.Length, plan.Widened && !widened
                        ? "nothing there was recorded as changed: everything is compared now"
                        : good ? "copied again" : "it differs however often it is copied");
            }

            if (!good)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A hole may be longer than one extent, as far as no write stands in the
    /// log.</summary>
    private long HoleLength()
    {
        Volume volume = volumes[current.Volume];
        long end = Math.Min(copyRead.NextData, plan!.RunEnd(current));
        end = Math.Min(end, current.Offset + ZeroBytesMax) & -Overlay.BlockBytes;
        long length = current.Length;
        while (current.Offset + length < end
            && !Newest(volume).Touches(current.Offset + length, Overlay.BlockBytes))
        {
            length += Overlay.BlockBytes;
        }

        return length;
    }

    private void EndCopy(bool good)
    {
        if (copy is { } waiting)
        {
            copy = null; // Whoever is told may do what would end it once more.
            Report();
            if (plan is not null)
            {
                (good ? VolumeEvents.ResyncDone : VolumeEvents.ResyncFailed).Raise(
                    logger, Group, plan.CopyDone, plan.CompareDone, plan.Surprises);
            }

            plan = null;
            copyReady = 0;
            questions.Clear();
            copies.Clear();
            waiting.SetResult(good);
        }
    }

    /// <summary>An extent in the log: where its record ends.</summary>
    private readonly record struct Sent(Lsn End, Extent Extent);
}
