using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;

namespace StorageOs.NvramMirror;

/// <summary>
/// One group's log on this node. This part: its state, recovery, and the roles. Others: appending
/// and reading, the partner's copy, and following an owner. One reactor thread, no locks.
/// </summary>
/// <remarks>
/// Believed without a check: own memory while it is not offered, and <see cref="LogFacts"/>.
/// Everything in memory that the partner can or could write is checked by <see cref="LogScan"/>.
/// </remarks>
internal sealed partial class GroupLog : IGroupLog
{
    private readonly IMirrorHost host;
    private readonly Listeners changed;
    private readonly Listeners advanced;
    private readonly Listeners spaceFreed;
    private readonly Listeners reset;
    private readonly NodeInfo node;
    private readonly ILogger logger;
    private readonly string factsPath;
    private readonly string regionName;
    private readonly MirrorMetrics? metrics;
    private LogFacts? facts;
    private IRegion? region;
    private int capacity;
    private LogHeader header;
    private LogCursor cursor; // Owner: what was appended last. Passive: what was verified last.
    private ulong head;
    private ulong acked;
    private Term term;
    private bool needsReclaim; // The partner was given this copy since it was last reclaimed.
    private string offerFault = ""; // Why the copy is not offered though the partner might have it.
    private Instant? offerDue;
    private bool generationStarted;
    private bool powerCycled; // The machine was booted since the facts were written.
    private FenceReport? fenced;

    /// <summary>Makes a log that holds nothing until <see cref="Attach"/>.</summary>
    public GroupLog(
        GroupId group, NodeInfo node, IMirrorHost host, ILogger logger,
        MirrorMetrics? metrics = null)
    {
        this.metrics = metrics;
        this.logger = logger;
        Group = group;
        this.node = node;
        this.host = host;
        changed = new Listeners(host.Reactor);
        advanced = new Listeners(host.Reactor);
        spaceFreed = new Listeners(host.Reactor);
        reset = new Listeners(host.Reactor);
        regionName = RegionName(group);
        factsPath = Path.Combine(node.DataDirectory, $"{regionName}.facts");
    }

    /// <inheritdoc/>
    public event Action? Changed
    {
        add => changed.Add(value);
        remove => changed.Remove(value);
    }

    /// <inheritdoc/>
    public event Action? Advanced
    {
        add => advanced.Add(value);
        remove => advanced.Remove(value);
    }

    /// <inheritdoc/>
    public event Action? SpaceFreed
    {
        add => spaceFreed.Add(value);
        remove => spaceFreed.Remove(value);
    }

    /// <inheritdoc/>
    public event Action? Reset
    {
        add => reset.Add(value);
        remove => reset.Remove(value);
    }

    /// <inheritdoc/>
    public GroupId Group { get; }

    /// <inheritdoc/>
    public LogRole Role { get; private set; }

    /// <inheritdoc/>
    public Lsn Acknowledged => new(acked);

    /// <inheritdoc/>
    public LogSummary Summary => new(
        header.LogId,
        new Lsn(head),
        new Lsn(cursor.End),
        new Term(cursor.Term),
        cursor.Generation,
        facts?.Forgot ?? true,
        facts?.ForgotWhy ?? "not started",
        capacity);

    private bool IsOwner =>
        Role is LogRole.Mirrored or LogRole.Resyncing or LogRole.Alone or LogRole.Frozen;

    private Span<byte> Copy => region!.Bytes;

    private Span<byte> Ring => region!.Bytes.Slice(LogLayout.HeaderBytes, capacity);

    /// <summary>Name of a group's region, the same on both nodes.</summary>
    public static string RegionName(GroupId group) => group.Value == 0 ? "log0" : "log1";

    /// <summary>Takes the mapped copy, and recovers.</summary>
    public void Attach(IRegion mapped)
    {
        facts = LogFacts.Open(host.OpenFile(factsPath), node.Persistence == PersistenceLevel.Power);
        region = mapped;
        capacity = (mapped.Length - LogLayout.HeaderBytes) & -LogLayout.Alignment;
        bool fresh = facts.Fresh;
        bool otherBoot = !fresh && facts.MachineBootId != node.MachineBootId;
        powerCycled = otherBoot;
        facts.MachineBootId = node.MachineBootId;
        partnerFlushed = facts.PartnerFlushed;
        if (fresh)
        {
            Forget("this copy was never written");
        }
        else if (otherBoot && node.Persistence == PersistenceLevel.Process)
        {
            Forget("the machine was booted since; at crash-safe level its memory is not trusted");
        }

        Recover();
        facts.Save(sync: true);
        Raise(Notice.Reset | Notice.Changed);
    }

    /// <summary>Closes the file of facts; the log is not used after it.</summary>
    public void Detach()
    {
        EndPush(false);
        facts?.Dispose();
        facts = null;
        region = null;
        Role = LogRole.Idle;
        AnswerProofs(); // S8: nobody waits for ever.
    }

    /// <inheritdoc/>
    public void BecomePassive()
    {
        Invariant.Require(Role is LogRole.Idle or LogRole.Passive);
        if (Role == LogRole.Idle)
        {
            bool reclaimed = TryReclaim();
            Recover();
            generationStarted = false;
            Role = LogRole.Passive;
            if (reclaimed)
            {
                OfferCopy();
            }

            PublishPage();
            Raise(Notice.Reset | Notice.Changed);
        }
    }

    /// <inheritdoc/>
    public FenceReport Fence()
    {
        if (Role == LogRole.Fenced)
        {
            return fenced!;
        }

        StopMirroring();
        followed.Clear();
        Reclaim(); // S4: revoke, probe, then work from what is held after that.
        Recover();
        generationStarted = false;
        partnerFlushed = Math.Max(partnerFlushed, head); // L3: freed is flushed on both.
        fenced = new FenceReport(true, new Lsn(cursor.End));
        Role = LogRole.Fenced;
        facts!.Save(sync: true);
        Raise(Notice.Reset | Notice.Changed);
        return fenced;
    }

