using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <content>One look at the facts: what this node must do next with the group.</content>
internal sealed partial class GroupCore
{
    /// <summary>
    /// S14: an owner whose disk fails hands over by itself, before its log is full.
    /// </summary>
    private const ulong OwnWish = ulong.MaxValue;

    private bool mirrorFailed;
    private bool drained;
    private const string RegisterSilent = "the owner gets no answer from the register; ask again";
    private bool handingOver;
    private Instant handoverSince;
    private Instant ownWishAgain = new(long.MinValue / 2);

    /// <summary>Decides once; true when the role changed and another look is due.</summary>
    private bool DecideRole()
    {
        if (options.NoWitness)
        {
            NoteAgreement();
        }

        if (Known is null || distrust.Length > 0)
        {
            Why = otherRules ? WhyOtherRules
                : distrust.Length > 0 ? distrust
                : options.NoWitness ? WhyNoRecord
                : "waiting for the witness: " + WitnessDetail;
            return Known is not null && Role == LogRole.Mirrored && FreezeWhenPartnerLost();
        }

        if (forked)
        {
            return StopForked(Known);
        }

        if (Request != 0 && now - requestedAt >= options.RequestLimit)
        {
            EndRequest("the owner has not handed over in time");
        }

        // S12: what may be lost was judged by how things stood when it was asked for. One whose
        // swap was made is carried through.
        if (forceTerm == Known.Term && !Undecided && now - forcedAt >= options.RequestLimit)
        {
            forceTerm = null;
        }

        bool changed = OwnerBy(Known) ? DecideOwner(Known) : DecidePassive(Known);
        HoldsAddress = OwnerBy(Known) && (HoldsAddress || Serves);
        if (!changed && Undecided)
        {
            Settle();
        }

        return changed;
    }

    private bool DecideOwner(RegisterEntry entry)
    {
        Request = 0; // S14: it is ours; a request has nothing left to ask for.
        if (Role != LogRole.Mirrored && partner is { Request: not 0 } asking
            && asking.Request != answeredRequest)
        {
            answeredRequest = asking.Request;
            answer = $"the owner is {State}: {Why}";
        }

        if (forgot && !clearing && entry.Sync != SyncState.New && !forced)
        {
            return OwnerThatForgot(entry);
        }

        switch (Role)
        {
            case LogRole.Idle:
                Role = LogRole.Frozen;
                effects.Add(new Freeze());
                return true;
            case LogRole.Passive:
                Why = "made owner; fencing the former one";
                // S14: whoever finds itself owner fences and replays before it serves.
                BeginFence();
                return false;
            case LogRole.Fenced or LogRole.Frozen:
                return DecideFrozen(entry);
            case LogRole.Mirrored:
                return FreezeWhenPartnerLost() || DecideMirrored(entry);
            case LogRole.Resyncing:
                return DecideResyncing(entry);
            default:
                return DecideAlone(entry);
        }
    }

    private bool OwnerThatForgot(RegisterEntry entry)
    {
        if (Role != LogRole.Idle)
        {
            GoIdle(); // Found out while it served or was about to: it must not, from now on.
            return true;
        }

        Why = partner is { Forgot: true }
            ? "both nodes forgot (L7): only force can bring the group back"
            : entry.Sync == SyncState.InSync
            ? $"this node forgot (L7); waiting for {options.PartnerName}, which is in sync,"
              + " to take over"
            : "this node forgot (L7) and its partner is stale: only force can bring the group back";
        if (forceTerm == entry.Term)
        {
            if (Undecided)
            {
                return false;
            }

            SwapTo(SwapIntent.Takeover, TakenOver);
            return false;
        }

        if (forceTerm is Term term && entry.Term == AfterForce(term) && PartnerStaleBy(entry))
        {
            forced = true;
            return true;
        }

        if (options.NoWitness && MayRenounce(entry))
        {
            SwapTo(SwapIntent.Handover, GiveAway);
        }

        return false;
    }

