using StorageOs.Contracts.Runtime;

namespace StorageOs.Contracts.Services;

/// <summary>
/// The mirrored volumes of this pair. Reactor thread of the storage modules only. But for what one
/// caller alone does, whoever decides ownership (<see cref="ResyncAsync"/>,
/// <see cref="TakeEntry"/>, <see cref="DrainAsync"/>, <see cref="Resume"/>), anything may be called
/// from within anything that is told.
/// </summary>
public interface IVolumes
{
    /// <summary>Every configured volume, of both groups.</summary>
    IReadOnlyList<IVolume> All { get; }

    /// <summary>
    /// Called when <see cref="IVolume.Served"/> of any volume changed. Requests may be submitted in
    /// this call: a volume that is served holds all that was ever acknowledged.
    /// </summary>
    event Action? ServingChanged;

    /// <summary>
    /// Makes the stale partner's volumes of a group equal through the group's log (rules S10, S11):
    /// copies the extents that either node has changed since both were in sync, or all when that is
    /// not known, then has the partner compare what was copied and a sample of the rest, and
    /// repairs what differs. The log must be <see cref="LogRole.Resyncing"/>. Completes when the
    /// partner's disk has taken the last and all that was compared is equal; waits, and says why in
    /// the progress, while nobody can tell how the two disks stand to each other.
    /// </summary>
    /// <returns>
    /// False when the partner was lost, or an extent differs however often it is copied.
    /// </returns>
    ValueTask<bool> ResyncAsync(
        GroupId group, IProgress<CopyProgress> progress, CancellationToken cancellation);

    /// <summary>
    /// Tells what the register says of a group, each time that it says something new, and before
    /// anything is done about it: only InSync ends what is recorded of changes (rule S11), and a
    /// stale node moves nothing to its disk but what its owner sends it.
    /// </summary>
    void TakeEntry(RegisterEntry entry);

    /// <summary>
    /// Waits until nothing that was submitted to the group is unanswered; new requests wait until
    /// <see cref="Resume"/> or are dropped by a loss of ownership (rule S14).
    /// </summary>
    ValueTask DrainAsync(GroupId group, CancellationToken cancellation);

    /// <summary>Ends a drain: requests that waited go on.</summary>
    void Resume(GroupId group);

    /// <summary>
    /// Whether this node's disk for the group is good; a failed flush makes it stale (rule L3)
    /// until a full copy. Null while good.
    /// </summary>
    Refusal? DiskFault(GroupId group);
}

/// <summary>How far a resync has come: first it copies, then it compares.</summary>
/// <param name="BytesDone">Copied at least once.</param>
/// <param name="BytesTotal">To be copied.</param>
/// <param name="BytesCompared">Compared at least once.</param>
/// <param name="BytesToCompare">To be compared: what was copied, and a sample of the rest.</param>
/// <param name="Mismatches">
/// Extents that differed after they were copied, or without having been changed; each was copied
/// and compared again.
/// </param>
/// <param name="BytesPerSecond">Copied a second, of late; 0 when not known.</param>
/// <param name="SecondsLeft">What is left takes about so long; -1 when not known.</param>
/// <param name="Kind">What is copied, in a word; empty before that is decided.</param>
/// <param name="Why">Why so much, or what is waited for; empty when there is no more to
/// say.</param>
public readonly record struct CopyProgress(
    long BytesDone, long BytesTotal, long BytesCompared, long BytesToCompare, long Mismatches,
    long BytesPerSecond, long SecondsLeft, string Kind, string Why);

/// <summary>A block device with a copy on each node.</summary>
public interface IVolume
{
    /// <summary>Its name, unique in the pair.</summary>
    string Name { get; }

    /// <summary>The group it belongs to.</summary>
    GroupId Group { get; }

    /// <summary>Size in bytes; a multiple of 4,096.</summary>
    long SizeBytes { get; }

    /// <summary>
    /// Whether requests are taken here: this node owns the group and has started.
    /// </summary>
    bool Served { get; }

    /// <summary>
    /// Takes a request. It is answered by its own <see cref="VolumeRequest.Complete"/>, perhaps
    /// before this returns, in any order with others. Writes are done in the order of their
    /// submits. Call <see cref="Commit"/> after a batch.
    /// </summary>
    void Submit(VolumeRequest request);

