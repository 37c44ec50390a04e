using StorageOs.Contracts.Runtime;

namespace StorageOs.Contracts.Transports;

/// <summary>
/// Memory of this node that the partner can be given access to. Page-aligned, mapped and touched
/// when made, never moved by the garbage collector.
/// </summary>
/// <remarks>
/// The life of access: <see cref="Offer"/>, then <see cref="Revoke"/>, then <see cref="Reclaim"/>,
/// then perhaps <see cref="Offer"/> again with a new key. An old key never becomes valid again.
/// </remarks>
public interface IRegion : IDisposable
{
    /// <summary>The name it was asked for by.</summary>
    string Name { get; }

    /// <summary>Length in bytes; a multiple of <see cref="Size.Page"/>.</summary>
    int Length { get; }

    /// <summary>
    /// The memory as it is mapped now. Valid until <see cref="Reclaim"/> or dispose: take it anew
    /// after either. The partner may change offered parts at any moment; use Volatile on words.
    /// Any thread.
    /// </summary>
    Span<byte> Bytes { get; }

    /// <summary>
    /// The same memory as <see cref="Bytes"/>, for calls that take memory; same validity.
    /// </summary>
    Memory<byte> Memory { get; }

    /// <summary>
    /// Gives the partner access under a new key. The kernel tells it to the partner.
    /// </summary>
    /// <exception cref="InvariantException">
    /// It is offered already, or revoked and not reclaimed.
    /// </exception>
    RemoteRegion Offer(RemoteAccess access);

    /// <summary>
    /// Ends the partner's access: when it returns, no operation under the key can complete with
    /// success any more. Idempotent. Any thread. Throws <see cref="RefusedException"/> when the
    /// transport cannot prove it; the caller must then not use the memory.
    /// </summary>
    void Revoke();

    /// <summary>
    /// After <see cref="Revoke"/>: makes sure that no byte of a write that was under way can still
    /// land in <see cref="Bytes"/>, by moving what is <paramref name="live"/> to other memory where
    /// the transport cannot stop a writer (Loopback); contents outside are then undefined.
    /// A backing path shows the new memory, atomically. The caller has no other user of the old
    /// memory.
    /// </summary>
    /// <param name="live">Ranges to keep, sorted, not overlapping.</param>
    void Reclaim(ReadOnlySpan<ByteRange> live);

    /// <summary>
    /// Tries a write under the key last revoked, by the way the partner's writes take.
    /// </summary>
    /// <returns>True when it was rejected as it must be.</returns>
    bool ProbeRevoked();
}

/// <summary>Memory that somebody asks for.</summary>
/// <param name="Name">Name, unique within the asking client.</param>
/// <param name="Bytes">Size in bytes; rounded up to pages.</param>
/// <param name="Access">The most the partner will ever be offered.</param>
/// <param name="BackingPath">
/// File that keeps the contents over a crash of the process; null for plain memory.
/// </param>
public sealed record RegionNeed(
    string Name, int Bytes, RemoteAccess Access, string? BackingPath = null)
{
    /// <summary>
    /// Address the partner will use for its first byte; null lets the transport choose. Region 0 is
    /// the one that needs it, for its partner knows nothing else of it.
    /// </summary>
    public ulong? PresetAddress { get; init; }

    /// <summary>
    /// False when the kernel offers the region to the partner whenever a session becomes ready;
    /// true when the client says when, by <see cref="Clients.IClientServices.Offer"/>.
    /// </summary>
    public bool OfferedOnRequest { get; init; }
}

/// <summary>What the partner may do with a region. Writing implies nothing about reading.</summary>
[Flags]
public enum RemoteAccess
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>One-sided reads.</summary>
    Read = 1,

    /// <summary>One-sided writes.</summary>
    Write = 2,
}

/// <summary>
/// What a node tells its partner of an offered region. Unguessable where the transport allows it;
/// travels only inside a session's sealed records.
/// </summary>
/// <param name="Key">Access key: an rkey on verbs, a random capability on Loopback.</param>
/// <param name="Address">Address of the first byte, as the partner must name it.</param>
/// <param name="Length">Length in bytes.</param>
/// <param name="Access">What it grants.</param>
public readonly record struct RemoteRegion(
    ulong Key, ulong Address, ulong Length, RemoteAccess Access);

/// <summary>
/// Memory of the partner that this node may post to. Disposing it forgets it; posts in flight must
/// have completed before.
/// </summary>
public interface IRemoteMemory : IDisposable
{
    /// <summary>What the partner offered.</summary>
    RemoteRegion Region { get; }
}

/// <summary>A range of bytes within a region.</summary>
public readonly record struct ByteRange(int Offset, int Length);