    /// <summary>
    /// Owner that answers nothing: after a boot, a fence, or the loss of its partner.
    /// </summary>
    private bool DecideFrozen(RegisterEntry entry)
    {
        if (logOperation is LogOperation.PushEqual or LogOperation.PushFormat)
        {
            Why = "making the partner's copy equal";
            return false;
        }

        if (!Undecided && PartnerStaleBy(entry))
        {
            if (!MayServeByRecord())
            {
                Why = $"looking whether {options.PartnerName} was forced meanwhile (S12)";
                return false;
            }

            Alone(); // S1: the register says that the partner is stale.
            return true;
        }

        bool isNew = entry.Sync == SyncState.New;
        if (PartnerIsPassive(entry) && LogFree && (failedSince is null || isNew || Undecided)
            && (isNew ? !Undecided : partner is { Forgot: false } && MayBeInSync(entry)))
        {
            Why = "making the partner's copy equal";
            LogOperation kind = isNew ? LogOperation.PushFormat : LogOperation.PushEqual;
            effects.Add(new Push(Begin(kind), entry.Term, isNew));
            return false;
        }

        if (!Undecided && entry.Sync == SyncState.InSync
            && (PartnerGone || (session is not null && PartnerForgotInSync))
            && MayGoAlone(entry))
        {
            Why = $"marking {options.PartnerName} stale before going on alone (S1)";
            SwapTo(SwapIntent.Mark, TakenOver);
            return false;
        }

        Why = WhyFrozen(entry);
        return false;
    }

    /// <summary>
    /// S3: an undecided mark, InSync or handover of an owner does not bar a session under mirrored
    /// rules; but only a partner that may be in sync can be resumed with without a copy.
    /// </summary>
    private bool MayBeInSync(RegisterEntry entry) =>
        entry.Sync == SyncState.InSync
        || (Undecided && memory.Intent == SwapIntent.InSync && entry.Sync == SyncState.Stale);

    private string WhyFrozen(RegisterEntry entry) =>
        otherRules ? WhyOtherRules
        : Undecided ? $"the swap to term {memory.IntentTerm} ({memory.Intent}) is undecided (S3)"
        : entry.Sync == SyncState.InSync && !MayGoAlone(entry) && session is null
            ? WhyWithoutWitness(entry)
        : session is null
            ? $"waiting for {options.PartnerName}: "
              + (entry.Sync == SyncState.New
                ? "the register is new"
                : "it may hold the newer copy (S7)")
        : partner is not { } told
            ? $"waiting for what {options.PartnerName} says of this session (S7)"
        : failedSince is not null ? "a mirrored write failed; waiting for the session's end"
        : $"waiting for {options.PartnerName}, which says it is {told.Role}"
          + (told.Undecided == SwapIntent.Takeover ? " with an undecided takeover" : "")
          + (offered ? "" : " and has not offered its copy");

    private bool DecideMirrored(RegisterEntry entry)
    {
        Why = "";
        if (!Undecided && entry.Sync != SyncState.InSync)
        {
            EndHandover();
            Why = "saying in the register that both copies are good";
            // S11: mirrored rules are back for all that was acknowledged, and only then the swap.
            if (PartnerIsPassive(entry) && partner?.Entry?.Term == entry.Term && partnerHoldsAll)
            {
                SwapTo(SwapIntent.InSync, BothGood);
            }

            return false;
        }

        if (entry.Sync == SyncState.InSync)
        {
            DecideHandover();
        }

        return false;
    }

    /// <summary>S14, on the node that gives the group away.</summary>
    private void DecideHandover()
    {
        ulong asked = partner?.Request ?? 0;
        asked = asked == 0 && diskFailed ? OwnWish : asked;
        if (!handingOver)
        {
            bool unanswered = asked == OwnWish ? now >= ownWishAgain : asked != answeredRequest;
            if (asked != 0 && unanswered && !Undecided && LogFree
                && partner is { Role: LogRole.Passive, Forgot: false } asking)
            {
                BeginHandover(asked, asking);
            }

            return;
        }

        bool late = now - handoverSince >= options.RequestLimit;
        bool silent = drained && registerNumber == 0 && Witness == ReadOutcome.Unavailable;
        if (asked != answeredRequest || Undecided || (logNumber == 0 && !drained) || silent || late)
        {
            // Withdrawn, undecided or lost: mirrored service goes on. An undecided swap that lands
            // after all makes the partner fence us; our beats fail then and nothing is answered
            // (S5). A register that never answers holds nobody up for ever.
            if (registerNumber == 0 || late)
            {
                answer = silent || (late && registerNumber != 0) ? RegisterSilent
                    : Undecided ? "the swap is undecided; ask again"
                    : "the drain did not end";
                ownWishAgain = now + (late ? options.RequestLimit
                    : silent ? options.SilenceRetry : TimeSpan.Zero);
                EndHandover();
            }

            return;
        }

        if (drained)
        {
            SwapTo(SwapIntent.Handover, GiveAway);
        }
    }

