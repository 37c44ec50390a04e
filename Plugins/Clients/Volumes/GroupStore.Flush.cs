using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>
/// This part: moves acknowledged records to this node's disk, on the owner and on the passive node
/// alike, never beyond what is acknowledged (L3), and only in a role that says whose they are (L5).
/// </summary>
/// <remarks>
/// A read that waits for the disk puts the overlay over what the disk gave, later. What is flushed
/// meanwhile must stay in the overlay until such reads have ended: they are counted on one of two
/// sides, the side changes when a flush ends, and the flush takes effect once the old side is
/// empty.
/// </remarks>
internal sealed partial class GroupStore
{
    private const long FlushBytesSoon = 2 * Size.MiB;
    private static readonly TimeSpan FlushDelay = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    private readonly FlushJob job;
    private readonly int[] readers = new int[2];
    private int pieceBytes = Size.Page;
    private int side;
    private bool flushRunning;
    private bool flushWritten; // On disk; waits for readers of the old side.
    private bool abandoned; // What the log holds was replaced meanwhile.
    private bool kicked;
    private Instant? due;
    private Instant? retryAt;
    private Refusal? fault;
    private Lsn durable; // On both nodes, as far as was asked in this spell of mirroring.
    private Lsn provingTo;
    private ulong provingIn;
    private ulong mirroredSpell;
    private bool inSpell;
    private bool proving;

    /// <summary>See <see cref="IVolumes.DiskFault"/>.</summary>
    public Refusal? Fault => fault;

    /// <summary>Why flushing waits, for status; empty when it does not.</summary>
    public string Waits => retryAt is null ? ""
        : "no space on this node's disk; tried again each second";

    /// <summary>
    /// L6: at level power this disk must not get ahead of what is durable at the partner, which may
    /// come back from a loss of power without the rest, go on alone, and never hear of it (S11).
    /// </summary>
    private bool NeedsProof => power && log.Role == LogRole.Mirrored;

    private bool MayFlush => fault is null && job.Marks is not null && !stopped && log.Role switch
    {
        LogRole.Mirrored or LogRole.Resyncing or LogRole.Alone => true,
        LogRole.Passive => !IsHeldBack,
        _ => false,
    };

    /// <summary>Regular look at what is due; every few milliseconds.</summary>
    public void OnTick()
    {
        KeepRecord();
        ConsiderFlush();
        PumpCopy();
        PumpScrub();
    }

    private void KickFlush()
    {
        kicked = true;
        ConsiderFlush();
    }

    private void ConsiderFlush()
    {
        ulong pending = log.Acknowledged.Value - Math.Min(
            log.Flushed.Value, log.Acknowledged.Value);
        if (flushRunning || !MayFlush || (pending == 0 && !record.NeedsWrite))
        {
            kicked &= pending != 0;
            return;
        }

        if (retryAt is { } retry)
        {
            if (reactor.Now >= retry)
            {
                writer.Run(job);
                flushRunning = true;
                retryAt = null;
            }

            return;
        }

        due ??= reactor.Now + FlushDelay;
        if (kicked || pending >= FlushBytesSoon || reactor.Now >= due)
        {
            // Asking takes completions, whose news may start the flush from within, or end it.
            AskProof(pending);
            if (!flushRunning && MayFlush && (pending == 0 || !NeedsProof || durable > log.Flushed))
            {
                StartFlush();
            }
        }
    }

    /// <summary>
    /// Asks for the proof that a flush needs. What was acknowledged may end within a record, so one
    /// of before that is not used up need not be enough.
    /// </summary>
    private void AskProof(ulong pending)
    {
        if (pending != 0 && NeedsProof && durable < log.Acknowledged && !proving)
        {
            proving = true;
            (provingTo, provingIn) = (log.Acknowledged, mirroredSpell);
            log.Prove(static (state, outcome) => ((GroupStore)state).Proved(outcome), this);
        }
    }

    private void Proved(LogOutcome outcome)
    {
        proving = false;
        if (outcome == LogOutcome.Ok && provingIn == mirroredSpell && NeedsProof)
        {
            durable = provingTo; // The next tick starts the flush, which is still due.
        }
    }

    /// <summary>What is durable at a partner is so of one copy: in one spell.</summary>
    private void NoteSpell()
    {
        if (NeedsProof != inSpell)
        {
            inSpell = NeedsProof;
            durable = default;
            mirroredSpell++;
        }
    }

