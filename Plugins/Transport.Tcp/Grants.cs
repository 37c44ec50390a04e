using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

// What the partner may reach, and how that ends.
//
// A service thread carries out an access between Enter and Leave: it says which grant it is about
// to use, fence, and only then looks whether the grant still stands. Whoever revokes marks the
// grant, fence, and then waits until no service thread says that it uses it. One of both sees the
// other, whichever is first. So a service thread never waits for anybody, and a revocation waits
// for one bounded copy at most; after it no byte lands and nothing under the key succeeds.

/// <summary>One offer of a region.</summary>
internal sealed class Grant(
    ulong key, ulong address, MappedMemory memory, int length, RemoteAccess access)
{
    private bool revoked;

    /// <summary>The key it is reached by.</summary>
    public ulong Key => key;

    /// <summary>Whether it has ended.</summary>
    public bool Revoked
    {
        get => Volatile.Read(ref revoked);
        set => Volatile.Write(ref revoked, value);
    }

    /// <summary>
    /// The bytes a request names; false when it goes beyond the offer or has no right to them.
    /// </summary>
    public bool TryGet(ulong at, long count, RemoteAccess needed, out Span<byte> bytes)
    {
        ulong within = at - address; // Wraps for what lies before, and is too large then.
        if ((access & needed) != needed || within > (ulong)length
            || (ulong)count > (ulong)length - within)
        {
            bytes = default;
            return false;
        }

        bytes = memory.GetSpan().Slice((int)within, (int)count);
        return true;
    }
}

/// <summary>What one service thread is at; written by it alone.</summary>
internal sealed class Usage
{
    private Grant? current;

    /// <summary>The grant in use.</summary>
    public Grant? Current => Volatile.Read(ref current);

    /// <summary>
    /// Begins an access; false when there is no such grant any more, and then nothing has begun.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryEnter(Grant? grant)
    {
        if (grant is null)
        {
            return false;
        }

        Volatile.Write(ref current, grant);
        Interlocked.MemoryBarrier();
        if (grant.Revoked)
        {
            Leave();
            return false;
        }

        return true;
    }

    /// <summary>Ends the access.</summary>
    public void Leave() => Volatile.Write(ref current, null);
}

/// <summary>All grants of a node, found by key without a lock.</summary>
internal sealed class GrantTable(IReadOnlyList<Usage> users)
{
    private const ulong SlotMask = Limits.GrantsMax - 1;
    private readonly Grant?[] slots = new Grant?[Limits.GrantsMax];
    private readonly Queue<int> free = new(Enumerable.Range(0, Limits.GrantsMax));
    private readonly Lock gate = new();

    /// <summary>Offers memory under a new random key. Any thread.</summary>
    public Grant Add(ulong address, MappedMemory memory, int length, RemoteAccess access)
    {
        lock (gate)
        {
            if (!free.TryDequeue(out int slot))
            {
                throw new RefusedException(new Refusal(
                    "tcp transport",
                    $"at most {Limits.GrantsMax} offered regions at once",
                    "one more",
                    "use fewer clients"));
            }

            ulong key = NewKey(slot);
            Grant grant = new(key, address, memory, length, access);
            Volatile.Write(ref slots[slot], grant);
            return grant;
        }
    }

    /// <summary>The grant of that key; null when there is none.</summary>
    public Grant? Find(ulong key)
    {
        Grant? grant = Volatile.Read(ref slots[(int)(key & SlotMask)]);
        return grant?.Key == key ? grant : null;
    }

    /// <summary>
    /// Ends a grant; when it returns, no service thread uses it or will. Any thread but those.
    /// </summary>
    public void Revoke(Grant grant)
    {
        int slot = (int)(grant.Key & SlotMask);
        lock (gate)
        {
            if (!grant.Revoked)
            {
                grant.Revoked = true;
                Volatile.Write(ref slots[slot], null);
                free.Enqueue(slot);
            }
        }

        Interlocked.MemoryBarrier();
        for (int i = 0; i < users.Count; i++)
        {
            SpinWait spin = default;
            while (users[i].Current == grant)
            {
                spin.SpinOnce();
            }
        }
    }

    /// <summary>Writes whole; an aligned word at once.</summary>
    public CompletionStatus Write(Usage usage, ulong key, ulong at, ReadOnlySpan<byte> source)
    {
        if (!usage.TryEnter(Find(key)))
        {
            return CompletionStatus.RemoteAccessError;
        }

        bool allowed = usage.Current!.TryGet(
            at, source.Length, RemoteAccess.Write, out Span<byte> target);
        if (allowed)
        {
            Copy(source, target);
        }

        usage.Leave();
        return allowed ? CompletionStatus.Success : CompletionStatus.RemoteAccessError;
    }

    /// <summary>Reads whole; an aligned word at once, anything wider perhaps torn.</summary>
    public CompletionStatus Read(Usage usage, ulong key, ulong at, Span<byte> destination)
    {
        if (!usage.TryEnter(Find(key)))
        {
            return CompletionStatus.RemoteAccessError;
        }

        bool allowed = usage.Current!.TryGet(
            at, destination.Length, RemoteAccess.Read, out Span<byte> source);
        if (allowed)
        {
            Copy(source, destination);
        }

        usage.Leave();
        return allowed ? CompletionStatus.Success : CompletionStatus.RemoteAccessError;
    }

    /// <summary>Whether a request may be carried out, before any of it is.</summary>
    public CompletionStatus Check(
        Usage usage, ulong key, ulong at, long length, RemoteAccess needed)
    {
        if (!usage.TryEnter(Find(key)))
        {
            return CompletionStatus.RemoteAccessError;
        }

        bool allowed = usage.Current!.TryGet(at, length, needed, out _);
        usage.Leave();
        return allowed ? CompletionStatus.Success : CompletionStatus.RemoteAccessError;
    }

    /// <summary>
    /// Takes what has come straight into the memory. Never waits. The bytes taken, 0 for none, -1
    /// for a connection that ended; null when the grant does not stand or reach that far.
    /// </summary>
    public int? Receive(Usage usage, ulong key, ulong at, int length, Wire wire)
    {
        if (!usage.TryEnter(Find(key)))
        {
            return null;
        }

        int? taken = usage.Current!.TryGet(at, length, RemoteAccess.Write, out Span<byte> target)
            ? wire.Receive(target)
            : null;
        usage.Leave();
        return taken;
    }

    /// <summary>Random but for the slot; never one that has no random part.</summary>
    private static ulong NewKey(int slot)
    {
        Span<byte> random = stackalloc byte[sizeof(ulong)];
        ulong key;
        do
        {
            RandomNumberGenerator.Fill(random);
            key = BinaryPrimitives.ReadUInt64LittleEndian(random) & ~SlotMask;
        }
        while (key == 0);
        return key | (uint)slot;
    }

    /// <summary>
    /// Copies; eight bytes by one move, which is whole when they are aligned in the region. The
    /// fences of <see cref="Usage"/> keep it in its order with what came before.
    /// </summary>
    private static void Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        if (from.Length == sizeof(ulong))
        {
            ulong word = Unsafe.ReadUnaligned<ulong>(ref MemoryMarshal.GetReference(from));
            Unsafe.WriteUnaligned(ref MemoryMarshal.GetReference(to), word);
        }
        else
        {
            from.CopyTo(to);
        }
    }
}