    /// <inheritdoc/>
    public void ServeAlone(Term term)
    {
        Invariant.Require(Role is LogRole.Fenced or LogRole.Frozen or LogRole.Mirrored
            or LogRole.Alone or LogRole.Resyncing);
        StopMirroring();
        EnsureFormatted();
        this.term = term;
        StartGeneration();
        Thaw();
        TurnAlone();
        Acknowledge(cursor.End);
        MoveHead();
        Raise(Notice.Changed | Notice.Advanced | Notice.SpaceFreed | Notice.Proofs);
    }

    /// <inheritdoc/>
    public void ServeWithPartner(Term term, bool acknowledgeOnBoth)
    {
        this.term = term;
        Thaw();
        if (!mirroring || PartnerFailed)
        {
            // Lost since the push: as if it had been lost just after.
            Role = acknowledgeOnBoth ? LogRole.Frozen : LogRole.Alone;
            PartnerFailed = true;
        }
        else
        {
            Role = acknowledgeOnBoth ? LogRole.Mirrored : LogRole.Resyncing;
        }

        Acknowledge(AcknowledgeLimit());
        Commit();
        Raise(Notice.Changed | Notice.Advanced | Notice.SpaceFreed | Notice.Proofs);
    }

    /// <inheritdoc/>
    public void Freeze()
    {
        Invariant.Require(Role is LogRole.Mirrored or LogRole.Idle or LogRole.Frozen);
        StopMirroring();
        Role = LogRole.Frozen;
        Raise(Notice.Changed);
    }

    /// <inheritdoc/>
    public void StepDown()
    {
        StopMirroring();
        followed.Clear();
        Role = LogRole.Idle;
        generationStarted = false;
        Raise(Notice.Changed | Notice.Proofs);
    }

    /// <inheritdoc/>
    public void ClearForgot()
    {
        if (facts!.Lost)
        {
            // The owner may have made this copy anew, and said so, since the last look at it.
            _ = Look();
        }

        if (!facts.Lost)
        {
            facts.Forgot = false;
            facts.ForgotWhy = "";
            facts.Save(sync: true);
        }

        Raise(Notice.Changed);
    }

    private void Thaw()
    {
        if (followed.Any && Role == LogRole.Frozen)
        {
            followed.Thawed();
        }
    }

    /// <summary>Sets the forgot mark (L7); whoever calls saves the facts.</summary>
    private void Forget(string why)
    {
        if (!facts!.Forgot || !facts.Lost)
        {
            facts.ForgotWhy = why;
            MirrorEvents.LogForgot.Raise(logger, Group, why);
        }

        facts.Forgot = facts.Lost = true;
    }

    /// <summary>Offers; what hinders it now is told and tried again.</summary>
    private void OfferCopy()
    {
        if (host.Port is null)
        {
            return;
        }

        needsReclaim = true;
        try
        {
            host.Offer(regionName);
        }
        catch (RefusedException refused)
        {
            NoteOfferFault(refused.Refusal);
        }
    }

    /// <summary>
    /// Reclaims to offer anew, which serves nothing yet: what hinders it now, such as a card that
    /// does not answer, is told and tried again.
    /// </summary>
    private bool TryReclaim()
    {
        try
        {
            Reclaim();
            offerFault = "";
            return true;
        }
        catch (RefusedException refused)
        {
            NoteOfferFault(refused.Refusal);
            return false;
        }
    }

    private void NoteOfferFault(Refusal why)
    {
        string text = why.ToString();
        if (text != offerFault)
        {
            MirrorEvents.LogNotOffered.Raise(logger, Group, why);
        }

        offerFault = text;
        offerDue = null;
    }

    /// <summary>Offers a copy again that could not be offered.</summary>
    private void OfferAgain(Instant now)
    {
        if (offerFault.Length == 0 || Role != LogRole.Passive || region is null)
        {
            return;
        }

        offerDue ??= now + Limits.OfferRetry;
        if (offerDue <= now && TryReclaim())
        {
            OfferCopy();
            Raise(Notice.Changed);
        }
    }

    /// <summary>Takes the copy back from the partner for good, if it ever had it.</summary>
    private void Reclaim()
    {
        if (!needsReclaim)
        {
            return;
        }

        host.Withdraw(regionName);
        region!.Revoke();
        if (!region.ProbeRevoked())
        {
            throw new RefusedException(new Refusal(
                regionName,
                "a write under the revoked key to be rejected",
                "it was taken",
                "stop the partner; nothing is served from this copy"));
        }

        ulong from = LogLayout.ReadWord(Copy, LogLayout.HeadWord);
        ulong to = LogScan.Run(Ring, LogCursor.At(from), from + (ulong)capacity).End;
        Span<ByteRange> live = stackalloc ByteRange[3];
        region.Reclaim(live[..LiveRanges(from, to, live)]);
        needsReclaim = false;
    }

    private int LiveRanges(ulong from, ulong to, Span<ByteRange> live)
    {
        live[0] = new ByteRange(0, LogLayout.HeaderBytes);
        int start = (int)(from % (ulong)capacity);
        int length = (int)(to - from);
        int first = Math.Min(length, capacity - start);
        int count = 1;
        if (length > first)
        {
            live[count++] = new ByteRange(LogLayout.HeaderBytes, length - first);
        }

        if (first > 0)
        {
            live[count++] = new ByteRange(LogLayout.HeaderBytes + start, first);
        }

        return count;
    }
}
