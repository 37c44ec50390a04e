using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// A connected queue pair. Completions of what the card has taken come from the card; posts on a
/// port that has ended complete by themselves. The lock is for dispose and for the end of the
/// link, which come from other threads; posting and polling find it free.
/// </summary>
internal class VerbsPort : IPort, ICompletionChannel
{
    private readonly VerbsTransport transport;
    private readonly QueuePair pair;
    private readonly InFlight inFlight;
    private readonly ulong ownId;
    private readonly ulong partnerId;
    private readonly Lock gate = new();
    private volatile int state = (int)PortState.Open;
    private SafeFileHandle? descriptor;
    private bool released;

    /// <summary>Takes over a connected queue pair.</summary>
    /// <param name="transport">Whose port it is.</param>
    /// <param name="pair">The queue pair.</param>
    /// <param name="postsMax">Most posts in flight.</param>
    /// <param name="link">What it belongs to.</param>
    /// <param name="ownId">Our end's id; zero where the link itself tells of the end.</param>
    /// <param name="partnerId">The other end's.</param>
    public VerbsPort(
        VerbsTransport transport,
        QueuePair pair,
        int postsMax,
        Link link,
        ulong ownId,
        ulong partnerId)
    {
        this.transport = transport;
        this.pair = pair;
        this.ownId = ownId;
        this.partnerId = partnerId;
        Link = link;
        PostsInFlightMax = postsMax;
        inFlight = new InFlight(postsMax);
        transport.Adopt(this, pair.Handle);
    }

    /// <inheritdoc/>
    public PortState State
    {
        get
        {
            if (state == (int)PortState.Open && Look() is var seen and not PortState.Open)
            {
                End(seen);
            }

            return (PortState)state;
        }
    }

    /// <inheritdoc/>
    public int PostsInFlightMax { get; }

    /// <summary>What it belongs to.</summary>
    public Link Link { get; }

    /// <summary>The first failure, by call and number; empty while there is none.</summary>
    public string Failure { get; private set; } = "";

    /// <summary>
    /// A second descriptor of the channel: a watch on it may outlive the port by a little, and must
    /// not find another file behind the number.
    /// </summary>
    public SafeHandle Descriptor
    {
        get
        {
            lock (gate)
            {
                if (released && descriptor is null)
                {
                    descriptor = new SafeFileHandle(-1, ownsHandle: false);
                    descriptor.Dispose();
                }

                return descriptor ??= new SafeFileHandle(
                    Native.Success("fcntl", Libc.fcntl(
                        pair.ChannelDescriptor, Libc.F_DUPFD_CLOEXEC, 0)),
                    ownsHandle: true);
            }
        }
    }

    /// <inheritdoc/>
    public void Arm()
    {
        lock (gate)
        {
            if (!released)
            {
                pair.Arm();
            }
        }
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
        VerbsRegion region = transport.Own(source);
        ulong local = region.Locate(sourceOffset, length);
        uint flags = length <= pair.InlineMax ? IbvConstants.IBV_SEND_INLINE : 0;
        return TryPost(
            token, IbvConstants.IBV_WR_RDMA_WRITE, flags, region, local, length, target,
            targetOffset);
    }

