using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

// S13. Without a third place each node keeps the register's entry in a durable record of its own,
// and two nodes may know different terms. What keeps two owners apart is then who may make the next
// entry at all:
//
//  - the owner, while it lives, and only if in this boot both nodes have been in a session in which
//    its partner said that it is passive under this owner. Since then the partner can have moved on
//    only by the owner's death, which has not happened, or by an entry of the owner's;
//  - the other node, only after the owner's process has ended, proven by what ended an in-sync
//    session, and after the owner's record, read when nobody can write it any more, said that the
//    owner had not gone on alone. An owner booted anew has no session of its boot and can do
//    nothing before the next one, which ends the other's evidence;
//  - a node that went alone by its own record, after a boot, once it has looked whether its partner
//    was forced meanwhile (S12); a forced entry outranks all that the other can have made;
//  - a node that the owner's own record or word names as the new owner (a renounced handover).
//
// Entries travel by the authenticated views of a session, and by the record of the dead. A node
// with no record (new, or with its disk replaced) adopts only what it cannot contradict: a register
// that is new, or one that names it as stale. Its missing record may have said more.

/// <content>S13: a pair without a witness.</content>
internal sealed partial class GroupCore
{
    /// <summary>
    /// A forced takeover must outrank whatever the other node may have recorded meanwhile; it makes
    /// far fewer entries than this in a lifetime without a session.
    /// </summary>
    private const ulong ForcedTerms = 1UL << 32;

    private bool otherRules;
    private bool forked;
    private SessionId? agreedIn;
    private bool ownerSinceAgreed;
    private bool deathProven;
    private bool recordRead;
    private bool heard;
    private ulong recordNumber;
    private Instant recordRetryAt;
    private string recordRefused = "";

    /// <summary>
    /// A new register is made by the home node alone, and only when its partner has none: an old
    /// one may be all that remembers who went on alone.
    /// </summary>
    private bool MayCreate =>
        options.Home == options.Self && session is not null
        && partner is { Entry: null } told && told.RecordedRegister == Guid.Empty;

    /// <summary>Whether this node, as owner, may mark its partner stale.</summary>
    private bool MayGoAlone(RegisterEntry entry) =>
        !options.NoWitness || ownerSinceAgreed || recordRead || forceTerm == entry.Term;

    /// <summary>
    /// S12: whether a node whose record of another boot says that it went alone may do so again.
    /// Its partner may have been forced meanwhile, and says so in a session or by its record; while
    /// it runs and says nothing it is waited for. A record that can't be read is no reason to wait.
    /// </summary>
    private bool MayServeByRecord()
    {
        if (!options.NoWitness || heard)
        {
            return true;
        }

        if (session is null)
        {
            ReadRecordOfTheDead();
        }

        return false;
    }

    /// <summary>Whether a node without a record may take this entry for its own.</summary>
    private bool MayAdopt(RegisterEntry entry) =>
        options.NoWitness && memory.RegisterId == Guid.Empty && !logHasRecords
        && (entry.Sync == SyncState.New
            || (entry.Sync == SyncState.Stale && entry.StaleNode == options.Self));

    /// <summary>Whether this node's own record lacks what was adopted.</summary>
    private bool IsBehind(RegisterEntry? entry) =>
        options.NoWitness && Known is not null && (entry is null || recordFault.Length > 0
            || (entry.RegisterId == Known.RegisterId && entry.Term < Known.Term));

    /// <summary>What could not be written is tried again with every read.</summary>
    private void RecordAgain()
    {
        recordFault = "";
        effects.Add(new Record(memory, options.NoWitness ? Known : null));
    }

    /// <summary>Notes what this session says about going alone and taking over.</summary>
    private void NoteAgreement()
    {
        if (Known is not { Sync: SyncState.InSync } entry)
        {
            ownerSinceAgreed &= Known is not null && OwnerBy(Known);
            agreedIn = null;
            return;
        }

        RegisterEntry? theirs = session is not null
            && partner is { Undecided: not SwapIntent.Takeover } told
            && told.RecordedRegister == memory.RegisterId ? told.Entry : null;
        ownerSinceAgreed = OwnerBy(entry) && (ownerSinceAgreed
            || (theirs is not null && partner?.Role == LogRole.Passive
                && theirs.Owner == options.Self && theirs.Term <= entry.Term));
        if (theirs?.SwapId == entry.SwapId && Role == LogRole.Passive)
        {
            agreedIn = session;
        }
    }

