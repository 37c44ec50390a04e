using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>A client's memory in one boot of its node.</summary>
internal sealed class PairRegion : IRegion
{
    private const byte Undefined = 0xDB;
    private const byte Gone = 0xEE;
    private readonly PairBoot boot;
    private readonly RegionNeed need;
    private MappedMemory memory;
    private MappedMemory? old;
    private bool guardWasBroken;
    private ulong? key;
    private ulong lastKey;
    private bool revoked;

    /// <summary>Maps it, with what it held before where it is backed.</summary>
    public PairRegion(PairBoot boot, RegionNeed need, byte[]? kept)
    {
        (this.boot, this.need) = (boot, need);
        Length = (need.Bytes + Size.Page - 1) / Size.Page * Size.Page;
        memory = new(Length);
        kept?.CopyTo(memory.GetSpan());
    }

    /// <inheritdoc/>
    public string Name => need.Name;

    /// <inheritdoc/>
    public int Length { get; }

    /// <inheritdoc/>
    public Span<byte> Bytes => memory.GetSpan();

    /// <inheritdoc/>
    public Memory<byte> Memory => memory.Memory;

    /// <summary>What it was asked for with.</summary>
    public RegionNeed Need => need;

    /// <summary>Whether nothing was ever written beside it.</summary>
    public bool IsGuardWhole =>
        !guardWasBroken && memory.IsGuardWhole && old is not { IsGuardWhole: false };

    /// <inheritdoc/>
    public RemoteRegion Offer(RemoteAccess access)
    {
        Invariant.Require(key is null && !revoked);
        Invariant.Require(access != RemoteAccess.None && (access & ~need.Access) == 0);
        lastKey = boot.NewKey(this, access);
        key = lastKey;
        return new(lastKey, 0, (ulong)Length, access);
    }

    /// <inheritdoc/>
    public void Revoke()
    {
        if (key is { } current)
        {
            boot.ForgetKey(current);
            key = null;
            revoked = true;
        }
    }

    /// <summary>
    /// Moves: whoever goes on with the old memory finds it spoilt. It stays for one move more,
    /// for it is there to be found out.
    /// </summary>
    public void Reclaim(ReadOnlySpan<ByteRange> live)
    {
        Invariant.Require(key is null);
        guardWasBroken = !IsGuardWhole;
        ((IDisposable?)old)?.Dispose();
        old = memory;
        memory = new(Length);
        memory.GetSpan().Fill(Undefined);
        foreach (ByteRange range in live)
        {
            old.GetSpan().Slice(range.Offset, range.Length)
                .CopyTo(memory.GetSpan()[range.Offset..]);
        }

        old.GetSpan().Fill(Gone);
        revoked = false;
    }

    /// <inheritdoc/>
    public bool ProbeRevoked() => !boot.Opens(lastKey);

    /// <inheritdoc/>
    public void Dispose()
    {
        ((IDisposable?)old)?.Dispose();
        ((IDisposable)memory).Dispose();
    }
}

/// <summary>Memory of the twin, as it was offered.</summary>
internal sealed class PairRemote(RemoteRegion region) : IRemoteMemory
{
    /// <inheritdoc/>
    public RemoteRegion Region => region;

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
