using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Storage.Tests.Harness;

/// <summary>A region in plain memory; the array outlives a node's process when the test keeps
/// it.</summary>
internal sealed class TestRegion(RegionNeed need, byte[] memory) : IRegion
{
    private byte[] memory = memory;

    public event Action<byte[]>? Moved;

    public string Name => need.Name;

    public int Length => memory.Length;

    public Span<byte> Bytes
    {
        get
        {
            Looked?.Invoke();
            return memory;
        }
    }

    /// <summary>Called before each look at the memory: the partner may write in between.</summary>
    public Action? Looked { get; set; }

    public Memory<byte> Memory => memory;

    public TestRemote? Offered { get; private set; }

    public bool Revoked { get; private set; }

    public RemoteRegion Offer(RemoteAccess access)
    {
        Assert.True(Offered is null && !Revoked);
        RemoteRegion region = new(1, 0, (ulong)memory.Length, access);
        Offered = new TestRemote(this, memory, region);
        return region;
    }

    public void Revoke()
    {
        if (Offered is not null)
        {
            Offered.Dead = true;
            Offered = null;
            Revoked = true;
        }
    }

    public void Reclaim(ReadOnlySpan<ByteRange> live)
    {
        Assert.Null(Offered);
        byte[] fresh = new byte[memory.Length];
        Array.Fill(fresh, (byte)0xDB);
        foreach (ByteRange range in live)
        {
            memory.AsSpan(range.Offset, range.Length).CopyTo(fresh.AsSpan(range.Offset));
        }

        Array.Fill(memory, (byte)0xEE); // Whoever still reads the old memory is found out.
        memory = fresh;
        Revoked = false;
        Moved?.Invoke(fresh);
    }

    /// <summary>A card that does not answer.</summary>
    public bool ProbeFails { get; set; }

    public bool ProbeRevoked() => !ProbeFails ? Offered is null
        : throw new RefusedException(new("a write to itself", "a completion", "none"));

    public void Dispose()
    {
    }
}

/// <summary>Memory as its owner offered it to the other node.</summary>
internal sealed class TestRemote(TestRegion owner, byte[] memory, RemoteRegion region)
    : IRemoteMemory
{
    public RemoteRegion Region => region;

    public TestRegion Owner => owner;

    public byte[] Memory => memory;

    public bool Dead { get; set; }

    public void Dispose()
    {
    }
}

/// <summary>
/// A port that carries out its posts when it is told to: at once (as Loopback does), or later, some
/// at a time. A crash may leave the last one torn.
/// </summary>
internal class TestPort : IPort, IPersistentFlush
{
    private readonly Queue<Pending> waiting = new();
    private readonly Queue<Completion> done = new();
    private readonly Queue<Completion> lost = new();

    public PortState State { get; private set; } = PortState.Open;

    public int PostsInFlightMax => PortNeed.PostsInFlightLimit;

    /// <summary>Whether posts wait for <see cref="Carry"/>.</summary>
    public bool Held { get; set; }

    /// <summary>From the first word posted to this offset on, posts wait.</summary>
    public int? HoldsAtWord { get; set; }

    /// <summary>Posts that wait.</summary>
    public int Waiting => waiting.Count;

    /// <summary>Bytes of the posts that wait.</summary>
    public int WaitingBytes => waiting.Sum(post => post.Length);

    /// <summary>Posts carried out.</summary>
    public int Carried { get; private set; }

    public bool TryPostWrite(
        ulong token, IRegion source, int sourceOffset, IRemoteMemory target, long targetOffset,
        int length) =>
        Post(new Pending(
            token, (TestRemote)target, (int)targetOffset, (TestRegion)source, sourceOffset, length,
            null, false));

    public bool TryPostWriteWord(
        ulong token, ulong value, IRemoteMemory target, long targetOffset) =>
        Post(new Pending(token, (TestRemote)target, (int)targetOffset, null, 0, 8, value, false));

    public bool TryPostRead(
        ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
        long sourceOffset, int length) =>
        Post(new Pending(
            token, (TestRemote)source, (int)sourceOffset, (TestRegion)destination,
            destinationOffset, length, null, true));

