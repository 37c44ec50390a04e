using System.Runtime.InteropServices;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;

namespace StorageOs.NvramMirror;

/// <summary>
/// This part: the partner's copy. Data goes out in order on one port, then the tail word, so the
/// tail's completion says that all before it has landed.
/// </summary>
internal sealed partial class GroupLog
{
    private const int WordsOfPush = 8;
    private const int ScratchAt = 1024;

    private IRemoteMemory? target;
    private bool mirroring;
    private int epoch; // Completions of an earlier life of the mirror mean nothing.
    private ulong posted;
    private ulong burstEnd; // What is posted now ends here, at the end of a record.
    private ulong tailPosted;
    private int tailsInFlight;
    private ulong ackedPosted;
    private ulong headPosted;
    private ulong mirrored;
    private ulong beatsPosted;
    private ulong beatsDone;
    private ulong beatWanted;
    private bool beatInFlight;
    private ulong partnerFlushed;
    private readonly ulong[] found = new ulong[IGroupLog.MismatchesKept]; // By the partner.
    private TaskCompletionSource<bool>? push;
    private PushStep pushStep;
    private readonly StandstillWatch standstill = new();
    private Instant? heldOff; // Until then a partner given up for its disk is left alone.
    private Term pushTerm;
    private bool pushFormats;

    private enum PushStep
    {
        None,
        Reading,
        HeaderRead,
        Sending,
        Finishing,
    }

    /// <inheritdoc/>
    public bool PartnerOffered => target is not null && heldOff is null;

    /// <inheritdoc/>
    public bool PartnerFailed { get; private set; }

    /// <inheritdoc/>
    public Lsn PartnerFlushed => new(partnerFlushed);

    /// <inheritdoc/>
    public DiskFacts PartnerDisk { get; private set; }

    /// <inheritdoc/>
    public bool PartnerHoldsAll => Role == LogRole.Mirrored && mirrored >= acked;

    /// <inheritdoc/>
    public bool PartnerFound(Lsn compared) => Array.IndexOf(found, compared.Value) >= 0;

    private int ScratchOffset => ScratchAt + (Group.Value * 1024);

    /// <inheritdoc/>
    public ValueTask<bool> PushAsync(Term term, bool format)
    {
        Invariant.Require(Role is not (LogRole.Passive or LogRole.Mirrored) && push is null);
        if (!PartnerOffered || host.Port is not { } port || port.Room < WordsOfPush)
        {
            return new(false);
        }

        if (target!.Region.Length != (ulong)region!.Length)
        {
            throw new RefusedException(new Refusal(
                regionName, $"a copy of {region.Length} bytes at the partner",
                $"{target.Region.Length}", "set logBytes alike on both nodes"));
        }

        epoch++;
        PartnerFailed = false;
        mirroring = false;
        pushTerm = term;
        pushFormats = format;
        push = new(TaskCreationOptions.RunContinuationsAsynchronously);
        pushStep = PushStep.Reading;
        ValueTask<bool> result = new(push.Task);
        port.Read(
            Op(OpKind.PushRead), host.Page, ScratchOffset, target!, 0, LogLayout.HeaderUsedBytes);
        host.Poll();
        return result;
    }

    /// <summary>The partner offered its copy, or withdrew it.</summary>
    public void PartnerCopy(IRemoteMemory? memory, string why)
    {
        bool had = target is not null;
        target = memory; // Who is told of the failure may look for what is offered now.
        heldOff = null; // Whatever was wrong with it may be over.
        if (had)
        {
            Fail(why);
        }

        Raise(Notice.Changed);
    }

    /// <summary>Rule L4: gives up a partner whose disk stands still while the log fills.</summary>
    public void WatchPartner(Instant now)
    {
        OfferAgain(now);
        if (heldOff <= now)
        {
            heldOff = null;
            Raise(Notice.Changed);
        }

        if (!mirroring || push is not null || Role is not (LogRole.Mirrored or LogRole.Resyncing))
        {
            standstill.Begin(now);
            return;
        }

        LogFill fill = new(
            cursor.End, freedHead, (ulong)capacity, Flushed.Value, partnerFlushed);
        if (standstill.Stands(now, fill))
        {
            heldOff = now + Limits.PartnerHoldOff;
            Fail($"the partner's disk stood still at {partnerFlushed} while the log filled (L4)");
        }
    }

