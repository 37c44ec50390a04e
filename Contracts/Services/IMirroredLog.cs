using StorageOs.Contracts.Runtime;

namespace StorageOs.Contracts.Services;

/// <summary>
/// The mirrored logs of this node, one for each group. Reactor thread of the storage modules only.
/// </summary>
public interface IMirroredLogs
{
    /// <summary>The log of a group.</summary>
    IGroupLog Log(GroupId group);
}

/// <summary>
/// One group's log as this node has it. The log stands on both nodes; the owner appends to both.
/// Whoever decides ownership (one module) drives <see cref="Role"/> by the control members;
/// whoever keeps volumes appends and reads. All on one reactor.
/// </summary>
public interface IGroupLog
{
    /// <summary>The group.</summary>
    GroupId Group { get; }

    /// <summary>What this node does with the log now.</summary>
    LogRole Role { get; }

    /// <summary>Facts about this node's copy.</summary>
    LogSummary Summary { get; }

    // ---- Control: one caller, whoever decides ownership ----

    /// <summary>
    /// Lets the partner, as owner, write this node's copy: offers it for this session. From
    /// <see cref="LogRole.Idle"/> or <see cref="LogRole.Passive"/>.
    /// </summary>
    void BecomePassive();

    /// <summary>
    /// Design rule S4: revokes the partner's rights to this copy and to its beat word, proves by a
    /// probe that the old key is dead, reclaims, and recovers the longest prefix. Role becomes
    /// <see cref="LogRole.Fenced"/>. Idempotent.
    /// </summary>
    /// <exception cref="RefusedException">
    /// The transport could not prove it; nothing may be served.
    /// </exception>
    FenceReport Fence();

    /// <summary>
    /// Starts to serve as owner without a partner, at a new generation under
    /// <paramref name="term"/>. From <see cref="LogRole.Fenced"/>, <see cref="LogRole.Frozen"/> or
    /// <see cref="LogRole.Mirrored"/>. What was appended and not acknowledged is acknowledged now.
    /// </summary>
    void ServeAlone(Term term);

    /// <summary>
    /// Makes the partner's copy equal to this one up to a common tail and starts a new generation
    /// there (rules L2, S7). Needs the partner's copy offered (<see cref="PartnerOffered"/>).
    /// With <paramref name="format"/> the partner's copy is made anew, for a stale partner;
    /// without, what it has is continued.
    /// </summary>
    /// <returns>
    /// False when the session or the offer was lost on the way; nothing has changed then for this
    /// node.
    /// </returns>
    ValueTask<bool> PushAsync(Term term, bool format);

    /// <summary>
    /// After a successful push: every append goes to both copies. With
    /// <paramref name="acknowledgeOnBoth"/> (mirrored rules) acknowledgements wait for both and
    /// reads for a beat; without (a stale partner being copied to) for this copy alone.
    /// </summary>
    void ServeWithPartner(Term term, bool acknowledgeOnBoth);

    /// <summary>
    /// Acknowledges and answers nothing until told otherwise (S1). From
    /// <see cref="LogRole.Mirrored"/> or <see cref="LogRole.Idle"/>.
    /// </summary>
    void Freeze();

    /// <summary>
    /// Stops serving for good in this term: waiting appends and proofs complete as
    /// <see cref="LogOutcome.NotOwner"/>. Role becomes <see cref="LogRole.Idle"/>.
    /// </summary>
    void StepDown();

    /// <summary>
    /// Durably clears the forgot mark (rule L7); only when the register says InSync. The mark
    /// stays when this copy was lost or found damaged since it was made anew. Raises
    /// <see cref="Changed"/>.
    /// </summary>
    void ClearForgot();

    /// <summary>Whether the partner has offered its copy in this session.</summary>
    bool PartnerOffered { get; }

    /// <summary>
    /// Whether mirrored rules hold for all that was ever acknowledged (rule S11): false from the
    /// switch to them until what was acknowledged before it is at the partner, too. Only then may
    /// the register say that both copies are good. <see cref="Changed"/> is called when it turns.
    /// </summary>
    bool PartnerHoldsAll { get; }

    /// <summary>
    /// LSN up to which the partner has said that its disk holds everything; survives the session.
    /// </summary>
    Lsn PartnerFlushed { get; }

    /// <summary>
    /// Called when <see cref="PartnerOffered"/>, the role or the session changed, or a mirrored
    /// operation failed (see <see cref="PartnerFailed"/>).
    /// </summary>
    event Action? Changed;

    /// <summary>
    /// True from when a mirrored write or beat failed, or its grant was lost, until the next push
    /// or session: counts as partner gone for this group (S5). The log has frozen itself.
    /// </summary>
    bool PartnerFailed { get; }

    // ---- Data: whoever keeps the volumes ----

