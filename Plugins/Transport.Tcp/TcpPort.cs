using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tcp;

// The posting end. A post goes to the socket on the caller's thread; what the socket does not take
// stays where it is, for the source is the transport's until the completion is polled, and goes
// with a later post or poll. Answers come in the order of posts and are taken by a poll. The ring
// holds every post from its making to its completion:
//
//   head .. answered   completed, not polled yet
//   answered .. sent   waiting for their answer
//   sent .. tail       not sent, the first of them perhaps in part

/// <summary>A connected port. Steady posts and polls allocate nothing.</summary>
internal sealed class TcpPort : IPort, ICompletionChannel
{
    private readonly TcpTransport transport;
    private readonly PortEnd end;
    private readonly Post[] ring;
    private readonly byte[] head = new byte[Request.Bytes];
    private readonly byte[] word = new byte[sizeof(ulong)];
    private readonly byte[] answers = new byte[Limits.BufferBytes];
    private readonly SafeFileHandle epoll;
    private readonly Lock gate = new(); // Between its user and whoever disposes it.
    private readonly byte[] hello;
    private int helloSent;
    private uint oldest;
    private uint answered;
    private uint sent;
    private uint tail;
    private int sentBytes; // Of the post at sent.
    private int answersStart;
    private int answersEnd;
    private Wire? wire;
    private uint interest;
    private CompletionStatus? failure; // What posts complete with, once nothing goes any more.
    private int state = (int)PortState.Open;

    /// <summary>Makes the end that can post; connections come when they come.</summary>
    public TcpPort(TcpTransport transport, PortEnd end, int postsInFlightMax, byte[] hello)
    {
        this.transport = transport;
        this.end = end;
        this.hello = hello;
        PostsInFlightMax = postsInFlightMax;
        ring = new Post[(int)BitOperations.RoundUpToPowerOf2((uint)postsInFlightMax)];
        epoll = Native.Handle(
            Libc.epoll_create1(Libc.EPOLL_CLOEXEC), nameof(Libc.epoll_create1));
        _ = Watch(Libc.EPOLL_CTL_ADD, end.Kick, Libc.EPOLLIN);
        transport.Adopt(this);
        lock (gate)
        {
            Progress();
        }
    }

    /// <inheritdoc/>
    public PortState State
    {
        get
        {
            PortState own = (PortState)Volatile.Read(ref state);
            return own != PortState.Open ? own : end.State;
        }
    }

    /// <inheritdoc/>
    public int PostsInFlightMax { get; }

    /// <inheritdoc/>
    public SafeHandle Descriptor => epoll;

    /// <summary>Nothing to do: the descriptor is readable while there is anything.</summary>
    public void Arm()
    {
        // See the summary.
    }

    /// <inheritdoc/>
    public bool TryPostWrite(
        ulong token,
        IRegion source,
        int sourceOffset,
        IRemoteMemory target,
        long targetOffset,
        int length)
    {
        TcpRegion local = transport.Own(source);
        _ = local.Bytes.Slice(sourceOffset, length);
        RemoteRegion remote = TcpTransport.Remote(target);
        return Add(new Post(
            RequestKind.Write,
            token,
            local,
            sourceOffset,
            length,
            remote.Key,
            remote.Address + (ulong)targetOffset)
        {
            Outside = IsOutside(remote, targetOffset, length),
        });
    }