    /// <summary>
    /// Whether the end of a session proves that the partner's process has ended or is ending. That
    /// it has is seen once more before its record is read. A lost link or beat proves nothing.
    /// </summary>
    private void TakeDeath(SessionLost lost)
    {
        bool inSync = agreedIn == lost.Session;
        ForgetDeath();
        deathProven = inSync && lost.Reason is SessionEndReason.DeclaredStop
            or SessionEndReason.DeclaredPanic or SessionEndReason.PartnerExited;
    }

    private void ForgetDeath()
    {
        agreedIn = null;
        deathProven = false;
        recordRead = false;
        recordNumber = 0;
        recordRetryAt = now;
        recordRefused = "";
    }

    private void ReadRecordOfTheDead()
    {
        if (recordNumber == 0 && now >= recordRetryAt)
        {
            recordNumber = ++lastNumber;
            effects.Add(new ReadPartnerRecord(recordNumber));
        }
    }

    private void TakePartnerRecord(WitnessReading reading, bool runs)
    {
        heard |= !runs;
        recordNumber = 0;
        recordRetryAt = now + options.RecordRetry;
        RegisterEntry? entry = reading.Entry;
        recordRefused = reading.Outcome == ReadOutcome.Missing ? "it has none"
            : reading.Outcome == ReadOutcome.Unavailable || entry is null ? reading.Detail
            : memory.RegisterId != entry.RegisterId
                ? $"it is of register {entry.RegisterId}, expected {memory.RegisterId}"
            : entry.Group != options.Group ? $"it is of {entry.Group}"
            : Known is not null && entry.Term < Known.Term
                ? $"it is older than what this node knows: term {entry.Term}, not {Known.Term}"
            : Known is not null && entry.Term == Known.Term && entry.SwapId != Known.SwapId
                ? $"it holds another entry of term {entry.Term}"
            : "";
        if (recordRefused.Length == 0)
        {
            Learn(entry!);
            recordRead = deathProven;
        }
    }

    /// <summary>
    /// L7: an owner that forgot gives its group to a partner that says that it is in sync. With a
    /// witness the partner takes it; here the old owner renounces first.
    /// </summary>
    private bool MayRenounce(RegisterEntry entry) =>
        entry.Sync == SyncState.InSync && !Undecided && session is not null
        && partner is { Forgot: false, Undecided: not SwapIntent.Takeover, Entry: { } theirs } told
        && told.RecordedRegister == memory.RegisterId && theirs.SwapId == entry.SwapId;

    /// <summary>
    /// Two entries of one term: only two forced takeovers make them. Nobody can say which counts.
    /// </summary>
    private bool StopForked(RegisterEntry entry)
    {
        Why = $"{options.PartnerName} holds another entry of term {entry.Term} (S12): stop one node"
            + " and force the other";
        if (Role == LogRole.Idle)
        {
            return false;
        }

        GoIdle();
        return true;
    }

    private Term AfterForce(Term term) =>
        options.NoWitness ? new Term(term.Value + ForcedTerms) : term.Next;

    /// <summary>What going on alone, by mark or takeover, makes of the entry.</summary>
    private RegisterEntry TakenOver(RegisterEntry entry) => forceTerm == entry.Term
        ? OwnAlone(entry) with { Term = AfterForce(entry.Term) }
        : OwnAlone(entry);

    private string WhyOtherRules => options.NoWitness
        ? $"{options.PartnerName} is configured with a witness and this node without one"
        : $"{options.PartnerName} is configured without a witness and this node with one";

    private string WhyNoRecord =>
        partner is { Entry: { } theirs }
            ? $"this node has no record, and {options.PartnerName} works with one at term"
              + $" {theirs.Term} (S13): stop this node and force {options.PartnerName} first"
            : $"no witness: waiting for a session with {options.PartnerName} to begin a register";

    private string WhyWithoutWitness(RegisterEntry entry) =>
        OwnerBy(entry)
            ? $"no witness: waiting for {options.PartnerName}, for no session of this boot has been"
              + " in sync (S13)"
            : deathProven && recordRefused.Length > 0
            ? $"no witness: {options.PartnerName}'s record does not allow a takeover (S13):"
              + $" {recordRefused}"
            : $"no witness: {options.PartnerName} may live; a lost link starts no takeover (S13)";
}
