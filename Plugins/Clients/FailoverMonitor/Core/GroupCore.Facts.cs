using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <content>The facts, and how events change them.</content>
internal sealed partial class GroupCore
{
    private readonly bool logHasRecords;
    private DurableMemory memory;
    private string distrust = "";
    private string recordFault = "";
    private string fenceFault = "";
    private bool forgot;
    private bool clearing;
    private bool excused;
    private bool forced;
    private Term? forceTerm;
    private Instant forcedAt;
    private bool stopped;

    private SessionId? session;
    private SessionEndReason? lostBy;
    private Instant awaySince;
    private PartnerCondition condition = PartnerCondition.Dead;
    private GroupView? partner;
    private bool offered;
    private Instant? failedSince;
    private Lsn partnerFlushed;
    private bool partnerHoldsAll;
    private bool diskFailed;
    private SessionId? passiveIn;
    private Instant requestedAt;
    private ulong answeredRequest;
    private string answer = "";

    /// <summary>
    /// S3: a swap may have been sent and may still land. True from the record of its intent until
    /// the register is seen at its term or beyond.
    /// </summary>
    private bool Undecided =>
        memory.IntentTerm.Value > 0 && (Known is null || Known.Term < memory.IntentTerm);

    /// <summary>
    /// Whether the partner counts as gone: a session ended with a reason that says so, a mirror
    /// failed and no session's end explained it, or nobody came for the grace. Never safety: S2 and
    /// S4 hold however wrong this is.
    /// </summary>
    private bool PartnerGone =>
        session is null
            ? lostBy is SessionEndReason.DeclaredStop or SessionEndReason.DeclaredPanic
                or SessionEndReason.PartnerExited or SessionEndReason.EndpointGone
                or SessionEndReason.BeatStill
              || (now - awaySince >= options.AwayGrace && !PartnerIsComing)
            : failedSince is Instant since && now - since >= options.FailedGrace;

    private bool PartnerIsComing =>
        condition is PartnerCondition.Booting or PartnerCondition.Serving;

    private void Take(GroupEvent input)
    {
        switch (input)
        {
            case SessionUp up:
                session = up.Session;
                lostBy = null;
                fenceFault = ""; // Of a partner that was gone; the next fence is a new one.
                forceTerm = Undecided ? forceTerm : null; // S12: of a partner that is gone.
                ForgetDeath();
                ForgetPartner();
                break;
            case SessionLost lost when lost.Session == session:
                TakeDeath(lost);
                session = null;
                lostBy = lost.Reason;
                awaySince = now;
                freshUntil = now;
                ForgetPartner();
                break;
            case ViewArrived arrived when arrived.Session == session:
                TakeView(arrived.View);
                break;
            case PartnerSeen seen:
                condition = seen.Condition;
                break;
            case LogChanged log:
                TakeLog(log);
                break;
            case ReadDone read when read.Operation == registerNumber:
                TakeReading(read.Reading);
                break;
            case PartnerRecordDone read when read.Operation == recordNumber:
                TakePartnerRecord(read.Reading, read.Runs);
                break;
            case SwapDone swap when swap.Operation == registerNumber:
                TakeSwap(swap);
                break;
            case LogDone done when done.Operation == logNumber:
                TakeLogDone(done);
                break;
            case RecordFailed failed:
                recordFault = failed.Why;
                nextRead = now + options.Retry; // Which records again.
                break;
            case TakeoverAsked asked:
                Request = asked.Request;
                overrides = asked.Overrides;
                RequestRefused = "";
                requestedAt = now;
                break;
            case VetoesChanged changed:
                vetoes = changed.Vetoes;
                break;
            case ForceAsked force:
                forceTerm = force.Term;
                forcedAt = now;
                freshUntil = now;
                break;
            case Stopping:
                stopped = true;
                break;
            default:
                break; // A tick, or an answer to something given up meanwhile.
        }
    }

    private void TakeLog(LogChanged log)
    {
        offered = log.PartnerOffered;
        partnerFlushed = log.PartnerFlushed;
        partnerHoldsAll = log.PartnerHoldsAll;
        forgot = log.Forgot;
        clearing = false;
        diskFailed = log.DiskFailed;
        logNearlyFull = log.NearlyFull;
        failedSince = !log.PartnerFailed || Role is not (LogRole.Mirrored or LogRole.Frozen)
            ? null : session is null ? failedSince : failedSince ?? now;
        mirrorFailed = log.PartnerFailed;
    }

    /// <summary>
    /// What the partner said holds for one session. That its copy is offered is the log's own fact,
    /// told when it changes: the log may have heard of a session before this module has.
    /// </summary>
    private void ForgetPartner()
    {
        partner = null;
        otherRules = forked = false;
        failedSince = null;
        mirrorFailed = false;
        passiveIn = null;
        if (logOperation != LogOperation.Fence)
        {
            EndLogOperation(cancel: true); // A fence needs no session, and its result stands.
        }
    }

    private void TakeView(GroupView view)
    {
        otherRules = view.NoWitness != options.NoWitness;
        if (otherRules)
        {
            return; // Nothing that a node with other rules says can be used.
        }

        partner = view;
        heard = true;
        forked = options.NoWitness && Known is not null && view.Entry is not null
            && view.Entry.Term == Known.Term && view.Entry.SwapId != Known.SwapId;
        if (view.Entry is RegisterEntry entry
            && (memory.RegisterId == entry.RegisterId || MayAdopt(entry))
            && Distrust(entry).Length == 0)
        {
            Learn(entry); // S3: an authenticated partner's higher term settles a swap.
        }

        if (Request != 0 && view.AnsweredRequest == Request && view.Answer.Length > 0)
        {
            EndRequest(view.Answer);
        }
    }

