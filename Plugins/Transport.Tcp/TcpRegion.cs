using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// A region. Its bytes are written by this process' own service threads alone, so that the end of
/// a grant is the end of every write: reclaiming has nothing to move.
/// </summary>
internal sealed class TcpRegion : IRegion
{
    private readonly TcpTransport transport;
    private readonly RegionNeed need;
    private readonly MappedMemory memory;
    private readonly ulong address;
    private readonly Lock gate = new();
    private Grant? grant;
    private ulong lastKey;
    private Phase phase;
    private bool disposed;

    /// <summary>Maps it; zeros, or what the backing path holds.</summary>
    public TcpRegion(TcpTransport transport, RegionNeed need, int length, ulong address)
    {
        this.transport = transport;
        this.need = need;
        this.address = need.PresetAddress ?? address;
        Length = length;
        memory = need.BackingPath is null
            ? MappedMemory.Anonymous(length)
            : MappedMemory.OfFile(need.BackingPath, length);
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
    public TcpTransport Transport => transport;

    /// <inheritdoc/>
    public RemoteRegion Offer(RemoteAccess access)
    {
        lock (gate)
        {
            Invariant.Require(phase == Phase.Idle);
            return OfferLocked(access);
        }
    }

    /// <summary>
    /// For the page and inbox of the well-known port, offered anew with every attempt.
    /// </summary>
    public RemoteRegion OfferAnew(RemoteAccess access)
    {
        Revoke();
        lock (gate)
        {
            return OfferLocked(access);
        }
    }

    /// <inheritdoc/>
    public void Revoke()
    {
        lock (gate)
        {
            if (phase == Phase.Offered)
            {
                transport.Grants.Revoke(grant!);
                grant = null;
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
            int end = 0;
            foreach (ByteRange range in live)
            {
                ArgumentOutOfRangeException.ThrowIfLessThan(range.Offset, end, nameof(live));
                ArgumentOutOfRangeException.ThrowIfNegative(range.Length, nameof(live));
                ArgumentOutOfRangeException.ThrowIfGreaterThan(
                    range.Length, Length - range.Offset, nameof(live));
                end = range.Offset + range.Length;
            }

            phase = Phase.Idle;
        }
    }

    /// <inheritdoc/>
    public bool ProbeRevoked()
    {
        lock (gate)
        {
            Invariant.Require(phase != Phase.Offered);
        }

        // What a service thread does for a request of the partner, on a usage of its own; the word
        // is what stands there, so that a key that lives after all changes nothing.
        return transport.Grants.Write(new Usage(), lastKey, address, Bytes[..sizeof(ulong)])
            == CompletionStatus.RemoteAccessError;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Revoke();
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            disposed = true;
        }

        ((IDisposable)memory).Dispose();
        transport.Forget(this);
    }

    private RemoteRegion OfferLocked(RemoteAccess access)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Invariant.Require(access != RemoteAccess.None && (access & ~need.Access) == 0);
        grant = transport.Grants.Add(address, memory, Length, access);
        lastKey = grant.Key;
        phase = Phase.Offered;
        return new RemoteRegion(grant.Key, address, (ulong)Length, access);
    }
}

/// <summary>Memory of the partner: what it offered, and nothing else; the partner checks.</summary>
internal sealed class TcpRemoteMemory(RemoteRegion region) : IRemoteMemory
{
    /// <inheritdoc/>
    public RemoteRegion Region => region;

    /// <inheritdoc/>
    public void Dispose()
    {
        // Nothing is held for it.
    }
}