    /// <summary>
    /// Clients wait from here on: not for what the register does not let happen.
    /// </summary>
    private void BeginHandover(ulong asked, GroupView asking)
    {
        answer = asked == OwnWish ? "" : VetoOf(asking);
        if (answer.Length == 0 && Witness == ReadOutcome.Unavailable)
        {
            answer = asked == OwnWish ? "" : RegisterSilent;
            answeredRequest = asked == OwnWish ? answeredRequest : asked;
            return;
        }

        answeredRequest = asked;
        handingOver = answer.Length == 0;
        handoverSince = now;
        if (handingOver)
        {
            effects.Add(new Drain(Begin(LogOperation.Drain)));
        }
    }

    /// <summary>What a module of either node has against a request; empty for nothing.</summary>
    private string VetoOf(GroupView asking) => StandingVeto(asking.Overrides) is { } veto
        ? $"{veto.Who} has a veto: {veto.Why}; {veto.Remedy}, or --override {veto.Who}"
        : "";

    private void EndHandover()
    {
        if (handingOver)
        {
            handingOver = false;
            EndLogOperation(cancel: true);
            if (drained)
            {
                effects.Add(new Resume());
            }

            drained = false;
        }
    }

    private bool DecideResyncing(RegisterEntry entry)
    {
        Why = $"making {options.PartnerName} equal";
        if (session is not null && !mirrorFailed)
        {
            return false;
        }

        EndLogOperation(cancel: true);
        Alone();
        return true;
    }

    private bool DecideAlone(RegisterEntry entry)
    {
        if (!PartnerStaleBy(entry))
        {
            Why = "the register does not say that the partner is stale";
            GoIdle();
            return true;
        }

        Why = session is null
            ? $"{options.PartnerName} is gone; it is stale since {entry.StaleSince}"
            : $"waiting for {options.PartnerName} to be passive";
        if (logNumber == 0 && LogFree && !Undecided && PartnerIsPassive(entry)
            && partner?.Entry?.Term == entry.Term)
        {
            effects.Add(new Push(Begin(LogOperation.PushFormat), entry.Term, true));
        }

        return false;
    }

    private bool FreezeWhenPartnerLost()
    {
        if (session is not null && !mirrorFailed && !PartnerForgotInSync)
        {
            return false;
        }

        EndHandover();
        Role = LogRole.Frozen;
        Why = "partner lost";
        effects.Add(new Freeze());
        return true;
    }

    /// <summary>
    /// L2, L7: a partner whose copy was found damaged while it followed. One that has not heard of
    /// the last InSync yet says the same, and means something else.
    /// </summary>
    private bool PartnerForgotInSync =>
        Known is { Sync: SyncState.InSync } && partner is { Forgot: true } told
        && told.Entry?.Term == Known.Term;

    /// <summary>
    /// S7: what the partner must say, in this session, before its copy is written.
    /// </summary>
    private bool PartnerIsPassive(RegisterEntry entry) =>
        session is not null && offered
        && partner is { Role: LogRole.Passive, Undecided: not SwapIntent.Takeover } told
        && told.RecordedRegister == memory.RegisterId
        && (told.Entry is null || told.Entry.Term <= entry.Term);

    private RegisterEntry OwnAlone(RegisterEntry entry) => entry with
    {
        Owner = options.Self,
        Sync = SyncState.Stale,
        StaleNode = options.Partner,
        StaleSince = partnerFlushed,
    };

    private static RegisterEntry BothGood(RegisterEntry entry) =>
        entry with { Sync = SyncState.InSync, StaleNode = 0, StaleSince = default };

    private RegisterEntry GiveAway(RegisterEntry entry) =>
        BothGood(entry) with { Owner = options.Partner };
}