    private void StartFlush()
    {
        Invariant.Require(!flushRunning);
        due = null;
        kicked = false;
        Lsn at = log.Flushed;
        Lsn end = NeedsProof && durable < log.Acknowledged ? Later(at, durable) : log.Acknowledged;
        NoteChanges();
        job.Clear();
        job.Marks!.Take(record, evenLazy: true);
        job.MarkedTo = new Lsn(record.IsOpen ? marksTo : 0);
        job.From = at;
        while (at < end && log.TryRead(at, out LogRecord entry, out Lsn next) && next <= end)
        {
            if (!job.HasRoom(entry))
            {
                end = at;
                kicked = true; // The rest is due as much as this.
                break;
            }

            if (VolumeOf(entry) is { } volume)
            {
                if (IsForThisDisk(entry))
                {
                    Put(entry, volume);
                }
            }
            else if (ChangesADisk(entry.Entry.Kind) && IsForThisDisk(entry))
            {
                fault = NoRoom(entry); // The partner's volume is larger, and takes such writes.
                end = at;
                break;
            }

            at = next;
        }

        job.To = AfterControl(at, end);
        if (job.To > job.From || job.Marks.Any)
        {
            flushRunning = true;
            writer.Run(job);
        }

        if (fault is not null)
        {
            log.MarkDamaged(fault.ToString()); // L3: who cannot follow is stale, and says why.
        }
    }

    private static Lsn Later(Lsn one, Lsn other) => one > other ? one : other;

    private void Put(in LogRecord entry, Volume volume)
    {
        if (entry.Entry.Kind != LogEntryKind.AskChanges)
        {
            job.Add(entry);
        }
        else if (record.IsOpen && record.Changed.Any(
            record.Granules.At(volume.Number, entry.Entry.Offset),
            record.Granules.At(volume.Number, entry.Entry.Offset + entry.Entry.Length - 1) + 1))
        {
            job.Yes.Add(entry.End); // S10: what this node changed by itself.
        }
    }

    /// <summary>A copy comes from this disk while it is made; only who follows compares.</summary>
    private bool IsForThisDisk(in LogRecord record) => record.Entry.Kind switch
    {
        LogEntryKind.Copy or LogEntryKind.CopyZeroes => log.Role != LogRole.Resyncing,
        LogEntryKind.Compare or LogEntryKind.CompareZeroes or LogEntryKind.AskChanges =>
            log.Role == LogRole.Passive,
        _ => true,
    };

    /// <summary>The log's own records at the end of a stretch need no disk.</summary>
    private Lsn AfterControl(Lsn at, Lsn end)
    {
        bool more = log.TryRead(at, out _, out Lsn next);
        return !more && at < end && next >= end ? end : at;
    }

    private void FlushEnded(FlushJob ended)
    {
        flushRunning = false;
        if (renewing)
        {
            renewing = false;
            return;
        }

        if (abandoned)
        {
            abandoned = false;
            retryAt = null;
            if (ended.Result != DiskResult.Ok)
            {
                record.WriteAgain();
            }

            ConsiderFlush();
            return;
        }

        switch (ended.Result)
        {
            case DiskResult.Ok:
                flushRunning = true;
                flushWritten = true;
                side ^= 1;
                TakeEffect();
                break;
            case DiskResult.NoSpace:
                retryAt = reactor.Now + RetryDelay; // Nothing is lost: the log keeps it (L4).
                break;
            default:
                fault = new Refusal(
                    $"disk of {Group}", "writes and flushes to succeed", "an I/O error",
                    "replace the disk; this node is stale until a full copy");
                RenewDisk();
                log.MarkDamaged(fault.ToString()); // L3.
                break;
        }
    }

    /// <summary>Once no read from before the flush is under way: forgets what is on disk
    /// now.</summary>
    private void TakeEffect()
    {
        if (!flushWritten || readers[side ^ 1] != 0)
        {
            return;
        }

        flushWritten = false;
        bool counts = !abandoned;
        if (counts)
        {
            TellFlushed();
        }

        flushRunning = false;
        abandoned = false;
        if (counts)
        {
            ConsiderFlush();
        }
    }

    /// <summary>
    /// Tells the log what is on disk and in the record. It frees space, and those who wait for it
    /// write on from within: the next flush must not begin before this is over.
    /// </summary>
    private void TellFlushed()
    {
        Invariant.Require(flushRunning);
        if (Served)
        {
            DropFlushed(job.From, job.To);
        }

        foreach (Lsn mismatch in CollectionsMarshal.AsSpan(job.Mismatches))
        {
            log.ReportMismatch(mismatch);
        }

        foreach (Lsn changed in CollectionsMarshal.AsSpan(job.Yes))
        {
            log.ReportMismatch(changed);
        }

        log.SetMarked(job.MarkedTo);
        if (job.To > job.From)
        {
            // Else it was for the record alone, and a log that forgot may end before its flushes.
            indexed = Math.Max(indexed, job.To.Value);
            log.SetFlushed(job.To);
        }
    }

    private void DropFlushed(Lsn from, Lsn to)
    {
        while (from < to && log.TryRead(from, out LogRecord entry, out from) && from <= to)
        {
            VolumeOf(entry)?.Overlay.Drop(entry.Entry.Offset, entry.Entry.Length, to.Value);
        }
    }

    private void StartRead(ReadJob read)
    {
        read.Side = side;
        readers[side]++;
        reader.Run(read);
    }

    private void EndRead(ReadJob read)
    {
        // The overlay is put over the read in this same turn, before the flush takes effect.
        readers[read.Side]--;
        if (flushWritten)
        {
            reactor.Post(static state => ((GroupStore)state!).TakeEffect(), this);
        }
    }
}