    private void TakeReading(WitnessReading reading)
    {
        registerNumber = 0;
        Witness = reading.Outcome;
        WitnessDetail = reading.Detail;
        bool answered = reading.Outcome != ReadOutcome.Unavailable;
        retryAt = answered ? now : now + options.Retry;
        switch (reading.Outcome)
        {
            case not ReadOutcome.Unavailable when IsBehind(reading.Entry):
                RecordAgain();
                retryAt = now + options.Retry; // A disk that is full stays so for a while.
                break;
            case ReadOutcome.Found when reading.Entry is RegisterEntry entry:
                distrust = Distrust(entry);
                if (distrust.Length == 0)
                {
                    Learn(entry);
                    freshUntil = now + options.Fresh;
                }

                break;
            case ReadOutcome.Missing:
                TakeMissing();
                break;
            default:
                break; // Unavailable: whatever was known stays, and is not fresh.
        }

        if (answered && recordFault.Length > 0)
        {
            RecordAgain(); // Until then the partner is told that nothing is recorded, and waits.
        }

        bool steady = Steady && distrust.Length == 0;
        nextRead = now + (steady ? options.PollSteady : options.PollWaiting);
    }

    private void TakeMissing()
    {
        distrust = memory.RegisterId != Guid.Empty
            ? $"the register is missing; this node has worked with {memory.RegisterId}"
              + $" up to term {memory.HighestTerm}"
            : logHasRecords
                ? "the register is missing and this node's log holds records: a register was lost"
                : "";
        if (distrust.Length == 0)
        {
            freshUntil = now + options.Fresh;
            if (!options.NoWitness || MayCreate)
            {
                CreateRegister();
            }
        }
    }

    private void CreateRegister()
    {
        RegisterEntry first = new(
            options.NewId(), options.Group, new Term(1), options.Home, SyncState.New, 0,
            default, options.NewId());
        SendSwap(first, SwapIntent.Create);
    }

    /// <summary>
    /// Why a register's entry is not believed; empty when it is. An answer may be older than what
    /// the partner has told meanwhile, but not older than what was known when it was asked for.
    /// </summary>
    private string Distrust(RegisterEntry entry) =>
        memory.RegisterId != Guid.Empty && memory.RegisterId != entry.RegisterId
            ? $"another register: expected {memory.RegisterId}, found {entry.RegisterId}"
        : entry.Term < askedAt
            ? $"an older register: expected term {askedAt} or later, found {entry.Term}"
        : entry.Owner != options.Self && entry.Owner != options.Partner
            ? $"owner {entry.Owner:x} is neither this node nor its partner"
        : entry.Group != options.Group ? $"an entry of {entry.Group}"
        : "";

    /// <summary>Takes an entry that stands in the register; older ones teach nothing.</summary>
    private void Learn(RegisterEntry entry)
    {
        if (Known is not null && entry.Term <= Known.Term)
        {
            return;
        }

        Known = entry;
        if (memory.RegisterId != entry.RegisterId || memory.HighestTerm < entry.Term)
        {
            memory = memory with { RegisterId = entry.RegisterId, HighestTerm = entry.Term };
            if (!Undecided)
            {
                memory = memory with { IntentTerm = default, Intent = SwapIntent.None };
            }

            recordFault = "";
            effects.Add(new Record(memory, options.NoWitness ? entry : null));
        }

        excused |= forced || entry.Sync == SyncState.New
            || (entry.Sync == SyncState.Stale && entry.StaleNode == options.Self);
        if (entry.Sync != SyncState.InSync)
        {
            return;
        }

        if (forgot && excused)
        {
            // L7: made good by a push or copy that ended in this InSync. The log has the last word:
            // damage that it found since keeps the mark.
            clearing = true;
            effects.Add(new ClearForgot());
        }

        excused = false; // What is forgotten from now on needs another copy.
    }

    private void TakeSwap(SwapDone swap)
    {
        registerNumber = 0;
        freshUntil = now;
        if (!swap.Sent)
        {
            recordFault = swap.Outcome.Detail;
            retryAt = now + options.Retry;
            return;
        }

        retryAt = swap.Outcome.Result == SwapResult.Undecided ? now + options.Retry : now;
        WitnessDetail = swap.Outcome.Detail;
        RegisterEntry? decided = swap.Outcome.Result switch
        {
            SwapResult.Won => swapping,
            SwapResult.Lost => swap.Outcome.Current,
            _ => null,
        };
        heard |= swap.Outcome.Result == SwapResult.Won && swapping is { } made && Known is { } known
            && ((made.Owner, made.Sync) != (known.Owner, known.Sync)
                || made.Term > known.Term.Next); // A no-op proves nothing; a forced entry does.
        if (decided is RegisterEntry current)
        {
            distrust = Distrust(current);
            if (distrust.Length == 0)
            {
                Learn(current);
            }
        }

        nextRead = now;
    }

    private void EndRequest(string why)
    {
        Request = 0;
        RequestRefused = why;
    }
}
