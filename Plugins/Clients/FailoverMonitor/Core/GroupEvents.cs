using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Services;

namespace StorageOs.FailoverMonitor.Core;

/// <summary>Something that happened, as <see cref="GroupCore"/> is told it.</summary>
internal abstract record GroupEvent;

/// <summary>A session is up; nothing of the partner's view of it is known yet.</summary>
internal sealed record SessionUp(SessionId Session) : GroupEvent;

/// <summary>The session has ended.</summary>
internal sealed record SessionLost(SessionId Session, SessionEndReason Reason) : GroupEvent;

/// <summary>The partner's page was read in this session and says this of the group.</summary>
internal sealed record ViewArrived(SessionId Session, GroupView View) : GroupEvent;

/// <summary>What the connection manager sees of the partner without a session.</summary>
internal sealed record PartnerSeen(PartnerCondition Condition) : GroupEvent;

/// <summary>Facts of the log changed.</summary>
/// <param name="PartnerOffered">The partner's copy is offered to this node in this session.</param>
/// <param name="PartnerFailed">A mirrored write or beat failed (S5).</param>
/// <param name="PartnerFlushed">What the partner's disk holds.</param>
/// <param name="PartnerHoldsAll">
/// Mirrored rules hold for all that was ever acknowledged (S11).
/// </param>
/// <param name="Forgot">The log's forgot mark (L7); set at run time, too.</param>
/// <param name="DiskFailed">A write or flush of this node's disk failed (L3).</param>
/// <param name="NearlyFull">This node's copy has little room left.</param>
internal sealed record LogChanged(
    bool PartnerOffered, bool PartnerFailed, Lsn PartnerFlushed, bool PartnerHoldsAll,
    bool Forgot, bool DiskFailed, bool NearlyFull = false)
    : GroupEvent;

/// <summary>The register was read, or was not.</summary>
internal sealed record ReadDone(ulong Operation, WitnessReading Reading) : GroupEvent;

/// <summary>
/// A swap came back. Without <paramref name="Sent"/> its intent could not be recorded.
/// </summary>
internal sealed record SwapDone(ulong Operation, SwapOutcome Outcome, bool Sent = true)
    : GroupEvent;

/// <summary>S13: the dead partner's record was read, or was not.</summary>
/// <param name="Operation">The number it was asked for with.</param>
/// <param name="Reading">What it says.</param>
/// <param name="Runs">It could not be read because its process has not ended.</param>
internal sealed record PartnerRecordDone(
    ulong Operation, WitnessReading Reading, bool Runs = false) : GroupEvent;

/// <summary>A fence, push, copy or drain has ended.</summary>
internal sealed record LogDone(ulong Operation, bool Ok, string Why = "") : GroupEvent;

/// <summary>What should be durable is not: nothing may be swapped until the next success.</summary>
internal sealed record RecordFailed(string Why) : GroupEvent;

/// <summary>A planned takeover (S14) by this node is asked for.</summary>
/// <param name="Request">Its number.</param>
/// <param name="Overrides">Names whose vetoes it overrides, with commas.</param>
internal sealed record TakeoverAsked(ulong Request, string Overrides = "") : GroupEvent;

/// <summary>What modules of this node have against a planned move of the group, now.</summary>
internal sealed record VetoesChanged(IReadOnlyList<HandoverVeto> Vetoes) : GroupEvent;

/// <summary>The operator forces a takeover under exactly this term (S12).</summary>
internal sealed record ForceAsked(Term Term) : GroupEvent;

/// <summary>Time has passed.</summary>
internal sealed record Tick : GroupEvent;

/// <summary>The node stops: nothing more is decided.</summary>
internal sealed record Stopping : GroupEvent;