    /// <summary>Flushes of the partner's persistent memory that were carried out.</summary>
    public int Flushes { get; private set; }

    public bool TryPostFlush(ulong token, IRemoteMemory target) =>
        Post(new Pending(token, (TestRemote)target, 0, null, 0, 0, null, Reads: true));

    public int Poll(Span<Completion> completions)
    {
        int count = 0;
        while (count < completions.Length && done.TryDequeue(out Completion completion))
        {
            completions[count++] = completion;
        }

        return count;
    }

    /// <summary>Carries out up to so many of the posts that wait.</summary>
    public void Carry(int count = int.MaxValue)
    {
        while (count-- > 0 && waiting.TryDequeue(out Pending? post))
        {
            CarryOut(post);
        }
    }

    /// <summary>Some of the posts that wait land, and nobody at this end will hear of it.</summary>
    public void Land(int count)
    {
        while (count-- > 0 && State == PortState.Open && waiting.TryDequeue(out Pending? post))
        {
            if (!post.Reads && !post.Target.Dead)
            {
                Put(post);
            }

            lost.Enqueue(new Completion(post.Token, CompletionStatus.PortClosed));
        }
    }

    /// <summary>The node at this end dies: of the next post only the first bytes land.</summary>
    public void Tear(int bytes)
    {
        if (waiting.TryDequeue(out Pending? post) && post.Value is null && !post.Reads
            && !post.Target.Dead)
        {
            int length = Math.Min(bytes, post.Length);
            post.Local!.Bytes.Slice(post.LocalOffset, length)
                .CopyTo(post.Target.Memory.AsSpan(post.Offset));
        }

        waiting.Clear();
        State = PortState.PartnerGone;
    }

    /// <summary>The other node, or the way to it, is gone.</summary>
    public void Break()
    {
        State = PortState.PartnerGone;
        while (lost.TryDequeue(out Completion completion))
        {
            done.Enqueue(completion);
        }

        Carry();
    }

    public void Dispose() => State = PortState.Disposed;

    private bool Post(Pending post)
    {
        waiting.Enqueue(post);
        Held |= post.Value is not null && post.Offset == HoldsAtWord;
        if (!Held || State != PortState.Open)
        {
            Carry();
        }

        return true;
    }

    private void CarryOut(Pending post)
    {
        Carried++;
        if (State != PortState.Open || post.Target.Dead)
        {
            done.Enqueue(new Completion(post.Token, State != PortState.Open
                ? CompletionStatus.PortClosed
                : CompletionStatus.RemoteAccessError));
            State = State == PortState.Open ? PortState.Failed : State;
            return;
        }

        Put(post);
        done.Enqueue(new Completion(post.Token, CompletionStatus.Success));
    }

    private void Put(Pending post)
    {
        Span<byte> far = post.Target.Memory.AsSpan(post.Offset, post.Length);
        if (post.Value is { } value)
        {
            BitConverter.TryWriteBytes(far, value);
        }
        else if (post is { Reads: true, Local: null })
        {
            Flushes++;
        }
        else if (post.Reads)
        {
            far.CopyTo(post.Local!.Bytes[post.LocalOffset..]);
        }
        else
        {
            post.Local!.Bytes.Slice(post.LocalOffset, post.Length).CopyTo(far);
        }
    }

    private sealed record Pending(
        ulong Token, TestRemote Target, int Offset, TestRegion? Local, int LocalOffset, int Length,
        ulong? Value, bool Reads);
}

/// <summary>A port with a channel, of a card that may be pulled.</summary>
internal sealed class TestChannelPort : TestPort, ICompletionChannel
{
    public SafeHandle Descriptor { get; } = new SafeFileHandle(-1, ownsHandle: false);

    /// <summary>From now on the card refuses to wake anybody.</summary>
    public bool CardGone { get; set; }

    /// <summary>How often a wake-up was asked for.</summary>
    public int Armed { get; private set; }

    public void Arm()
    {
        if (CardGone)
        {
            throw new RefusedException(new("ibv_req_notify_cq", "success", "error 5"));
        }

        Armed++;
    }
}
