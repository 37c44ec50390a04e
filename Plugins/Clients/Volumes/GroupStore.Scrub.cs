using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Volumes.Core;

namespace StorageOs.Volumes;

/// <summary>
/// This part: compares both copies while they are in sync, an extent at a time and slowly. A
/// comparison is a record of the log like any write, so it is of one point of it for both; it is
/// appended only while nothing that touches its extent waits to be acknowledged. What differs is
/// repaired when it is known which side is right, and reported when it is not.
/// </summary>
internal sealed partial class GroupStore
{
    private const int UnresolvedMax = 16; // Told in status; all are counted.

    private readonly ScrubSettings scrubSettings;
    private readonly CopyPace scrubPace;
    private readonly ReadJob scrubRead;
    private readonly List<Extent> unresolved = [];
    private ScrubPlan? scrub; // While both are in sync and this node owns the group.
    private ScrubPlan? scrubReadFor; // The plan that the read under way is for.
    private Instant scrubDue;
    private byte[] scrubExtent = [];
    private bool scrubbing; // A pass is under way.
    private bool scrubReading;
    private Extent scrubCurrent;
    private uint scrubSum;
    private Lsn? scrubAsked; // The comparison that is waited for.
    private bool scrubTouched; // Its extent was written since.
    private long scrubRepaired;
    private long scrubUnresolved;
    private int scrubFound; // Not resolved in the pass under way.

    private bool MayScrub => log.Role == LogRole.Mirrored && log.PartnerHoldsAll
        && entry is { Sync: SyncState.InSync };

    /// <summary>
    /// Whether this node, as owner, knows of extents that differ and cannot tell which are right: a
    /// move would let clients read other bytes than before.
    /// </summary>
    public bool CopiesDiffer { get; private set; }

    /// <summary>Begins a pass now.</summary>
    /// <returns>Why not; empty when it has begun, or runs already.</returns>
    public string ScrubNow()
    {
        if (!MayScrub)
        {
            return $"this node's log is {log.Role} and the register says {entry?.Sync}:"
                + " only an owner in sync scrubs";
        }

        scrubDue = reactor.Now;
        PumpScrub();
        return "";
    }

    /// <summary>How far it is, and what was found, for status.</summary>
    public JsonObject ReportScrub()
    {
        JsonArray open = [];
        foreach (Extent one in unresolved)
        {
            open.Add(new JsonObject
            {
                ["volume"] = volumes[one.Volume].Name,
                ["offset"] = one.Offset,
                ["length"] = one.Length,
            });
        }

        return new JsonObject
        {
            ["state"] = scrub is null ? "NotHere" : scrubbing ? "Running" : "Waiting",
            ["passes"] = scrub?.Passes,
            ["extentsDone"] = scrub?.Done,
            ["extents"] = scrub?.Parts,
            ["secondsLeft"] = scrub is null || !scrubbing ? null
                : (scrub.Parts - scrub.Done) * (long)pieceBytes / scrubSettings.Pacing,
            ["oldestUnverifiedSeconds"] =
                scrub is null ? null : (long)(reactor.Now - scrub.Oldest).TotalSeconds,
            ["repaired"] = scrubRepaired,
            ["unresolved"] = scrubUnresolved,
            ["unresolvedAt"] = open,
        };
    }

    /// <summary>On the path of every write: forgets a checksum or two.</summary>
    private void NoteWritten(Volume volume, long offset, long length)
    {
        if (scrub is not null)
        {
            scrub.Wrote(volume.Number, offset, length);
            scrubTouched |= volume.Number == scrubCurrent.Volume
                && offset < scrubCurrent.Offset + scrubCurrent.Length
                && scrubCurrent.Offset < offset + length;
        }
    }

    private void PumpScrub()
    {
        if (!MayScrub)
        {
            scrub = null; // Whoever is in sync next begins anew.
            scrubAsked = null;
            scrubbing = false;
            CopiesDiffer = false;
            return;
        }

        if (scrub is null)
        {
            scrub = new ScrubPlan(record.Granules.Volumes, pieceBytes, reactor.Now);
            scrubDue = DueIn(ScrubSettings.First);
        }

        if (!TakeScrubAnswer() || scrubReading)
        {
            return;
        }

        if (!scrubbing && reactor.Now >= scrubDue)
        {
            BeginPass();
        }

        if (scrubbing && scrubPace.MayTake(reactor.Now))
        {
            ReadForScrub();
        }
    }

    private void BeginPass()
    {
        scrub!.Begin();
        scrubbing = true;
        scrubFound = 0;
        scrubDue = DueIn(scrubSettings.Every);
        scrubExtent = scrubExtent.Length == pieceBytes ? scrubExtent : new byte[pieceBytes];
    }

    private Instant DueIn(TimeSpan time) => scrubSettings.BytesPerSecond > 0
        ? reactor.Now + time
        : new Instant(long.MaxValue); // Only when asked for.