    /// <summary>A session began: offers this copy again when the partner may write it.</summary>
    public void SessionBegan()
    {
        PartnerFailed = false; // In another session, whose end has explained it.
        PartnerDisk = default; // Until its page was read in this session.
        if (Role == LogRole.Passive && region is not null)
        {
            if (TryReclaim())
            {
                OfferCopy();
            }
        }

        Raise(Notice.Changed);
    }

    /// <summary>Rule S5: what beats or log need is gone; counts as partner gone for this
    /// group.</summary>
    public void Fail(string why)
    {
        bool served = Role is LogRole.Mirrored or LogRole.Resyncing;
        if (!mirroring && push is null && !served)
        {
            return;
        }

        StopMirroring();
        PartnerFailed = true;
        FailedWhy = why;
        if (served)
        {
            MirrorEvents.MirrorLost.Raise(logger, Group, why);
        }

        if (served)
        {
            // S1: mirrored rules bind until the register says otherwise. When it says already that
            // the partner is stale, this copy is enough.
            if (Role == LogRole.Mirrored)
            {
                Role = LogRole.Frozen;
            }
            else
            {
                TurnAlone();
                pending |= Notice.SpaceFreed; // Of what the partner had still to hear of, too.
            }
        }

        Raise(Notice.Changed | Notice.Proofs);
    }

    /// <summary>Why the partner counts as failed, for status.</summary>
    public string FailedWhy { get; private set; } = "";

    /// <summary>A post of this log has completed with success.</summary>
    public void Completed(in MirrorOp op)
    {
        if (op.Epoch != epoch)
        {
            return;
        }

        switch (op.Kind)
        {
            case OpKind.Tail:
                TailLanded(op.Value);
                break;
            case OpKind.Head:
                Freed(op.Value);
                break;
            case OpKind.Beat:
                beatsDone = op.Value;
                beatInFlight = false;
                pending |= Notice.Proofs;
                break;
            case OpKind.PushRead:
                pushStep = PushStep.HeaderRead;
                break;
            case OpKind.PushDone:
                EndPush(true);
                break;
        }
    }

    private void TailLanded(ulong tail)
    {
        bool held = PartnerHoldsAll;
        tailsInFlight--;
        metrics?.Landed();
        mirrored = tail;
        if (followed.Any)
        {
            followed.AtPartner(tail);
        }

        Acknowledge(AcknowledgeLimit());
        if (!held && PartnerHoldsAll)
        {
            pending |= Notice.Changed; // Now the register may say that both copies are good.
        }
    }

    /// <summary>After completions were taken: posts what there is room for now, then
    /// tells.</summary>
    public void AfterPoll()
    {
        if (pushStep == PushStep.HeaderRead)
        {
            BeginSending();
        }

        if (mirroring)
        {
            Pump();
        }

        Notify();
    }

    /// <summary>What the partner says of its disk; from memory that it writes.</summary>
    public void PartnerSays(in PartnerPage page)
    {
        PartnerDisk = new DiskFacts(
            page.DiskId, page.DiskPairedWith, new Term(page.DiskAloneUnder));
        if (!mirroring || page.Generation != cursor.Generation || page.Flushed > acked)
        {
            return;
        }

        ((ReadOnlySpan<ulong>)page.Mismatches).CopyTo(found);
        if (page.Flushed > partnerFlushed)
        {
            partnerFlushed = page.Flushed;
            MoveHead();
            Notify();
        }
    }

    /// <summary>Whether the partner's page is worth reading often.</summary>
    public bool WaitsForPartner => mirroring && partnerFlushed < acked;

    /// <summary>Publishes the acknowledged LSN at the partner (L3); by timer, so appends need
    /// not.</summary>
    public void PublishAcknowledged()
    {
        if (mirroring && push is null && ackedPosted < acked && tailPosted >= acked
            && host.Port is { Room: > WordsOfPush } port)
        {
            ackedPosted = acked;
            port.WriteWord(Op(OpKind.Data), acked, target!, LogLayout.AckedWord);
        }
    }