    /// <summary>
    /// Appends a record. Its payload is copied before the call returns. Order of calls is order of
    /// LSNs.
    /// </summary>
    /// <param name="lsn">
    /// Where the record ends: once <see cref="Acknowledged"/> has reached it, it is in both copies,
    /// or recorded while alone.
    /// </param>
    /// <returns>
    /// Accepted, or why not: full (try again when <see cref="SpaceFreed"/>), or not owner. Frozen
    /// accepts, and acknowledges nothing.
    /// </returns>
    AppendOutcome TryAppend(in LogEntry entry, ReadOnlySpan<byte> payload, out Lsn lsn);

    /// <summary>
    /// Publishes what was appended since the last call (group commit): call once after a batch.
    /// May raise <see cref="Advanced"/> before it returns.
    /// </summary>
    void Commit();

    /// <summary>
    /// Adds to a trace what becomes of the record that ends at <paramref name="lsn"/>, until it is
    /// acknowledged: told right after the append.
    /// </summary>
    void Follow(WriteTrace trace, Lsn lsn)
    {
        // A log that knows of no traces adds nothing to them.
    }

    /// <summary>
    /// End of the last acknowledged record; on a passive node, what the owner published as such.
    /// </summary>
    Lsn Acknowledged { get; }

    /// <summary>Called after <see cref="Acknowledged"/> moved. On a passive node, too.</summary>
    event Action? Advanced;

    /// <summary>Called when space was freed after an append was refused as full.</summary>
    event Action? SpaceFreed;

    /// <summary>
    /// Called when what the log holds was replaced or re-read (recovery, fence, a push with
    /// format): a consumer drops what it derived and reads anew from <see cref="LogSummary.Head"/>.
    /// </summary>
    event Action? Reset;

    /// <summary>
    /// Reads the record that starts at <paramref name="position"/>; its payload points into the log
    /// and stays valid until <see cref="SetFlushed"/> passes it or <see cref="Reset"/>.
    /// </summary>
    /// <param name="next">Start of the record after it.</param>
    /// <returns>
    /// False at the end of what may be read: the acknowledged LSN (on an owner, all that was
    /// appended).
    /// </returns>
    bool TryRead(Lsn position, out LogRecord record, out Lsn next);

    /// <summary>
    /// Says that everything before <paramref name="lsn"/> has been moved to this node's disk and
    /// flushed (rule L3); the space is used again once both nodes, or the lone owner, have said so.
    /// </summary>
    void SetFlushed(Lsn lsn);

    /// <summary>
    /// Says that the extents of every record before <paramref name="lsn"/> stand in a durable
    /// record of changes. An owner whose partner's disk lacks records keeps them until then
    /// (rules L5, S9): its head moves no further.
    /// </summary>
    void SetMarked(Lsn lsn);

    /// <summary>Tells the partner what this node's disk is, from now on.</summary>
    void TellDisk(DiskFacts facts);

    /// <summary>
    /// What the partner has last told of its disk; its id is 0 until that is known in this session.
    /// </summary>
    DiskFacts PartnerDisk { get; }

    /// <summary>
    /// How many differences found by comparisons are told to the owner at a time: it asks for no
    /// more comparisons than this before the partner has said that their records are flushed.
    /// </summary>
    const int MismatchesKept = 24;

    /// <summary>
    /// On a passive node: says that the comparison whose record ends at <paramref name="compared"/>
    /// found a difference; told to the owner with the next <see cref="SetFlushed"/>.
    /// </summary>
    void ReportMismatch(Lsn compared);

    /// <summary>
    /// On the owner: whether the partner found a difference by the comparison whose record ends at
    /// <paramref name="compared"/>. Known once <see cref="PartnerFlushed"/> has reached it.
    /// </summary>
    bool PartnerFound(Lsn compared);

    /// <summary>
    /// On a passive node: says that its disk is not good any more (rule L3). Sets the forgot mark
    /// durably, so that the owner calls this node stale; nothing in any other role.
    /// </summary>
    void MarkDamaged(string why);

    /// <summary>LSN last passed to <see cref="SetFlushed"/> (recovered after a boot).</summary>
    Lsn Flushed { get; }

    /// <summary>
    /// LSN up to which both nodes' disks hold everything; this node's alone while it serves alone.
    /// </summary>
    Lsn FlushedOnBoth { get; }

    /// <summary>
    /// Design rule S5: calls <paramref name="done"/> with <see cref="LogOutcome.Ok"/> once a beat
    /// that was posted after this call has completed at the partner (at once while alone), or with
    /// why not. While frozen it waits. One beat serves all that wait. May call before it returns.
    /// At level <see cref="Plugins.PersistenceLevel.Power"/> everything that was acknowledged
    /// before this call is durable in the persistent memory of both nodes by then (rule L6).
    /// </summary>
    void Prove(Action<object, LogOutcome> done, object state);
}

/// <summary>What a node does with a group's log.</summary>
public enum LogRole
{
    /// <summary>Recovered, not owner, not offered to the partner.</summary>
    Idle,

    /// <summary>The partner owns the group and may write this copy.</summary>
    Passive,