    private void ReadForScrub()
    {
        if (!scrub!.Next(out scrubCurrent))
        {
            scrubbing = false;
            CopiesDiffer = scrubFound > 0;
            VolumeEvents.ScrubPassed.Raise(
                logger, Group, scrubRepaired, scrubUnresolved);
            return;
        }

        scrubPace.Took(scrubCurrent.Length, scrubCurrent.Length, reactor.Now);
        scrubReading = true;
        scrubReadFor = scrub;
        scrubRead.Volume = volumes[scrubCurrent.Volume];
        scrubRead.Offset = scrubCurrent.Offset;
        scrubRead.Into = scrubExtent.AsMemory(0, (int)scrubCurrent.Length);
        StartRead(scrubRead);
    }

    private void ScrubReadEnded(ReadJob read)
    {
        scrubReading = false;
        EndRead(read);
        bool current = scrub is not null && scrub == scrubReadFor && MayScrub;
        if (!current || IsBeingWritten())
        {
            return; // Read again by a later turn.
        }

        if (read.Result != DiskResult.Ok)
        {
            scrub!.Skip();
            NoteUnresolved();
            VolumeEvents.ScrubUnreadable.Raise(
                logger, Group, read.Volume.Name, scrubCurrent.Offset, scrubCurrent.Length);
            return;
        }

        log.Commit();
        Span<byte> bytes = scrubExtent.AsSpan(0, (int)scrubCurrent.Length);
        if (read.NextData >= read.Offset + bytes.Length)
        {
            bytes.Clear();
        }

        Newest(read.Volume).Apply(read.Offset, bytes, log);
        Span<byte> sums = stackalloc byte[ExtentSums.BytesOf(PieceBytesMax)];
        sums = sums[..ExtentSums.BytesOf(bytes.Length)];
        ExtentSums.Write(bytes, sums);
        LogEntry put = new(
            LogEntryKind.Compare, read.Volume.Number, read.Offset, bytes.Length);
        if (!IsBeingWritten() && scrub == scrubReadFor && MayScrub
            && log.TryAppend(put, sums, out Lsn end) == AppendOutcome.Accepted)
        {
            scrubSum = Crc32C.Of(sums);
            scrubAsked = end;
            scrubTouched = false;
            log.Commit();
        }
    }

    /// <summary>
    /// Whether a write that is not acknowledged yet touches the extent: of one that is held for a
    /// move, a part may be in the log.
    /// </summary>
    private bool IsBeingWritten() =>
        Touches(acking.First) || Touches(appending.First) || Touches(held.First);

    private bool Touches(VolumeRequest? request)
    {
        for (; request is not null; request = request.Next)
        {
            if (request.Attachment == volumes[scrubCurrent.Volume]
                && request.Offset < scrubCurrent.Offset + scrubCurrent.Length
                && scrubCurrent.Offset < request.Offset + request.Length)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Takes the partner's answer; false while it is waited for.</summary>
    private bool TakeScrubAnswer()
    {
        if (scrubAsked is not { } end)
        {
            return true;
        }

        if (log.PartnerFlushed < end)
        {
            return false;
        }

        scrubAsked = null;
        ScrubVerdict verdict = scrub!.Take(scrubSum, log.PartnerFound(end), reactor.Now);
        if (scrubTouched)
        {
            scrub.Wrote(scrubCurrent.Volume, scrubCurrent.Offset, scrubCurrent.Length);
        }

        switch (verdict)
        {
            case ScrubVerdict.OursIsGood:
                RepairPartner();
                break;
            case ScrubVerdict.OursChanged or ScrubVerdict.CannotTell:
                scrubFound++;
                CopiesDiffer = true;
                NoteUnresolved();
                VolumeEvents.ScrubUnresolved.Raise(
                    logger, Group, volumes[scrubCurrent.Volume].Name, scrubCurrent.Offset,
                    scrubCurrent.Length, verdict == ScrubVerdict.OursChanged
                        ? "this node's has changed without having been written"
                        : "nobody knows which is right");
                break;
        }

        return true;
    }

    private void NoteUnresolved()
    {
        scrubUnresolved++;
        if (unresolved.Count < UnresolvedMax)
        {
            unresolved.Add(scrubCurrent);
        }
    }

    /// <summary>What was compared is what both were; the partner's is not any more.</summary>
    private void RepairPartner()
    {
        LogEntry put = new(
            LogEntryKind.Copy, (ushort)scrubCurrent.Volume, scrubCurrent.Offset,
            (int)scrubCurrent.Length);
        bool written = scrubTouched || IsBeingWritten(); // Then the next pass looks again.
        if (!written && log.TryAppend(
            put, scrubExtent.AsSpan(0, (int)scrubCurrent.Length), out _)
            == AppendOutcome.Accepted)
        {
            log.Commit();
            scrubRepaired++;
            VolumeEvents.ScrubRepaired.Raise(
                logger, Group, volumes[scrubCurrent.Volume].Name, scrubCurrent.Offset,
                scrubCurrent.Length);
        }
    }
}
