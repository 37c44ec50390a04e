using StorageOs.Contracts.Runtime;

namespace StorageOs.Contracts.Transports;

/// <summary>
/// A reliable, ordered channel to the partner: a virtual interface; a reliable connected queue pair
/// on verbs. Writes of one port become visible at the partner in the order they were posted; an
/// aligned 8-byte write becomes visible at once or not at all.
/// </summary>
/// <remarks>
/// Used by one thread at a time (the reactor of the client it was granted to); only
/// <see cref="State"/> and <see cref="IDisposable.Dispose"/> may be called from others.
/// A post or a poll allocates nothing. Every post completes exactly once, in order. An operation
/// that fails puts the port into error: everything posted after it completes with
/// <see cref="CompletionStatus.PortClosed"/>, and the port is of no more use.
/// </remarks>
public interface IPort : IDisposable
{
    /// <summary>Whether the port is still good, and if not why. Any thread.</summary>
    PortState State { get; }

    /// <summary>
    /// Whether the operating system has said that the process at the other end has ended or is
    /// ending, whatever else is known; not: that it can write nothing any more. A transport that
    /// can't tell an exit from a lost link says false for ever. Any thread.
    /// </summary>
    bool PartnerExited => false;

    /// <summary>The most posts that may be in flight.</summary>
    int PostsInFlightMax { get; }

    /// <summary>
    /// Posts a one-sided write of <paramref name="length"/> bytes. The source bytes stay the
    /// transport's until the completion is polled.
    /// </summary>
    /// <returns>
    /// False when <see cref="PostsInFlightMax"/> are in flight: nothing was posted, poll first.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">
    /// The range is not within the local region.
    /// </exception>
    bool TryPostWrite(
        ulong token, IRegion source, int sourceOffset, IRemoteMemory target, long targetOffset,
        int length);

    /// <summary>
    /// Posts a write of one aligned 8-byte word, taken by value. Same rules as
    /// <see cref="TryPostWrite"/>.
    /// </summary>
    bool TryPostWriteWord(ulong token, ulong value, IRemoteMemory target, long targetOffset);

    /// <summary>
    /// Posts a one-sided read into local memory, which stays the transport's until the completion
    /// is polled. Reads wider than 8 bytes may be torn. Same rules as <see cref="TryPostWrite"/>.
    /// </summary>
    bool TryPostRead(
        ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
        long sourceOffset, int length);

    /// <summary>
    /// From here to <see cref="Ring"/> the transport may hold posts back, to send them together:
    /// one doorbell, one packet or one system call for several. They count as in flight, and keep
    /// their order. Whoever holds rings soon, before waiting for anything.
    /// </summary>
    void Hold()
    {
    }

    /// <summary>Sends what was held back.</summary>
    void Ring()
    {
    }

    /// <summary>
    /// Takes completions, oldest first. Never blocks. Works on a closed or failed port, too, until
    /// every post has completed.
    /// </summary>
    /// <returns>How many were written to <paramref name="completions"/>.</returns>
    int Poll(Span<Completion> completions);
}

/// <summary>What became of one post.</summary>
/// <param name="Token">The token it was posted with.</param>
/// <param name="Status">What became of it.</param>
public readonly record struct Completion(ulong Token, CompletionStatus Status);

/// <summary>What became of a post.</summary>
public enum CompletionStatus
{
    /// <summary>
    /// Done. A write is visible to every later local or remote read at the partner (not: durable);
    /// a read's bytes are in place.
    /// </summary>
    Success,

    /// <summary>
    /// The partner's memory was not offered for this, was revoked, or is shorter. Some bytes of a
    /// write may have landed.
    /// </summary>
    RemoteAccessError,

    /// <summary>
    /// The partner is gone or does not answer. Some bytes of a write may have landed.
    /// </summary>
    PartnerGone,

    /// <summary>
    /// The port was closed, here or there, or had failed before. Some bytes of a write may have
    /// landed.
    /// </summary>
    PortClosed,
}

/// <summary>Whether a port is good.</summary>
public enum PortState
{
    /// <summary>Posts are accepted and served.</summary>
    Open,

    /// <summary>An operation failed; see its completion.</summary>
    Failed,

    /// <summary>The partner closed its end.</summary>
    ClosedByPartner,

    /// <summary>The partner's endpoint is gone (its process ended, its card says so).</summary>
    PartnerGone,

    /// <summary>Disposed here.</summary>
    Disposed,
}

/// <summary>A port that somebody asks for.</summary>
/// <param name="Name">Name, unique within the asking client.</param>
/// <param name="PostsInFlightMax">
/// The most posts that will be in flight, at most <see cref="PostsInFlightLimit"/>.
/// </param>
/// <param name="Class">What it carries, so that a beat never waits behind bulk.</param>
public sealed record PortNeed(string Name, int PostsInFlightMax, PortClass Class = PortClass.Bulk)
{
    /// <summary>The most that any port may ask for.</summary>
    public const int PostsInFlightLimit = 1024;
}

/// <summary>What a port carries.</summary>
public enum PortClass
{
    /// <summary>Few small operations that must never wait.</summary>
    Control,

    /// <summary>Small to medium writes whose latency a user sees.</summary>
    Log,

    /// <summary>Everything else.</summary>
    Bulk,
}

/// <summary>A port before it is connected: it has an address to offer and cannot post.</summary>
public interface IPreparedPort : IDisposable
{
    /// <summary>The most bytes of <see cref="Address"/>.</summary>
    const int AddressBytesMax = 64;

    /// <summary>
    /// What the partner's end needs to connect to this one; meaningful to the transport only.
    /// </summary>
    ReadOnlyMemory<byte> Address { get; }

    /// <summary>
    /// Connects to the partner's prepared port. Both ends call this, in any order; neither waits
    /// for the other. The prepared port becomes the returned one and must not be used again.
    /// </summary>
    /// <exception cref="RefusedException">
    /// The address is not one of this transport, or the partner is gone.
    /// </exception>
    IPort Connect(ReadOnlySpan<byte> partnerAddress);
}
