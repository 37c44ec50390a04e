// Every event of the failover monitor. Those whose ids Contracts names are what both nodes' story
// is made of; the others say what an operator is to know of it.
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.FailoverMonitor.Edge;

namespace StorageOs.FailoverMonitor;

/// <summary>The failover monitor's events.</summary>
[EventCatalogue]
internal static class MonitorEvents
{
    private const string StateText = "{Group}: {State} at term {Term}; {Why}";

    public static readonly NodeEvent<GroupId, string, ulong, string> GroupState = new(
        "group-state", EventSeverity.Information, StateText)
    {
        Cause = "what this node does for a group, or what it waits for, has changed",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, string, ulong, string> GroupMirrored = new(
        "group-mirrored", EventSeverity.Notice, StateText)
    {
        Cause = "this node serves the group and each write is acknowledged on both nodes",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, string, ulong, string> GroupAlone = new(
        "group-alone", EventSeverity.Warning, StateText)
    {
        Cause = "this node serves the group without its partner, whose copy is stale: another loss"
            + " stops the service",
        Remedy = "start the partner or mend what it was lost by; the copy is made equal by itself",
    };

    public static readonly NodeEvent<GroupId, string, ulong, string> GroupFrozen = new(
        "group-frozen", EventSeverity.Error, StateText)
    {
        Cause = "service of the group pauses: this node may not go on with one copy before the"
            + " register says so",
        Remedy = "it goes on by itself within milliseconds; when it stays, bring the witness or the"
            + " partner back",
    };

    public static readonly NodeEvent<GroupId, string, ulong, string> RegisterRefused = new(
        "register-refused", EventSeverity.Error, StateText)
    {
        Cause = "the register tells of another pair, of a term before one that was seen, or is"
            + " missing although there was one: takeovers stop",
        Remedy = "give both nodes the register they had; an old copy of it must not be restored",
    };

    public static readonly NodeEvent<GroupId, Term, string, SyncState> RegisterSeen = new(
        EventNames.RegisterSeen, EventSeverity.Information,
        "{Group}: the register says at term {Term}: owner {Owner}, {Sync}")
    {
        Cause = "this node learned of an entry of the register that is new to it",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, Term, string, SyncState, SwapIntent>
        RegisterSwapped = new(
        EventNames.RegisterSwapped, EventSeverity.Notice,
        "{Group}: swapped term {Term}: owner {Owner}, {Sync}; for {Intent}")
        {
            Cause = "this node changed the register: Create, Mark its partner stale, InSync,"
                + " Takeover or Handover, as it says",
            Remedy = "none",
        };

    public static readonly NodeEvent<GroupId, Term, SwapIntent, SwapResult, string>
        SwapFailed = new(
        "swap-failed", EventSeverity.Warning,
        "{Group}: the swap of term {Term} for {Intent} is {Result}; {Why}")
        {
            Cause = "the partner was faster (Lost), or the witness did not answer (Undecided): the"
            + " register is read again",
            Remedy = "none when Lost; when Undecided again and again, see the witness",
        };

    public static readonly NodeEvent<GroupId, TakeoverStep, double> TakeoverStep = new(
        EventNames.TakeoverStep, EventSeverity.Information,
        "{Group}: {Step} {Milliseconds:F1} ms after the partner was lost")
    {
        Cause = "a step of a takeover, or of going on alone, is done",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, string, double> TakeoverDone = new(
        "takeover-done", EventSeverity.Warning,
        "{Group}: taken over from {Partner}; served {Milliseconds:F1} ms after it was lost")
    {
        Cause = "the owner was lost and this node serves in its place, alone",
        Remedy = "see why the partner was lost, and start it again",
    };

    public static readonly NodeEvent<GroupId, Term> TakeoverForced = new(
        "takeover-forced", EventSeverity.Warning,
        "{Group}: an operator forces this node to serve, in place of term {Term}")
    {
        Cause = "`takeover --force`: the operator's word that the other node is dead or stopped",
        Remedy = "keep the other node stopped until `status` says that the swap is decided",
    };

    public static readonly NodeEvent<GroupId, Refusal> TakeoverRefused = new(
        "takeover-refused", EventSeverity.Warning,
        "{Group}: a takeover that was asked for is refused: {Refusal}")
    {
        Cause = "something hinders a planned move, or a module vetoes it; nothing was moved",
        Remedy = "do what the refusal says; `takeover --check` lists all that hinders",
    };

    public static readonly NodeEvent<GroupId> TakeoverFalse = new(
        "takeover-false", EventSeverity.Error,
        "{Group}: it was taken over from a partner that had not died")
    {
        Cause = "the partner stood still for longer than the detector allows and then went on; no"
            + " data is at risk, but clients waited for nothing",
        Remedy = "see what stopped it: a busy machine, a missing CAP_SYS_NICE, a paused guest",
    };

    public static readonly NodeEvent<GroupId, string, string> VetoOverridden = new(
        "veto-overridden", EventSeverity.Warning,
        "{Group}: the veto of {Who} is overridden by an operator: {Why}")
    {
        Cause = "a planned move was asked for with `--override`",
        Remedy = "none; what the module warned of may come about",
    };

    public static readonly NodeEvent<GroupId, string, Term> GroupMoved = new(
        "group-moved", EventSeverity.Notice,
        "{Group}: moved here from {Partner}, which handed it over at term {Term}")
    {
        Cause = "a planned takeover, a giveback, or a partner whose disk failed",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, string, Term> OwnershipLost = new(
        "ownership-lost", EventSeverity.Notice,
        "{Group}: this node serves it no more; {Owner} owns it at term {Term}")
    {
        Cause = "it was handed over, or the partner took over while this node stood still",
        Remedy = "none when the move was asked for; else see session-ended",
    };

    public static readonly NodeEvent<GroupId, TimeSpan> GivebackWaits = new(
        "giveback-waits", EventSeverity.Notice,
        "{Group}: goes home in {Delay} when nothing comes between")
    {
        Cause = "the group is away from home and nothing stands against its going back",
        Remedy = "none; `takeover` on the node that has it keeps it there",
    };

    public static readonly NodeEvent<GroupId> GivebackOffered = new(
        "giveback-offered", EventSeverity.Notice, "{Group}: offered to its home")
    {
        Cause = "the delay before an automatic giveback has passed",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId> GivebackAsked = new(
        "giveback-asked", EventSeverity.Notice,
        "{Group}: it is offered back by its owner; this node, its home, asks for it")
    {
        Cause = "an automatic giveback begins",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, string> GivebackDeferred = new(
        "giveback-deferred", EventSeverity.Notice, "{Group}: stays away from home: {Why}")
    {
        Cause = "copies are not in sync, home is hindered or vetoed, or an operator holds it",
        Remedy = "none; it goes home once that has ended",
    };

    public static readonly NodeEvent<GroupId, int> GivebackLatched = new(
        "giveback-latched", EventSeverity.Warning,
        "{Group}: not given back any more by itself: home was lost {Rounds} times in a row"
        + " after it")
    {
        Cause = "the home node fails soon after each giveback",
        Remedy = "mend the home node, then `storageos giveback`",
    };

    public static readonly NodeEvent<GroupId, string> WitnessLost = new(
        "witness-lost", EventSeverity.Error, "{Group}: the witness does not answer: {Why}")
    {
        Cause = "the register cannot be read; the pair serves on, but a loss of either node now"
            + " stops the service",
        Remedy = "bring the witness back; see OPERATIONS, Choosing a witness",
    };

    public static readonly NodeEvent<GroupId> WitnessBack = new(
        "witness-back", EventSeverity.Notice, "{Group}: the witness answers again")
    {
        Cause = "the register could be read again",
        Remedy = "none",
    };

    public static readonly NodeEvent<GroupId, string> MemoryUnwritten = new(
        "memory-unwritten", EventSeverity.Error,
        "{Group}: this node's memory of the register cannot be written: {Failure}")
    {
        Cause = "node.dataDirectory refuses a write: this node swaps nothing until it succeeds",
        Remedy = "look at node.dataDirectory: its disk, rights and room",
    };

    public static readonly NodeEvent<GroupId, string> DiskFailed = new(
        "disk-failed", EventSeverity.Error, "{Group}: this node's disk: {Fault}")
    {
        Cause = "a write or a flush of a volume failed; the group moves to the partner when that"
            + " can take it",
        Remedy = "replace or mend the disk and restart the node; it is copied to in full",
    };

    public static readonly NodeEvent<GroupId> DiskGood = new(
        "disk-good", EventSeverity.Notice, "{Group}: this node's disk: good again")
    {
        Cause = "writes to the volumes succeed again",
        Remedy = "none",
    };
}
