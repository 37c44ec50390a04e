namespace StorageOs.Contracts.Services;

/// <summary>
/// A third place that holds the ownership register: per group one entry that changes by
/// compare-and-swap only. Calls may come from any thread and may take as long as the witness takes.
/// </summary>
public interface IWitness : IDisposable
{
    /// <summary>Where and what it is, for people.</summary>
    string Description { get; }

    /// <summary>Reads a group's entry as it is now, never from a cache.</summary>
    ValueTask<WitnessReading> ReadAsync(GroupId group, CancellationToken cancellation);

    /// <summary>
    /// Puts <paramref name="next"/> in place of the entry with the term before it. The entry is
    /// durable at the witness before success is answered.
    /// </summary>
    ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation);
}

/// <summary>One group's entry in the register.</summary>
/// <param name="RegisterId">Made once with the register; another id is another register.</param>
/// <param name="Group">The group.</param>
/// <param name="Term">Version of the entry; 1 is the first.</param>
/// <param name="Owner">System id of the owner.</param>
/// <param name="Sync">Whether the other node's copy is good.</param>
/// <param name="StaleNode">System id of the node that is stale; 0 when none is.</param>
/// <param name="StaleSince">
/// The LSN up to which the stale node's disk is known to be good; 0 when none is.
/// </param>
/// <param name="SwapId">
/// Random id of the swap that made this entry: tells one's own swap from another's.
/// </param>
public sealed record RegisterEntry(
    Guid RegisterId,
    GroupId Group,
    Term Term,
    ulong Owner,
    SyncState Sync,
    ulong StaleNode,
    Lsn StaleSince,
    Guid SwapId);

/// <summary>Whether both copies of a group are good.</summary>
public enum SyncState : byte
{
    /// <summary>The register is new; no node has data yet that could be missing.</summary>
    New = 0,

    /// <summary>Either node may take the group over.</summary>
    InSync = 1,

    /// <summary>One node lacks acknowledged data and must not take over.</summary>
    Stale = 2,

    /// <summary>
    /// The register is not here: it has moved to another witness, or is to come from one. Both
    /// copies are good.
    /// </summary>
    Moved = 3,
}

/// <summary>What a read of the register gave.</summary>
/// <param name="Outcome">Whether an answer came.</param>
/// <param name="Entry">The entry; null unless <see cref="ReadOutcome.Found"/>.</param>
/// <param name="Detail">What went wrong, for people; empty when nothing did.</param>
public sealed record WitnessReading(ReadOutcome Outcome, RegisterEntry? Entry, string Detail = "");

/// <summary>Whether a read of the register was answered.</summary>
public enum ReadOutcome
{
    /// <summary>The entry is known.</summary>
    Found,

    /// <summary>The witness answered that it has none.</summary>
    Missing,

    /// <summary>The witness did not answer, or with something unreadable.</summary>
    Unavailable,
}

/// <summary>What a swap came to.</summary>
/// <param name="Result">Won, lost or unknown.</param>
/// <param name="Current">The entry now in place, as far as known.</param>
/// <param name="Detail">What went wrong, for people.</param>
public sealed record SwapOutcome(SwapResult Result, RegisterEntry? Current, string Detail = "");

/// <summary>What a swap came to.</summary>
public enum SwapResult
{
    /// <summary>The entry is in place and durable.</summary>
    Won,

    /// <summary>
    /// Another entry of that term or a later one is in place; this swap did not and will not
    /// happen.
    /// </summary>
    Lost,

    /// <summary>
    /// No answer: it may have happened, may still happen, or not (design rule S3).
    /// </summary>
    Undecided,
}
