using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Volumes.Core;

namespace StorageOs.Volumes;

/// <summary>
/// This part: the record of what this node changed while its partner did not (S9, S11). Changes
/// are taken from the log, whose records are durable before they are acknowledged and stay until
/// what they changed stands in the record (L5); so nothing of this is on a write's path.
/// </summary>
internal sealed partial class GroupStore
{
    private readonly NodeInfo node;
    private readonly ILogger logger;
    private ChangeRecord record;
    private ulong marksTo; // Changes of the log's records before it are marked, in memory.
    private RegisterEntry? entry;
    private bool adopted; // An owner made this node's log anew since it last served.
    private bool renewing;

    /// <summary>Makes the id of a disk.</summary>
    public Func<ulong> NewDiskId { get; init; } = ChangeRecord.NewDiskId;

    /// <summary>What was changed, for status.</summary>
    public ChangeRecord Record => record;

    /// <summary>Bytes of the group that the partner lacks, for status.</summary>
    public long ChangedBytes => record.Changed.Count * record.Granules.Bytes;

    /// <summary>
    /// S10: what a stale node's log holds may not count any more; its owner makes the log anew.
    /// </summary>
    private bool IsHeldBack => !adopted && entry is { Sync: SyncState.Stale } known
        && known.StaleNode == node.SystemId;

    /// <summary>See <see cref="IVolumes.TakeEntry"/>.</summary>
    public void TakeEntry(RegisterEntry news)
    {
        entry = news;
        KeepRecord();
    }

    private void OpenRecord(IStableFile file)
    {
        job.Marks = new RecordWrite(file, power);
        record = job.Marks.Load(
            new Granules([.. volumes.Select(volume => volume.SizeBytes)]), node.MachineBootId,
            NewDiskId());
        if (record.Why.Length > 0)
        {
            VolumeEvents.RecordTold.Raise(logger, Group, record.Why);
        }

        TellDisk();
    }

    /// <summary>
    /// The register says that the partner is stale: every record that the partner has not reported
    /// flushed is a change that it lacks (S9), from now on or from before.
    /// </summary>
    private void WentAlone()
    {
        marksTo = Math.Max(log.Summary.Head.Value, log.PartnerFlushed.Value);
        adopted = false;
    }

    /// <summary>Off every write's path: marks what was written, and ends the record when it may
    /// end.</summary>
    private void KeepRecord()
    {
        ConsiderClose();
        NoteChanges();
        if (record.IsOpen && !record.NeedsWrite && !flushRunning && retryAt is null
            && fault is null && Served)
        {
            log.SetMarked(new Lsn(marksTo)); // All of it stood in the record already.
        }
    }

    private void NoteChanges()
    {
        if (log.Role is not (LogRole.Alone or LogRole.Resyncing or LogRole.Mirrored))
        {
            return;
        }

        if (log.Role != LogRole.Mirrored && !record.IsOpen)
        {
            record.Open(log.Summary.LastTerm.Value);
            TellDisk();
        }

        if (!record.IsOpen)
        {
            return;
        }

        Lsn end = log.Acknowledged;
        Lsn at = new(marksTo);
        while (at < end && log.TryRead(at, out LogRecord change, out Lsn next) && next <= end)
        {
            if (ChangesADisk(change.Entry.Kind) && VolumeOf(change) is { } volume)
            {
                record.Mark(
                    volume.Number, change.Entry.Offset, change.Entry.Length,
                    mirrored: log.Role != LogRole.Alone);
            }

            at = next;
        }

        marksTo = Math.Max(marksTo, AfterControl(at, end).Value);
    }

    /// <summary>Copies, too: they may be in this log from when it was the partner's.</summary>
    private static bool ChangesADisk(LogEntryKind kind) => kind
        is LogEntryKind.Write or LogEntryKind.Trim or LogEntryKind.WriteZeroes
        or LogEntryKind.Copy or LogEntryKind.CopyZeroes;

    /// <summary>S11: InSync, and only that, says that there are no changes.</summary>
    private void ConsiderClose()
    {
        ulong partner = log.PartnerDisk.Id;
        bool settled = log.Role switch
        {
            LogRole.Mirrored => log.PartnerHoldsAll,
            LogRole.Passive => true,
            _ => false,
        };
        if (!settled || partner == 0 || entry is not { Sync: SyncState.InSync }
            || (record.IsOpen && entry.Term.Value <= record.Term))
        {
            return;
        }

        // A disk that is not the one that was copied to is not what the register speaks of.
        bool same = record.PairedWith == 0 || record.PairedWith == partner
            || (log.Role == LogRole.Passive && adopted);
        if (same && (record.IsOpen || record.PairedWith != partner))
        {
            record.Close(partner);
            TellDisk();
        }
    }

    /// <summary>A disk that failed is not the one any more that the partner knows.</summary>
    private void RenewDisk()
    {
        record.Renew(NewDiskId(), "its disk has failed");
        TellDisk();
        job.Clear();
        job.Marks!.Take(record, evenLazy: false);
        renewing = true;
        flushRunning = true;
        writer.Run(job);
    }

    private void TellDisk() => log.TellDisk(new DiskFacts(
        record.DiskId, record.PairedWith, new Term(record.IsOpen ? record.Term : 0)));
}