    /// <inheritdoc/>
    public bool TryPostWriteWord(ulong token, ulong value, IRemoteMemory target, long targetOffset)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(
            targetOffset & (sizeof(ulong) - 1), 0, nameof(targetOffset));
        RemoteRegion remote = TcpTransport.Remote(target);
        return Add(new Post(
            RequestKind.Write,
            token,
            null,
            0,
            sizeof(ulong),
            remote.Key,
            remote.Address + (ulong)targetOffset)
        {
            Word = value,
            Outside = IsOutside(remote, targetOffset, sizeof(ulong)),
        });
    }

    /// <inheritdoc/>
    public bool TryPostRead(
        ulong token,
        IRegion destination,
        int destinationOffset,
        IRemoteMemory source,
        long sourceOffset,
        int length)
    {
        TcpRegion local = transport.Own(destination);
        _ = local.Bytes.Slice(destinationOffset, length);
        RemoteRegion remote = TcpTransport.Remote(source);
        return Add(new Post(
            RequestKind.Read,
            token,
            local,
            destinationOffset,
            length,
            remote.Key,
            remote.Address + (ulong)sourceOffset)
        {
            Outside = IsOutside(remote, sourceOffset, length),
        });
    }

    /// <inheritdoc/>
    public int Poll(Span<Completion> completions)
    {
        lock (gate)
        {
            Progress();
            int count = (int)Math.Min(answered - oldest, (uint)completions.Length);
            for (int i = 0; i < count; i++)
            {
                ref Post done = ref At(oldest++);
                completions[i] = new Completion(done.Token, done.Status);
                done.Region = null;
            }

            Settle();
            return count;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Volatile.Write(ref state, (int)PortState.Disposed);
        lock (gate)
        {
            if (end.IsDisposed)
            {
                return;
            }

            bool betweenRequests = sentBytes == 0 && helloSent == hello.Length;
            if (failure is null && wire is not null && betweenRequests)
            {
                new Request(RequestKind.Bye, 0, 0, 0, 0).Encode(head);
                _ = wire.Send(head, []);
                _ = wire.Flush();
            }

            Fail(CompletionStatus.PortClosed);
            end.Dispose();
            epoll.Dispose();
        }

        transport.Forget(this);
    }

    /// <summary>
    /// Whether it leaves what was offered. The partner checks what it has registered, which may be
    /// more; what is sent there for it has to fail there, in its turn.
    /// </summary>
    private static bool IsOutside(RemoteRegion remote, long offset, int length) =>
        offset < 0 || (ulong)offset > remote.Length
        || (ulong)length > remote.Length - (ulong)offset;

    private ref Post At(uint index) => ref ring[index & (uint)(ring.Length - 1)];

    private bool Add(in Post post)
    {
        lock (gate)
        {
            if (tail - oldest == PostsInFlightMax)
            {
                return false;
            }

            if (failure is null && State != PortState.Open)
            {
                Progress();
            }

            At(tail++) = post;
            if (failure is { } closed)
            {
                At(answered++).Status = closed;
                sent = tail;
                Settle();
            }
            else if (!Pump())
            {
                Break();
            }

            return true;
        }
    }

    /// <summary>Sends what waits, takes what has come, and notices what has ended.</summary>
    private void Progress()
    {
        if (failure is not null)
        {
            return;
        }

        _ = end.TakeKick();
        if (wire is null && end.Requests is { } came)
        {
            wire = came;
            interest = Libc.EPOLLIN;
            _ = Watch(Libc.EPOLL_CTL_ADD, wire.Socket, interest);
        }

        bool closed = end.State != PortState.Open; // Before the last look at what has come.
        bool alive = (closed || Pump()) && (wire is null || Receive());
        if (alive && !closed && failure is null && (sent != tail || helloSent < hello.Length))
        {
            alive = Pump(); // What came may have been the end of a handshake.
        }

        if (failure is null && (closed || !alive))
        {
            Break();
        }
    }

    /// <summary>The connection has ended, or the partner's end has.</summary>
    private void Break()
    {
        end.PartnerEnded(); // Stands only when nothing better is known.
        Fail(end.State == PortState.PartnerGone
            ? CompletionStatus.PartnerGone : CompletionStatus.PortClosed);
    }

    /// <summary>Completes all that is in flight, and from now on every post.</summary>
    private void Fail(CompletionStatus status)
    {
        if (failure is not null)
        {
            return;
        }

        failure = status;
        for (; answered != tail; answered++)
        {
            At(answered).Status = status;
        }

        sent = tail;
        if (wire is not null)
        {
            _ = Watch(Libc.EPOLL_CTL_DEL, wire.Socket, 0);
            wire.Dispose();
        }

        Settle();
    }

    /// <summary>
    /// Keeps the descriptor readable while completions wait that no socket tells of, and not
    /// longer, or its owner would never sleep again.
    /// </summary>
    private void Settle()
    {
        if (end.IsDisposed)
        {
            return; // Its user has been told of that in its own way.
        }

        if (answered != oldest)
        {
            end.Wake();
        }
        else if (failure is not null)
        {
            _ = end.TakeKick();
        }
    }

    /// <summary>Sends as much as the socket takes; false when the connection has ended.</summary>
    private bool Pump()
    {
        if (wire is null)
        {
            return true;
        }

        while (helloSent < hello.Length)
        {
            int count = wire.Send(hello.AsSpan(helloSent), []);
            if (count <= 0)
            {
                return AwaitRoom(count == 0);
            }

            helloSent += count;
        }

        while (sent != tail)
        {
            int count = SendNext(ref At(sent));
            if (count <= 0)
            {
                return AwaitRoom(count == 0);
            }
        }

        return AwaitRoom(wire.Flush());
    }

    private int SendNext(ref Post post)
    {
        new Request(post.Kind, post.Length, sent, post.Outside ? 0 : post.Key, post.Address)
            .Encode(head);
        ReadOnlySpan<byte> body = [];
        if (post.Kind == RequestKind.Write)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, post.Word);
            body = post.Region is null
                ? word : post.Region.Bytes.Slice(post.Offset, post.Length);
        }

        int whole = Request.Bytes + body.Length;
        int count = sentBytes < Request.Bytes
            ? wire!.Send(head.AsSpan(sentBytes), body)
            : wire!.Send(body[(sentBytes - Request.Bytes)..], []);
        if (count > 0)
        {
            sentBytes += count;
            if (sentBytes == whole)
            {
                sentBytes = 0;
                sent++;
            }
        }

        return count;
    }

    /// <summary>Waits for room to send while, and only while, something has to go.</summary>
    private bool AwaitRoom(bool alive)
    {
        bool unsent = wire!.HasUnsent
            || (wire.AcceptsBytes && (sent != tail || helloSent < hello.Length));
        uint wanted = Libc.EPOLLIN | (unsent ? Libc.EPOLLOUT : 0);
        if (alive && wanted != interest)
        {
            interest = wanted;
            alive = Watch(Libc.EPOLL_CTL_MOD, wire.Socket, wanted);
        }

        return alive;
    }

    /// <summary>Takes answers until there are none; false when the connection has ended.</summary>
    private bool Receive()
    {
        while (true)
        {
            Span<byte> room = answers.AsSpan(answersEnd);
            int count = wire!.Receive(room);
            if (count <= 0)
            {
                return count == 0;
            }

            answersEnd += count;
            while (TakeAnswer(out bool valid))
            {
                if (!valid || failure is not null)
                {
                    return failure is not null;
                }
            }

            answers.AsSpan(answersStart, answersEnd - answersStart).CopyTo(answers);
            (answersStart, answersEnd) = (0, answersEnd - answersStart);
            if (wire.ShortMeansEmpty && count < room.Length)
            {
                return true;
            }
        }
    }

    /// <summary>Takes one answer; false when there is no whole one.</summary>
    private bool TakeAnswer(out bool valid)
    {
        valid = true;
        ReadOnlySpan<byte> left = answers.AsSpan(answersStart, answersEnd - answersStart);
        if (left.Length < Answer.Bytes)
        {
            return false;
        }

        valid = Answer.TryDecode(left, out Answer answer)
            && answer.Length <= (answer.Kind == AnswerKind.Part ? Limits.ReadPartBytes : 0);
        if (!valid)
        {
            return true;
        }

        if (left.Length < Answer.Bytes + answer.Length)
        {
            return false;
        }

        answersStart += Answer.Bytes + answer.Length;
        valid = answer.Kind switch
        {
            AnswerKind.Bye => TakeBye(),
            AnswerKind.Part => TakePart(answer, left.Slice(Answer.Bytes, answer.Length)),
            _ => TakeDone(answer),
        };
        return true;
    }

    private bool TakeBye()
    {
        end.PartnerSaidBye();
        return false;
    }

    private bool TakePart(in Answer answer, ReadOnlySpan<byte> bytes)
    {
        ref Post post = ref At(answered);
        if (answered == sent || answer.Sequence != answered || post.Kind != RequestKind.Read
            || bytes.Length > post.Length - post.Received)
        {
            return false;
        }

        Span<byte> to = post.Region!.Bytes.Slice(post.Offset + post.Received, bytes.Length);
        if (bytes.Length == sizeof(ulong))
        {
            MemoryMarshal.Write(to, MemoryMarshal.Read<ulong>(bytes)); // A word at once.
        }
        else
        {
            bytes.CopyTo(to);
        }

        post.Received += bytes.Length;
        return true;
    }

    private bool TakeDone(in Answer answer)
    {
        // A long write may be refused before all of it has gone.
        bool asked = answered != sent || (sentBytes > 0 && sent != tail);
        if (!asked || answer.Sequence != answered)
        {
            return false;
        }

        ref Post post = ref At(answered);
        if (answer.Status != CompletionStatus.Success)
        {
            _ = Interlocked.CompareExchange(
                ref state, (int)PortState.Failed, (int)PortState.Open);
            post.Status = answer.Status;
            answered++;
            Fail(CompletionStatus.PortClosed);
            return true;
        }

        if (answered == sent || (post.Kind == RequestKind.Read && post.Received != post.Length))
        {
            return false;
        }

        post.Status = CompletionStatus.Success;
        answered++;
        return true;
    }

    private bool Watch(int operation, SafeFileHandle descriptor, uint events)
    {
        EpollEvent change = new() { Events = events };
        return Libc.epoll_ctl(epoll, operation, descriptor, ref change) == 0;
    }

    /// <summary>One post, from its making to its completion.</summary>
    private struct Post(
        RequestKind kind, ulong token, TcpRegion? region, int offset, int length, ulong key,
        ulong address)
    {
        public readonly RequestKind Kind = kind;
        public readonly ulong Token = token;
        public readonly int Offset = offset;
        public readonly int Length = length;
        public readonly ulong Key = key;
        public readonly ulong Address = address;
        public TcpRegion? Region = region;
        public ulong Word;
        public bool Outside;
        public int Received;
        public CompletionStatus Status;
    }
}
