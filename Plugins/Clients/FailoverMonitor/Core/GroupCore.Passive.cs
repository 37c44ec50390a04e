using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <content>Decisions of the node that the register does not name as owner.</content>
internal sealed partial class GroupCore
{
    private bool DecidePassive(RegisterEntry entry)
    {
        // A fence needs no ownership, and its result stands; a fenced owner's push ends in service.
        if (Role is LogRole.Frozen or LogRole.Mirrored or LogRole.Resyncing or LogRole.Alone
            || logOperation is LogOperation.PushEqual or LogOperation.PushFormat)
        {
            GoIdle(); // S2, S9: whoever is not owner any more stops before anything else.
            return true;
        }

        if (WantsTakeover(entry))
        {
            DecideTakeover();
            return false;
        }

        if (Undecided && memory.Intent == SwapIntent.Takeover)
        {
            Why = $"the takeover at term {memory.IntentTerm} is undecided (S3)";
            return false;
        }

        if (Role == LogRole.Fenced && logNumber == 0 && registerNumber == 0)
        {
            GoIdle();
            return true;
        }

        if (session is not null && passiveIn != session && logNumber == 0
            && Role is LogRole.Idle or LogRole.Passive)
        {
            passiveIn = session;
            Role = LogRole.Passive;
            effects.Add(new BecomePassive());
        }

        Why = WhyPassive(entry);
        return false;
    }

    private void GoIdle()
    {
        EndHandover();
        EndLogOperation(cancel: true);
        effects.Insert(0, new StepDown());
        HoldsAddress = false;
        Role = LogRole.Idle;
        passiveIn = null;
        forced = false;
    }

    /// <summary>
    /// S2: only a node that the register calls in sync takes over by itself, and only from a
    /// partner
    /// that is gone or has said that it forgot (L7). S12: or when forced under exactly this term.
    /// </summary>
    private bool WantsTakeover(RegisterEntry entry)
    {
        if (Undecided)
        {
            return false;
        }

        if (forceTerm == entry.Term)
        {
            return session is null;
        }

        if (options.NoWitness)
        {
            return entry.Sync == SyncState.InSync && !forgot && session is null && deathProven;
        }

        // Said of this very entry: an owner that forgot before it pushed and swapped to this entry
        // has been made good by that, and what it said before is merely late.
        bool ownerForgot = partner is { Forgot: true, Role: LogRole.Idle, Entry: { } theirs }
            && theirs.Term == entry.Term && entry.Sync == SyncState.InSync;
        return entry.Sync == SyncState.InSync && !forgot && (PartnerGone || ownerForgot);
    }

    /// <summary>Read, fence (S4), swap (S2); service follows when the register says so.</summary>
    private void DecideTakeover()
    {
        Why = $"taking over from {options.PartnerName}";
        if (options.NoWitness && !recordRead && forceTerm != Known!.Term)
        {
            Why = recordRefused.Length > 0 ? WhyWithoutWitness(Known!) : Why;
            ReadRecordOfTheDead();
        }
        else if (!Fresh)
        {
            ReadNow();
        }
        else if (Role != LogRole.Fenced)
        {
            BeginFence();
        }
        else
        {
            SwapTo(SwapIntent.Takeover, TakenOver);
        }
    }

    private void BeginFence()
    {
        if (LogFree)
        {
            effects.Add(new Fence(Begin(LogOperation.Fence)));
        }
    }

    private string WhyPassive(RegisterEntry entry) =>
        entry.Sync == SyncState.Stale && entry.StaleNode == options.Self
            ? $"stale since {entry.StaleSince}: {options.PartnerName} has what this node lacks"
              + (session is null ? "; waiting for it" : "; being copied to")
        : forgot && entry.Sync == SyncState.InSync
            ? "this node forgot (L7) and waits to be copied to"
        : otherRules ? WhyOtherRules
        : session is not null ? ""
        : entry.Sync == SyncState.New ? $"the register is new; waiting for {options.PartnerName}"
        : options.NoWitness ? WhyWithoutWitness(entry)
        : $"waiting for {options.PartnerName}, the owner";
}