    private MirrorOp Op(OpKind kind, ulong value = 0) => new(kind, this, epoch, value);

    /// <summary>Posts what was committed, its tail, and a beat when one is waited for.</summary>
    private void Pump()
    {
        if (host.Port is { } port)
        {
            port.Port.Hold();
            Pump(port);
            port.Port.Ring();
            if (followed.Any)
            {
                followed.Posted(tailPosted);
            }
        }
    }

    private void Pump(MirrorPort port)
    {
        // A burst, then its tail, and only then what was committed meanwhile: else the tail of a
        // log that is appended to without a pause would never be told. With some under way, what is
        // committed waits to go out together: each costs the card and the partner's as much.
        burstEnd = posted == burstEnd && tailsInFlight < Limits.BurstsInFlightMax
            ? committed : burstEnd;
        while (posted < burstEnd && port.Room > WordsOfPush && port.BytesRoom > 0)
        {
            int position = (int)(posted % (ulong)capacity);
            int length = (int)Math.Min(
                Math.Min(burstEnd - posted, (ulong)(capacity - position)),
                LogLayout.PostBytesMax);
            int at = LogLayout.HeaderBytes + position;
            port.Write(Op(OpKind.Data), region!, at, target!, at, length);
            posted += (ulong)length;
        }

        if (posted < burstEnd || port.Room <= WordsOfPush)
        {
            return;
        }

        if (tailPosted < posted)
        {
            tailPosted = posted;
            tailsInFlight++;
            metrics?.Posted();
            port.WriteWord(Op(OpKind.Tail, posted), posted, target!, LogLayout.TailWord);
        }

        if (pushStep == PushStep.Sending && posted == committed)
        {
            FinishPush(port);
        }

        if (headPosted < head)
        {
            PostHead(); // There was no room when it moved.
        }

        // S5: only a beat posted after a request came proves for it; those who come while one is
        // under way share the next.
        if (Role == LogRole.Mirrored && !beatInFlight && beatWanted > beatsPosted)
        {
            beatInFlight = true;
            beatsPosted++;
            WriteWord(port, Op(OpKind.Beat, beatsPosted), beatsPosted, LogLayout.BeatWord);
        }
    }

    /// <summary>
    /// L6: at level power it completes when it, and all before it, are durable there.
    /// </summary>
    private void WriteWord(MirrorPort port, in MirrorOp op, ulong value, int to)
    {
        if (node.Persistence == PersistenceLevel.Power)
        {
            port.WriteWordDurably(op, value, target!, to);
        }
        else
        {
            port.WriteWord(op, value, target!, to);
        }
    }

    private void PostHead()
    {
        if (host.Port is { Room: > 1 } port)
        {
            // L3: its space is used again once this has completed, so the partner must not find an
            // older head after a loss of power.
            headPosted = head;
            WriteWord(port, Op(OpKind.Head, head), head, LogLayout.HeadWord);
        }
    }

    private void BeginSending()
    {
        MirrorPort? port = host.Port;
        if (port is null || target is null)
        {
            EndPush(false);
            return;
        }

        if (port.Room < WordsOfPush)
        {
            return;
        }

        term = pushTerm;
        EnsureFormatted();
        Span<byte> scratch = host.Page.Bytes.Slice(ScratchOffset, LogLayout.HeaderUsedBytes);
        ulong theirs = LogLayout.ReadWord(scratch, LogLayout.GenerationWord);
        Refusal? refusal = pushFormats ? WhyNotFormat() : WhyNotContinue(scratch, theirs);
        if (refusal is not null)
        {
            pushStep = PushStep.None;
            Interlocked.Exchange(ref push, null)!.SetException(new RefusedException(refusal));
            Raise(Notice.Changed);
            return;
        }

        pushStep = PushStep.Sending;
        StartGeneration();
        if (!pushFormats)
        {
            TakeWords(scratch);
        }

        posted = burstEnd = head; // All that is live; what is there already is the same.
        tailPosted = mirrored = 0;
        tailsInFlight = 0;
        metrics?.Reset();
        ackedPosted = acked;
        mirroring = true;
        if (pushFormats)
        {
            port.WriteWord(Op(OpKind.Data), 0, target, LogLayout.GenerationWord);
            LogHeader made = LogHeader.Make(header.LogId, capacity, cursor.Generation);
            MemoryMarshal.Write(scratch, in made);
            port.Write(
                Op(OpKind.Data), host.Page, ScratchOffset, target, 0, LogHeader.Bytes);
            partnerFlushed = Math.Min(partnerFlushed, head);
        }

        headPosted = head;
        port.WriteWord(Op(OpKind.Data), head, target, LogLayout.HeadWord);
    }

