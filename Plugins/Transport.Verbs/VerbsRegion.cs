using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// A region: registered for our own posts on every card that a path uses, as long as it lives, and
/// for the partner's on the card of the link, from offer to revocation.
/// </summary>
internal sealed class VerbsRegion : IRegion
{
    private const ulong AddressMask = 0x7fff_ffff_ffff;
    private readonly VerbsTransport transport;
    private readonly RegionNeed need;
    private readonly MappedMemory memory;
    private readonly Registration[] locals;
    private readonly Lock gate = new();
    private Registration? remote;
    private Adapter lastAdapter;
    private RemoteRegion lastOffer;
    private Phase phase;
    private bool disposed;

    /// <summary>Maps it; zeros, or what the backing path holds.</summary>
    public VerbsRegion(VerbsTransport transport, RegionNeed need, int length)
    {
        this.transport = transport;
        this.need = need;
        Length = length;
        lastAdapter = transport.Adapters[0];
        memory = need.BackingPath is null
            ? MappedMemory.Anonymous(length)
            : MappedMemory.Backed(Path.GetFullPath(need.BackingPath), length);
        locals = new Registration[transport.Adapters.Count];
        try
        {
            for (int i = 0; i < locals.Length; i++)
            {
                locals[i] = transport.Adapters[i].Register(
                    memory.Address,
                    length,
                    (ulong)memory.Address,
                    IbvConstants.IBV_ACCESS_LOCAL_WRITE);
            }
        }
        catch (RefusedException)
        {
            Unmap();
            throw;
        }
    }

    private enum Phase
    {
        Idle,
        Offered,
        Revoked,
    }

    /// <inheritdoc/>
    public string Name => need.Name;

    /// <inheritdoc/>
    public int Length { get; }

    /// <inheritdoc/>
    public Span<byte> Bytes => memory.GetSpan();

    /// <inheritdoc/>
    public Memory<byte> Memory => memory.Memory;

    /// <summary>Whose region it is.</summary>
    public VerbsTransport Transport => transport;

    /// <summary>Where a range is, for a post.</summary>
    public ulong Locate(int offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
        nint start = memory.Address;
        ObjectDisposedException.ThrowIf(start == 0, this);
        return (ulong)start + (ulong)offset;
    }

    /// <summary>The card's key for our own posts.</summary>
    public uint LocalKey(Adapter adapter)
    {
        foreach (Registration local in locals)
        {
            if (local.Adapter == adapter)
            {
                return local.LocalKey;
            }
        }

        throw new InvariantException("a port of a card that this region was not shown");
    }

    /// <inheritdoc/>
    public RemoteRegion Offer(RemoteAccess access)
    {
        lock (gate)
        {
            Invariant.Require(phase == Phase.Idle);
            return OfferLocked(access, transport.OfferingAdapter);
        }
    }

    /// <summary>
    /// For the page and inbox of the well-known port, offered anew with every attempt.
    /// </summary>
    public RemoteRegion OfferAnew(RemoteAccess access, Adapter adapter)
    {
        Revoke();
        lock (gate)
        {
            return OfferLocked(access, adapter);
        }
    }

    /// <inheritdoc/>
    public void Revoke()
    {
        lock (gate)
        {
            if (phase == Phase.Offered)
            {
                Deregister(remote!);
                remote = null;
                phase = Phase.Revoked;
            }
        }
    }

    /// <inheritdoc/>
    public void Reclaim(ReadOnlySpan<ByteRange> live)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            Invariant.Require(phase != Phase.Offered);
            RequireRanges(live);
            phase = Phase.Idle; // A card lands no byte once a key is dead: nothing has to move.
        }
    }

    /// <inheritdoc/>
    public bool ProbeRevoked()
    {
        RemoteRegion old;
        Adapter adapter;
        lock (gate)
        {
            Invariant.Require(phase != Phase.Offered);
            (old, adapter) = (lastOffer, lastAdapter); // Key 0 opens nothing.
        }

        using LoopPair loop = new(adapter);
        ulong word = BitConverter.ToUInt64(Bytes[..sizeof(ulong)]);
        return loop.Write(old.Address, (uint)old.Key, word) == IbvConstants.IBV_WC_REM_ACCESS_ERR;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Revoke();
        lock (gate)
        {
            if (!disposed)
            {
                disposed = true;
                Unmap();
            }
        }

        transport.Forget(this);
    }

    private RemoteRegion OfferLocked(RemoteAccess access, Adapter adapter)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Invariant.Require(access != RemoteAccess.None && (access & ~need.Access) == 0);
        uint rights = ((access & RemoteAccess.Read) != 0 ? IbvConstants.IBV_ACCESS_REMOTE_READ : 0)
            | ((access & RemoteAccess.Write) != 0
                ? IbvConstants.IBV_ACCESS_REMOTE_WRITE | IbvConstants.IBV_ACCESS_LOCAL_WRITE
                : 0);
        ulong address = need.PresetAddress ?? NewAddress();
        remote = adapter.Register(memory.Address, Length, address, rights);
        lastAdapter = adapter;
        lastOffer = new RemoteRegion(remote.RemoteKey, address, (ulong)Length, access);
        phase = Phase.Offered;
        return lastOffer;
    }

    /// <summary>
    /// A random address, so that a guessed key alone opens nothing; the same as ours within 1 GiB,
    /// so that the card can use large pages.
    /// </summary>
    private ulong NewAddress()
    {
        const ulong Within = (ulong)Size.GiB - 1;
        ulong random = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)));
        return (random & AddressMask & ~Within) | ((ulong)memory.Address & Within);
    }

    /// <summary>
    /// Ends a key for good. A card may say that the memory is in use: by a write that has begun.
    /// Then every queue pair of the link is put into error, which ends that write.
    /// </summary>
    private void Deregister(Registration ending)
    {
        ending.Adapter.Retire(ending.RemoteKey);
        int error = ending.TryEnd();
        for (int tries = 0; error != 0 && tries < Limits.RevocationTriesMax; tries++)
        {
            transport.FailLink($"region {Name} could not be revoked at once (error {error})");
            Thread.Sleep(1);
            error = ending.TryEnd();
        }

        Native.Zero($"ibv_dereg_mr of region {Name}", error);
    }

    private void Unmap()
    {
        foreach (Registration? local in locals)
        {
            local?.End();
        }

        ((IDisposable)memory).Dispose();
    }

    private void RequireRanges(ReadOnlySpan<ByteRange> live)
    {
        int end = 0;
        foreach (ByteRange range in live)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(range.Offset, end, nameof(live));
            ArgumentOutOfRangeException.ThrowIfNegative(range.Length, nameof(live));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(
                range.Length, Length - range.Offset, nameof(live));
            end = range.Offset + range.Length;
        }
    }
}