    /// <inheritdoc/>
    public bool TryPostWriteWord(ulong token, ulong value, IRemoteMemory target, long targetOffset)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(
            targetOffset & (sizeof(ulong) - 1), 0, nameof(targetOffset));
        VerbsRemoteMemory memory = VerbsTransport.Remote(target);
        lock (gate)
        {
            if (inFlight.IsFull)
            {
                return false;
            }

            if (Admit(token, memory))
            {
                WorkRequest request = new(
                    inFlight.Next,
                    IbvConstants.IBV_WR_RDMA_WRITE,
                    IbvConstants.IBV_SEND_INLINE,
                    0,
                    0,
                    sizeof(ulong),
                    memory.Region.Address + (ulong)targetOffset,
                    (uint)memory.Region.Key);
                Took(token, pair.PostWord(in request, value));
            }

            return true;
        }
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
        VerbsRegion region = transport.Own(destination);
        ulong local = region.Locate(destinationOffset, length);
        return TryPost(
            token, IbvConstants.IBV_WR_RDMA_READ, 0, region, local, length, source, sourceOffset);
    }

    /// <inheritdoc/>
    public void Hold()
    {
        lock (gate)
        {
            pair.Holding = !released;
        }
    }

    /// <inheritdoc/>
    public void Ring()
    {
        lock (gate)
        {
            if (!released)
            {
                RingLocked();
            }
        }
    }

    /// <inheritdoc/>
    public int Poll(Span<Completion> completions)
    {
        lock (gate)
        {
            if (inFlight.AnyPending && !released)
            {
                Drain();
                if (state == (int)PortState.Open && inFlight.AnyPending
                    && Look() is var seen and not PortState.Open)
                {
                    EndLocked(seen);
                    Drain();
                }
            }

            return inFlight.Take(completions);
        }
    }

    /// <summary>Ends it for that reason, unless it has ended before.</summary>
    public void End(PortState why)
    {
        lock (gate)
        {
            EndLocked(why);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        bool flushed;
        lock (gate)
        {
            if (released)
            {
                return;
            }

            EndLocked(PortState.Disposed);

            // In error it is already, but for one that a refused post has ended; what was held back
            // is flushed with the rest.
            flushed = pair.TryFail() == 0 && IsFlushed();
            released = true;
            state = (int)PortState.Disposed;
            descriptor?.Dispose();
        }

        transport.Forget(pair.Handle); // Destroyed, its handle may be another's.
        try
        {
            Destroy(flushed);
        }
        finally
        {
            lock (gate)
            {
                inFlight.ResolveRest(CompletionStatus.PortClosed);
            }

            if (ownId != 0)
            {
                transport.Board.Free(ownId);
                Link.SayClosed(partnerId);
            }
        }
    }

    /// <summary>
    /// Without the lock, for it may take long. What the card has not told of may be landing still
    /// and counts as in flight until then.
    /// </summary>
    private void Destroy(bool flushed)
    {
        if (flushed)
        {
            transport.Retirement.Take(pair);
        }
        else
        {
            pair.Dispose();
        }
    }

    /// <summary>Posts something of a region; see the contract.</summary>
    private protected bool TryPost(
        ulong token,
        uint opcode,
        uint flags,
        VerbsRegion region,
        ulong local,
        int length,
        IRemoteMemory far,
        long farOffset)
    {
        VerbsRemoteMemory memory = VerbsTransport.Remote(far);
        lock (gate)
        {
            if (inFlight.IsFull)
            {
                return false;
            }

            if (Admit(token, memory))
            {
                WorkRequest request = new(
                    inFlight.Next,
                    opcode,
                    flags,
                    local,
                    region.LocalKey(pair.Adapter),
                    (uint)length,
                    memory.Region.Address + (ulong)farOffset,
                    (uint)memory.Region.Key);
                Took(token, pair.Post(in request));
            }

            return true;
        }
    }

    /// <summary>What the partner or the link says of this end; changes nothing.</summary>
    private PortState Look() =>
        Link.State is var of and not PortState.Open ? of
        : ownId != 0 && transport.Board.SaysClosed(ownId) ? PortState.ClosedByPartner
        : PortState.Open;

    /// <summary>Whether a post goes to the card; otherwise it is completed here.</summary>
    private bool Admit(ulong token, VerbsRemoteMemory memory)
    {
        if (state == (int)PortState.Open && Look() is var seen and not PortState.Open)
        {
            EndLocked(seen);
        }

        if (state != (int)PortState.Open)
        {
            inFlight.Add(
                token,
                state == (int)PortState.PartnerGone
                    ? CompletionStatus.PartnerGone
                    : CompletionStatus.PortClosed);
            return false;
        }

        if (!memory.HasCardKey)
        {
            inFlight.Add(token, CompletionStatus.RemoteAccessError);
            state = (int)PortState.Failed;
            return false;
        }

        return true;
    }

    private void Took(ulong token, int error)
    {
        inFlight.Add(token);
        Posted(error);
    }

    private void RingLocked() => Posted(pair.Ring());

    private void Posted(int error)
    {
        if (error != 0)
        {
            // Some of a chain may have gone out before the one that the card refused; it need not
            // tell of them any more.
            NoteFailure($"ibv_post_send: error {error}");
            EndLocked(PortState.Failed);
            inFlight.ResolveRest(CompletionStatus.PortClosed);
        }
    }

    private void EndLocked(PortState why)
    {
        if (state == (int)PortState.Open && !released)
        {
            state = (int)why;
            RingLocked(); // So that the card tells of what was held back, too.
            Drain();
            if (pair.TryFail() != 0)
            {
                // A card that cannot do this has gone; it will tell of nothing any more.
                inFlight.ResolveRest(CompletionStatus.PartnerGone);
            }
        }
    }

    /// <summary>
    /// Waits a little until the card has completed all that was in flight; whether it has. Never
    /// when something was given up, for then the card has not told.
    /// </summary>
    private bool IsFlushed()
    {
        if (pair.Ring() != 0)
        {
            return false;
        }

        Drain();
        SpinWait spin = default;
        for (long start = Stopwatch.GetTimestamp();
            inFlight.AnyPending && Stopwatch.GetElapsedTime(start) < Limits.FlushWait;)
        {
            spin.SpinOnce();
            Drain();
        }

        return !inFlight.AnyPending && !inFlight.HasGivenUp;
    }

    /// <summary>Takes from the card what it has completed.</summary>
    private void Drain()
    {
        Span<IbvWc> done = stackalloc IbvWc[Limits.CompletionsAtOnce];
        int count;
        do
        {
            count = pair.Poll(done);
            for (int i = 0; i < count; i++)
            {
                uint status = done[i].Status;
                if (status == IbvConstants.IBV_WC_SUCCESS)
                {
                    inFlight.Resolve(done[i].WrId, CompletionStatus.Success);
                }
                else
                {
                    inFlight.Resolve(done[i].WrId, Failed(status));
                }
            }
        }
        while (count == done.Length);
        if (count < 0)
        {
            NoteFailure("ibv_poll_cq failed");
            inFlight.ResolveRest(CompletionStatus.PartnerGone);
            state = state == (int)PortState.Open ? (int)PortState.PartnerGone : state;
        }
    }

    /// <summary>What a failure of the card's means; the first one ends the port.</summary>
    private CompletionStatus Failed(uint status)
    {
        PortState seen = Look();
        (PortState end, CompletionStatus told) = status switch
        {
            IbvConstants.IBV_WC_REM_ACCESS_ERR or IbvConstants.IBV_WC_REM_INV_REQ_ERR
                or IbvConstants.IBV_WC_REM_OP_ERR =>
                (PortState.Failed, CompletionStatus.RemoteAccessError),
            _ when seen == PortState.ClosedByPartner => (seen, CompletionStatus.PortClosed),
            IbvConstants.IBV_WC_RETRY_EXC_ERR or IbvConstants.IBV_WC_RNR_RETRY_EXC_ERR =>
                (PortState.PartnerGone, CompletionStatus.PartnerGone),
            _ when (seen == PortState.Open ? (PortState)state : seen) == PortState.PartnerGone =>
                (PortState.PartnerGone, CompletionStatus.PartnerGone),
            _ => (PortState.Failed, CompletionStatus.PortClosed),
        };
        if (state == (int)PortState.Open)
        {
            state = (int)end;
            NoteFailure($"an operation completed with status {status} (enum ibv_wc_status)");
        }

        return told;
    }

    private void NoteFailure(string what)
    {
        if (Failure.Length == 0)
        {
            Failure = what;
        }
    }
}
