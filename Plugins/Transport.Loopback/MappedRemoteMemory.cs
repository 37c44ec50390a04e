using System.Runtime.CompilerServices;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

// Why a success can be believed. A writer looks at the key's slot, copies, passes a full barrier,
// and looks again. Revoking clears the slot and passes a full barrier; reclaiming then copies what
// is live. If the second look still finds the key, it came before the clearing in the one order
// that all processors agree on; the copy came before the second look (barrier), and the
// reclaimer's copying comes after the clearing (barrier). So whatever completed with success is
// in what the owner reads after it has revoked, and a writer that was stopped anywhere between
// its two looks and wakes later finds the slot cleared and completes with an error. Bytes it still
// lands after that land in the inode that reclaiming has left behind.
// The same barrier orders one post's bytes before the next post's.

/// <summary>
/// The partner's memory as one key makes it reachable; the checks a network card would do.
/// </summary>
internal sealed unsafe class MappedRemoteMemory : IRemoteMemory, ISurvivingMemory
{
    private readonly MappedBoard? board;
    private readonly MappedFile? file;
    private readonly RemoteAccess access;
    private readonly ulong registeredAddress;
    private readonly ulong registeredLength;
    private byte* start;

    private MappedRemoteMemory(
        RemoteRegion region, MappedBoard? board, MappedFile? file, Grant grant)
    {
        Region = region;
        this.board = board;
        this.file = file;
        access = grant.Access;
        registeredAddress = grant.Address;
        registeredLength = grant.Length;
        start = file is null ? null : file.Address;
    }

    /// <inheritdoc/>
    public RemoteRegion Region { get; }

    /// <summary>
    /// Memory that a key does or does not name; nothing here tells which until a post does.
    /// </summary>
    /// <param name="region">What was offered.</param>
    /// <param name="fabric">Where boards and memory files are.</param>
    /// <param name="populate">Touch every page now rather than at the first post.</param>
    public static MappedRemoteMemory Import(RemoteRegion region, Fabric fabric, bool populate)
    {
        (MappedBoard Board, FabricId Owner, Grant Grant)? found = fabric.FindGrant(region.Key);
        if (found is not { } offer
            || region.Address < offer.Grant.Address
            || region.Address - offer.Grant.Address > offer.Grant.Length
            || region.Length > offer.Grant.Length - (region.Address - offer.Grant.Address)
            || offer.Grant.Length > int.MaxValue)
        {
            return new MappedRemoteMemory(region, null, null, default);
        }

        MappedFile? file = MappedFile.TryOpen(
            fabric.MemoryPath(offer.Owner, offer.Grant.Memory),
            (int)offer.Grant.Length,
            writable: true,
            populate);
        return new MappedRemoteMemory(region, offer.Board, file, offer.Grant);
    }

    /// <summary>Writes; see the argument at the top.</summary>
    public CompletionStatus Write(long offset, ReadOnlySpan<byte> source)
    {
        byte* target = Locate(offset, source.Length, RemoteAccess.Write);
        if (target == null)
        {
            return CompletionStatus.RemoteAccessError;
        }

        if (source.Length == sizeof(ulong) && ((nuint)target & 7) == 0)
        {
            Volatile.Write(ref *(ulong*)target, Unsafe.ReadUnaligned<ulong>(in source[0]));
        }
        else
        {
            source.CopyTo(new Span<byte>(target, source.Length));
        }

        return SecondLook();
    }

    /// <summary>Writes one aligned word at once.</summary>
    public CompletionStatus WriteWord(long offset, ulong value)
    {
        byte* target = Locate(offset, sizeof(ulong), RemoteAccess.Write);
        if (target == null || ((nuint)target & 7) != 0)
        {
            return CompletionStatus.RemoteAccessError;
        }

        Volatile.Write(ref *(ulong*)target, value);
        return SecondLook();
    }

    /// <summary>Reads; an aligned word at once, anything wider perhaps torn.</summary>
    public CompletionStatus Read(long offset, Span<byte> destination)
    {
        byte* source = Locate(offset, destination.Length, RemoteAccess.Read);
        if (source == null)
        {
            return CompletionStatus.RemoteAccessError;
        }

        if (destination.Length == sizeof(ulong) && ((nuint)source & 7) == 0)
        {
            Unsafe.WriteUnaligned(ref destination[0], Volatile.Read(ref *(ulong*)source));
        }
        else
        {
            new ReadOnlySpan<byte>(source, destination.Length).CopyTo(destination);
        }

        return SecondLook();
    }

    /// <summary>
    /// A process that was killed has cleared no slot of its board, and what is mapped here stays.
    /// </summary>
    public bool TryCopy(long offset, Span<byte> into) =>
        Read(offset, into) == CompletionStatus.Success;

    /// <inheritdoc/>
    public void Dispose()
    {
        start = null;
        ((IDisposable?)file)?.Dispose();
    }

    /// <summary>Where an operation goes; null when key, rights or bounds do not hold.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* Locate(long offset, int length, RemoteAccess needed)
    {
        if (start == null || (access & needed) == 0 || !board!.Holds(Region.Key))
        {
            return null;
        }

        ulong within = Region.Address - registeredAddress + (ulong)offset;
        return within <= registeredLength && (ulong)length <= registeredLength - within
            ? start + within
            : null;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private CompletionStatus SecondLook()
    {
        Interlocked.MemoryBarrier();
        return board!.Holds(Region.Key)
            ? CompletionStatus.Success
            : CompletionStatus.RemoteAccessError;
    }
}
