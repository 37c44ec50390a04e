using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

// Who serves a group, decided from facts alone. Facts are taken in by Step (GroupCore.Facts.cs);
// after each of them one look at the whole picture (GroupCore.Decide.cs) says what is to be done
// next. Nothing is remembered of how the picture came about, so every step can be repeated after a
// crash, a lost session or a late answer. The register's entry says who owns and who is stale; the
// role says what this node's log does; at most one register operation and one log operation are
// under way, and answers with any other number are ignored.

/// <summary>
/// Ownership of one group on one node: state and event in, effects out (design §9). Pure: no I/O,
/// clock, lock or task. One caller at a time.
/// </summary>
internal sealed partial class GroupCore
{
    /// <summary>
    /// The most rounds in which one event may change the role; more is a bug of ours.
    /// </summary>
    private const int RoundsMax = 8;

    private readonly GroupCoreOptions options;
    private readonly List<GroupEffect> effects = [];
    private Instant now;

    /// <summary>Starts with what the log and the node's memory held at boot.</summary>
    /// <param name="options">Constants.</param>
    /// <param name="memory">What was recorded before this boot.</param>
    /// <param name="forgot">The log's forgot mark (L7).</param>
    /// <param name="logHasRecords">The copy holds records of some term.</param>
    /// <param name="now">Time of the boot.</param>
    public GroupCore(
        GroupCoreOptions options, DurableMemory memory, bool forgot, bool logHasRecords,
        Instant now)
    {
        this.options = options;

        // S13: without a witness nobody but this process can land a swap of this node, and the one
        // of an earlier boot that is not in its record by now never will be.
        this.memory = options.NoWitness
            ? memory with { IntentTerm = default, Intent = SwapIntent.None }
            : memory;
        this.forgot = forgot;
        this.logHasRecords = logHasRecords;
        this.now = now;
        awaySince = now;
    }

    /// <summary>The register's entry as known; null before the first answer.</summary>
    public RegisterEntry? Known { get; private set; }

    /// <summary>What this node's log does, as told by this core.</summary>
    public LogRole Role { get; private set; } = LogRole.Idle;

    /// <summary>Whether requests may be answered here (by the log's own rules).</summary>
    public bool Serves =>
        Role is LogRole.Mirrored or LogRole.Resyncing or LogRole.Alone
        && Known is { Sync: not SyncState.New } entry && entry.Owner == options.Self;

    /// <summary>
    /// Whether clients are accepted here: from the first service until the step-down (S4: after
    /// swap and replay). A frozen owner keeps it; its clients wait.
    /// </summary>
    public bool HoldsAddress { get; private set; }

    /// <summary>Why nothing more happens, or what is waited for; empty when all is well.</summary>
    public string Why { get; private set; } = "";

    /// <summary>A word for the state.</summary>
    public string State =>
        distrust.Length > 0 ? "registerRefused"
        : Known is null ? "starting"
        : logOperation is LogOperation.Fence || (Role == LogRole.Fenced && !OwnerBy(Known))
            ? "takeover"
        : logOperation is LogOperation.Drain ? "draining"
        : Role switch
        {
            LogRole.Idle => "idle",
            LogRole.Passive => "passive",
            LogRole.Fenced => "fenced",
            LogRole.Frozen => "frozen",
            LogRole.Mirrored => "mirrored",
            LogRole.Resyncing => "resyncing",
            _ => "alone",
        };

    /// <summary>What the last read of the register gave, in a word.</summary>
    public ReadOutcome Witness { get; private set; } = ReadOutcome.Unavailable;

    /// <summary>What was wrong with it.</summary>
    public string WitnessDetail { get; private set; } = "not asked yet";

    /// <summary>The request for a planned takeover that is under way; 0 when none.</summary>
    public ulong Request { get; private set; }

    /// <summary>Why the last request ended without success; empty when it did not.</summary>
    public string RequestRefused { get; private set; } = "";

    /// <summary>What this node tells its partner.</summary>
    public GroupView View => new(
        recordFault.Length == 0 ? memory.RegisterId : Guid.Empty,
        Known,
        Role,
        Undecided ? memory.Intent : SwapIntent.None,
        Undecided ? memory.IntentTerm : default,
        forgot && !forced,
        Request,
        answeredRequest,
        answer,
        options.NoWitness,
        vetoes,
        Request == 0 ? "" : overrides,
        mayTake);

    /// <summary>
    /// Takes one event and says what is to be done, in order. The list is valid until the next
    /// call.
    /// </summary>
    public IReadOnlyList<GroupEffect> Step(GroupEvent input, Instant time)
    {
        effects.Clear();
        now = time;
        if (stopped)
        {
            return effects;
        }

        Take(input);
        for (int round = 0; !stopped && DecideRole(); round++)
        {
            Invariant.Require(round < RoundsMax);
        }

        if (!stopped)
        {
            PollRegister();
        }

        NoteHindrances();
        return effects;
    }

    private bool OwnerBy(RegisterEntry entry) => entry.Owner == options.Self;

    private bool PartnerStaleBy(RegisterEntry entry) =>
        entry.Sync == SyncState.Stale && entry.StaleNode == options.Partner;
}