    /// <summary>
    /// The partner's rights are revoked; this copy is ours alone and nothing is served yet.
    /// </summary>
    Fenced,

    /// <summary>
    /// Owner, partner gone, register not changed: appends wait, nothing is answered.
    /// </summary>
    Frozen,

    /// <summary>Owner under mirrored rules.</summary>
    Mirrored,

    /// <summary>
    /// Owner; appends also go to a stale partner, acknowledgements do not wait for it.
    /// </summary>
    Resyncing,

    /// <summary>Owner without a partner.</summary>
    Alone,
}

/// <summary>Facts about one copy of a log.</summary>
/// <param name="LogId">
/// Made when the log was first made; both copies share it after a format. Empty when this copy was
/// never written.
/// </param>
/// <param name="Head">Start of the oldest record kept.</param>
/// <param name="Tail">End of the last good record.</param>
/// <param name="LastTerm">Term of the last record; 0 when there is none.</param>
/// <param name="Generation">Generation of the last record; 0 when there is none.</param>
/// <param name="Forgot">
/// The copy may lack what it once acknowledged (rule L7), with <paramref name="ForgotWhy"/>.
/// </param>
/// <param name="ForgotWhy">What was found; empty unless forgot.</param>
/// <param name="CapacityBytes">Bytes of records it can hold.</param>
public readonly record struct LogSummary(
    Guid LogId, Lsn Head, Lsn Tail, Term LastTerm, ulong Generation, bool Forgot, string ForgotWhy,
    long CapacityBytes);

/// <summary>What a fence did.</summary>
/// <param name="ProbeRejected">
/// The probe under the old key was rejected; always true when the fence returned.
/// </param>
/// <param name="Tail">End of the longest good prefix that this node now works from.</param>
public sealed record FenceReport(bool ProbeRejected, Lsn Tail);

/// <summary>What a node says of the disk that a group's volumes are on.</summary>
/// <param name="Id">
/// Random; another one when the disk may have lost what it was given. 0 when nothing is known.
/// </param>
/// <param name="PairedWith">The partner's disk that it was last in sync with; 0 for none.</param>
/// <param name="AloneUnder">
/// Term under which it was changed by its node alone, and no InSync since; 0 when it was not.
/// </param>
public readonly record struct DiskFacts(ulong Id, ulong PairedWith, Term AloneUnder);

/// <summary>What became of an append.</summary>
public enum AppendOutcome
{
    /// <summary>Appended; acknowledged later.</summary>
    Accepted,

    /// <summary>No room until something is flushed on both sides.</summary>
    Full,

    /// <summary>This node does not serve the group.</summary>
    NotOwner,
}

/// <summary>What became of something that waited on the log.</summary>
public enum LogOutcome
{
    /// <summary>Done as asked.</summary>
    Ok,

    /// <summary>
    /// This node does not own the group any more; the request must not be answered (S8).
    /// </summary>
    NotOwner,
}

/// <summary>What a record says, but for its payload.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Volume">Volume within the group.</param>
/// <param name="Offset">First byte on the volume.</param>
/// <param name="Length">
/// Bytes on the volume; the payload's length for <see cref="LogEntryKind.Write"/> and
/// <see cref="LogEntryKind.Copy"/>.
/// </param>
public readonly record struct LogEntry(LogEntryKind Kind, ushort Volume, long Offset, int Length);

/// <summary>What a record does to a volume.</summary>
public enum LogEntryKind : byte
{
    /// <summary>Bookkeeping of the log itself; changes no volume.</summary>
    None = 0,

    /// <summary>Writes its payload.</summary>
    Write = 1,

    /// <summary>Makes the range read as zeros and frees its space.</summary>
    Trim = 2,

    /// <summary>Makes the range read as zeros and keeps its space.</summary>
    WriteZeroes = 3,

    /// <summary>
    /// Carries an extent of the owner's to a stale partner; changes nothing on the owner.
    /// </summary>
    Copy = 4,

    /// <summary>Like <see cref="Copy"/>, for an extent that reads as zeros.</summary>
    CopyZeroes = 5,

    /// <summary>
    /// Asks a partner that was copied to whether the extent, as it is at this record, has the
    /// checksums of the payload (rule S11); changes nothing anywhere.
    /// </summary>
    Compare = 6,

    /// <summary>Like <see cref="Compare"/>, for an extent that reads as zeros.</summary>
    CompareZeroes = 7,

    /// <summary>
    /// Asks a partner whether it has changed anything of the extent by itself since both were in
    /// sync (rule S10); answered like a comparison, changes nothing anywhere.
    /// </summary>
    AskChanges = 8,
}

/// <summary>A record as read back.</summary>
/// <param name="Start">Where it starts.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Term">Term it was written under.</param>
/// <param name="Entry">What it does.</param>
/// <param name="Payload">Its payload, in the log itself.</param>
public readonly record struct LogRecord(
    Lsn Start, Lsn End, Term Term, LogEntry Entry, ReadOnlyMemory<byte> Payload);