    /// <summary>Ends a batch of submits: publishes their log records together.</summary>
    void Commit();

    /// <summary>
    /// Extents of a range as the volume knows them, for block status: calls
    /// <paramref name="extent"/> with lengths that cover the range, and whether each reads as zeros
    /// without space of its own. What this node knows is what the volume holds when it is asked in
    /// the completion of a read that was answered: by itself it is not proven (rule S5).
    /// </summary>
    void Extents(long offset, long length, Action<long, bool> extent);

    /// <summary>
    /// Whether somebody has the ways of writes to this volume traced now. Who stands in front of it
    /// may then ask <see cref="BeginTrace"/>, and note when what it calls the beginning was.
    /// </summary>
    bool Tracing => false;

    /// <summary>
    /// Begins the trace of a write, which its user puts into <see cref="VolumeRequest.Trace"/>
    /// before the submit, adds steps of its own to, and ends after the completion. A write that is
    /// submitted without one is traced from there to its completion, by the volume alone.
    /// </summary>
    /// <param name="began">
    /// When the write began, by <see cref="System.Diagnostics.Stopwatch.GetTimestamp"/>; 0 for now.
    /// </param>
    /// <returns>Null when it is not to be traced.</returns>
    WriteTrace? BeginTrace(long began) => null;
}

/// <summary>
/// One request to a volume; made once by its user and used again after each completion, so that
/// steady service allocates nothing. The buffer stays the volume's until completion.
/// </summary>
public abstract class VolumeRequest
{
    /// <summary>What to do.</summary>
    public VolumeOperation Operation { get; set; }

    /// <summary>First byte.</summary>
    public long Offset { get; set; }

    /// <summary>Bytes; at most 32 MiB for reads and writes.</summary>
    public int Length { get; set; }

    /// <summary>
    /// Force unit access: a write completes only at the configured persistence level.
    /// </summary>
    public bool ForceUnitAccess { get; set; }

    /// <summary>
    /// Source of a write, destination of a read; at least <see cref="Length"/> bytes then.
    /// </summary>
    public Memory<byte> Buffer { get; set; }

    /// <summary>For the volume's use between submit and completion: LSN to wait for.</summary>
    public Lsn WaitsFor { get; set; }

    /// <summary>For the volume's use between submit and completion: bytes done so far.</summary>
    public int Progress { get; set; }

    /// <summary>
    /// For the volume's use between submit and completion: the next request of its queue.
    /// </summary>
    public VolumeRequest? Next { get; set; }

    /// <summary>
    /// For the volume's use between submit and completion: whatever it keeps with the request.
    /// </summary>
    public object? Attachment { get; set; }

    /// <summary>
    /// For the volume's use between submit and completion: whose it is, that is, who is ended when
    /// <see cref="Complete"/> throws.
    /// </summary>
    public SynchronizationContext? SubmittedBy { get; set; }

    /// <summary>
    /// The trace of this write; null, which it nearly always is, when nobody asked for one. Its
    /// user clears it before the request is used again.
    /// </summary>
    public WriteTrace? Trace { get; set; }

    /// <summary>
    /// Called once per submit, on the reactor. Requests may be submitted in this call, this one
    /// among them, but not after <see cref="VolumeStatus.NotOwner"/>, which would be the answer at
    /// once. What it throws ends the module that submitted it.
    /// </summary>
    public abstract void Complete(VolumeStatus status);
}

/// <summary>What a request does.</summary>
public enum VolumeOperation
{
    /// <summary>Reads into the buffer.</summary>
    Read,

    /// <summary>Writes the buffer.</summary>
    Write,

    /// <summary>
    /// Completes when everything acknowledged before is at the configured persistence level.
    /// </summary>
    Flush,

    /// <summary>Makes a range read as zeros and frees its space.</summary>
    Trim,

    /// <summary>Makes a range read as zeros.</summary>
    WriteZeroes,
}

/// <summary>What became of a request.</summary>
public enum VolumeStatus
{
    /// <summary>Done.</summary>
    Ok,

    /// <summary>Not within the volume.</summary>
    OutOfRange,

    /// <summary>
    /// This node does not own the group (any more): drop the connection, answer nothing.
    /// </summary>
    NotOwner,

    /// <summary>The disk could not be read.</summary>
    IoError,
}
