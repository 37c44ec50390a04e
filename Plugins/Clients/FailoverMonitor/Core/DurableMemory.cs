using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <summary>What a node remembers of a group over a crash.</summary>
/// <param name="RegisterId">Id of the register it works with; empty before the first.</param>
/// <param name="HighestTerm">Highest term ever seen in it.</param>
/// <param name="IntentTerm">
/// Term of a swap that may have been sent and is not decided (S3); 0 when none.
/// </param>
/// <param name="Intent">What that swap was for.</param>
internal sealed record DurableMemory(
    Guid RegisterId, Term HighestTerm, Term IntentTerm, SwapIntent Intent)
{
    /// <summary>Nothing is remembered.</summary>
    public static DurableMemory Empty { get; } = new(Guid.Empty, default, default, SwapIntent.None);
}

/// <summary>What a swap is for; decides what it bars while undecided (S3).</summary>
internal enum SwapIntent : byte
{
    /// <summary>There is none.</summary>
    None = 0,

    /// <summary>Makes the first entry.</summary>
    Create = 1,

    /// <summary>Owner marks its partner stale (S1).</summary>
    Mark = 2,

    /// <summary>Owner says that both copies are good (S11).</summary>
    InSync = 3,

    /// <summary>The partner of the owner becomes owner (S2).</summary>
    Takeover = 4,

    /// <summary>Owner makes its partner the owner (S14).</summary>
    Handover = 5,
}
