using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// A region: one inode in use and, as soon as the partner may write, a spare one that was touched
/// ahead of time, so that reclaiming costs no more than copying what is live.
/// </summary>
internal sealed class LoopbackRegion : IRegion
{
    private readonly LoopbackTransport transport;
    private readonly RegionNeed need;
    private readonly Lock gate = new();
    private readonly ManualResetEventSlim spareSettled = new(initialState: true);
    private RegionFile? spare;
    private volatile RegionFile current;
    private RemoteRegion lastOffer;
    private Phase phase;
    private bool disposed;

    /// <summary>Maps it; zeros, or what the backing path holds.</summary>
    public LoopbackRegion(LoopbackTransport transport, RegionNeed need, int length)
    {
        this.transport = transport;
        this.need = need;
        Length = length;
        if (need.BackingPath is not null)
        {
            RegionFile.RemoveStale(need.BackingPath);
        }

        RegionFile made = NewFile();
        current = made;
        try
        {
            if (need.BackingPath is not null)
            {
                made.Load(need.BackingPath);
                made.Install(need.BackingPath);
            }
        }
        catch (RefusedException)
        {
            made.Dispose();
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
    public Span<byte> Bytes => current.Map.GetSpan();

    /// <inheritdoc/>
    public Memory<byte> Memory => current.Map.Memory;

    /// <summary>Whose region it is.</summary>
    public LoopbackTransport Transport => transport;

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
    /// For the page and inbox of the well-known port, offered anew with every attempt where they
    /// are. Nothing has to move: their only writer is the partner's own loop, which cannot be
    /// stopped inside an old word and at the same time be writing a new one.
    /// </summary>
    public RemoteRegion OfferInPlace(RemoteAccess access)
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
                transport.Slots.Clear(lastOffer.Key);
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
            bool mayBeWritten = (lastOffer.Access & RemoteAccess.Write) != 0;
            if (phase == Phase.Revoked && mayBeWritten)
            {
                Move(live);
            }

            phase = Phase.Idle;
        }
    }

    /// <inheritdoc/>
    public bool ProbeRevoked()
    {
        RemoteRegion old;
        lock (gate)
        {
            Invariant.Require(phase != Phase.Offered);
            old = lastOffer; // Key 0 when there never was one: it opens nothing.
        }

        using MappedRemoteMemory probe =
            MappedRemoteMemory.Import(old, transport.Fabric, populate: false);
        ulong word = BitConverter.ToUInt64(Bytes[..sizeof(ulong)]);
        return probe.WriteWord(0, word) == CompletionStatus.RemoteAccessError;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Revoke();
        spareSettled.Wait();
        lock (gate)
        {
            if (!disposed)
            {
                disposed = true;
                current.Dispose();
                spare?.Dispose();
                spare = null;
            }
        }

        transport.Forget(this);
    }

    /// <summary>
    /// Waits until the spare ordered last is made or refused; whether there is one.
    /// </summary>
    internal bool AwaitSpare()
    {
        spareSettled.Wait();
        return spare is not null;
    }

    private RemoteRegion OfferLocked(RemoteAccess access)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        Invariant.Require(access != RemoteAccess.None && (access & ~need.Access) == 0);
        ulong address = need.PresetAddress ?? (current.Number << 32);
        Grant grant = new(access, address, (ulong)Length, current.Number);
        ulong key = transport.Slots.Publish(grant);
        lastOffer = new RemoteRegion(key, address, (ulong)Length, access);
        phase = Phase.Offered;
        if ((access & RemoteAccess.Write) != 0)
        {
            OrderSpare();
        }

        return lastOffer;
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

    private void Move(ReadOnlySpan<ByteRange> live)
    {
        RegionFile fresh = AwaitSpare() ? spare! : NewFile();
        spare = null;
        Span<byte> from = current.Map.GetSpan();
        Span<byte> to = fresh.Map.GetSpan();
        foreach (ByteRange range in live)
        {
            from.Slice(range.Offset, range.Length).CopyTo(to[range.Offset..]);
        }

        if (need.BackingPath is not null)
        {
            fresh.Install(need.BackingPath);
        }

        RegionFile old = current;
        current = fresh;
        transport.Background(old.Dispose);
    }

    private void OrderSpare()
    {
        if (spare is null && spareSettled.IsSet)
        {
            spareSettled.Reset();
            transport.Background(MakeSpare);
        }
    }

    /// <summary>
    /// On the background thread. Without a spare, reclaiming makes one itself, or refuses.
    /// </summary>
    private void MakeSpare()
    {
        try
        {
            spare = NewFile();
        }
        catch (RefusedException)
        {
            spare = null; // Nobody asked yet; whoever reclaims tries again and is told.
        }
        finally
        {
            spareSettled.Set();
        }
    }

    private RegionFile NewFile()
    {
        ulong number = transport.NextMemoryNumber();
        string path = transport.Fabric.MemoryPath(transport.Fabric.Id, number);
        return RegionFile.Create(path, number, need.BackingPath, Length);
    }
}
