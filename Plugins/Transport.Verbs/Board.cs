using System.Runtime.InteropServices;
using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

// A card tells nobody that the queue pair at the other end is gone. So whoever closes an end says
// so, one-sidedly as everything: it writes the id of the partner's end into the partner's board,
// by a queue pair of its own that outlives the closed one. An id is random and has in its low
// bits the word of the board that it is written to; a word left from an earlier port means
// nothing to the next.

/// <summary>This node's words for goodbyes, and who has which.</summary>
internal sealed class Board : IDisposable
{
    private readonly MappedMemory memory = MappedMemory.Anonymous(Limits.BoardBytes);
    private readonly Lock gate = new();
    private readonly Queue<int> free = new(Enumerable.Range(1, Limits.BoardSlots - 1));
    private Registration? registration;

    /// <summary>
    /// Offset in a board at which an id is told; that of an id with no slot is the link's own.
    /// </summary>
    public static long OffsetOf(ulong id) => (long)(id % Limits.BoardSlots) * sizeof(ulong);

    /// <summary>An id of no slot, for a whole link.</summary>
    public static ulong NewLinkId() =>
        (BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong)))
            | (1UL << 63)) & ~(ulong)(Limits.BoardSlots - 1);

    /// <summary>An id for one more port.</summary>
    public ulong NewId()
    {
        lock (gate)
        {
            return free.TryDequeue(out int slot)
                ? NewLinkId() | (uint)slot
                : throw new RefusedException(new Refusal(
                    "verbs transport",
                    $"at most {Limits.BoardSlots - 1} ports at once",
                    "one more",
                    "use fewer clients"));
        }
    }

    /// <summary>The port is no more.</summary>
    public void Free(ulong id)
    {
        lock (gate)
        {
            free.Enqueue((int)(id % Limits.BoardSlots));
        }
    }

    /// <summary>Whether the partner has said that its end of that id is closed.</summary>
    public bool SaysClosed(ulong id) => Volatile.Read(
        ref MemoryMarshal.AsRef<ulong>(memory.GetSpan()[(int)OffsetOf(id)..])) == id;

    /// <summary>
    /// Lets the next partner write to it, and no earlier one any more. Returns the key.
    /// </summary>
    public uint Offer(Adapter adapter)
    {
        Withdraw();
        registration = adapter.Register(
            memory.Address,
            Limits.BoardBytes,
            Limits.BoardAddress,
            IbvConstants.IBV_ACCESS_LOCAL_WRITE | IbvConstants.IBV_ACCESS_REMOTE_WRITE);
        return registration.RemoteKey;
    }

    /// <summary>Nobody writes to it any more.</summary>
    public void Withdraw()
    {
        if (registration is not null)
        {
            registration.Adapter.Retire(registration.RemoteKey);
            registration.End();
            registration = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Withdraw();
        ((IDisposable)memory).Dispose();
    }
}