    private void FinishPush(MirrorPort port)
    {
        pushStep = PushStep.Finishing;
        port.WriteWord(Op(OpKind.Data), acked, target!, LogLayout.AckedWord);
        port.WriteWord(
            Op(OpKind.PushDone), cursor.Generation, target!, LogLayout.GenerationWord);
    }

    /// <summary>A copy is known by the generation it was made in.</summary>
    private Refusal? WhyNotFormat() => HasRoomForGeneration ? null : new Refusal(
        regionName, "room for a record", "a full log", "make room on this node's disk");

    /// <summary>Rule S7: what the partner has must be a part of what we have.</summary>
    private Refusal? WhyNotContinue(ReadOnlySpan<byte> theirs, ulong generation)
    {
        if (!LogHeader.TryRead(theirs, capacity, out LogHeader found, out string why))
        {
            return new Refusal(regionName, "a good copy at the partner", why, "full copy");
        }

        ulong tail = LogLayout.ReadWord(theirs, LogLayout.TailWord);
        ulong partnerAcked = LogLayout.ReadWord(theirs, LogLayout.AckedWord);
        ulong partnerHead = LogLayout.ReadWord(theirs, LogLayout.HeadWord);
        bool fits = found.LogId == header.LogId
            && generation != 0 && generation <= cursor.Generation
            && tail >= head && tail <= cursor.End && partnerAcked <= cursor.End
            && partnerHead <= Math.Max(Flushed.Value, head);
        if (fits && tail >= acked)
        {
            return null;
        }

        if (fits)
        {
            // L2: it lacks what both had; counts as gone, so that the register calls it stale.
            PartnerFailed = true;
            FailedWhy = $"the partner's copy ends at {tail}; {acked} was acknowledged";
        }
        else if (found.LogId == header.LogId && Math.Max(tail, partnerAcked) > cursor.End)
        {
            // L2: this copy lacks what the partner knows to have been in both.
            Forget($"records chain to {cursor.End}; the partner's end at {tail}, "
                + $"{partnerAcked} acknowledged");
            facts!.Save(sync: true);
        }

        return new Refusal(
            regionName,
            $"log {header.LogId}, tail from {head} to {cursor.End}, "
                + $"generation to {cursor.Generation}",
            $"log {found.LogId}, tail {tail}, acknowledged {partnerAcked}, "
                + $"generation {generation}",
            "full copy");
    }

    /// <summary>
    /// L2: what either side knows to be acknowledged, is. A partner that owned the group until now
    /// is ahead in its words, which reached this copy late or never; they must not go back there.
    /// </summary>
    private void TakeWords(ReadOnlySpan<byte> theirs)
    {
        Acknowledge(LogLayout.ReadWord(theirs, LogLayout.AckedWord));
        ulong partnerHead = LogLayout.ReadWord(theirs, LogLayout.HeadWord);
        head = WalkTo(Math.Min(partnerHead, cursor.LastStart)); // One record is kept.
        LogLayout.WriteWord(Copy, LogLayout.HeadWord, head);
    }

    private void EndPush(bool good)
    {
        pushStep = PushStep.None;
        if (push is { } waiting)
        {
            push = null;
            waiting.SetResult(good);
        }
    }

    private void StopMirroring()
    {
        epoch++;
        if (followed.Any && mirroring)
        {
            followed.PartnerLost();
        }

        mirroring = false;
        freedHead = region is null ? 0 : head; // What the partner still has matters no more.
        beatInFlight = false; // Its proof never came: who waited for it needs a later one.
        beatWanted = beatsPosted + 1;
        EndPush(false);
    }
}
