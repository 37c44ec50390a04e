// One end of a port. In half of all seeds posts are carried out when posted, as over shared
// memory; in the others they take their time, wide ones land in pieces at times, and of those under
// way when an end closes some land still. Order is kept within a port and nowhere else.
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>A port whose posts complete at once.</summary>
internal class PairPort(PairBoot owner, PortNeed need) : IPort
{
    private const long DelayMax = 50_000;
    private const int TornOneIn = 8;
    private readonly Queue<Op> inFlight = new();
    private readonly Queue<Op> wire = new();
    private long lastArrival;

    /// <summary>Its name among the client's.</summary>
    public string Name => need.Name;

    /// <summary>The other end.</summary>
    public PairPort? Peer { get; set; }

    /// <summary>Whether its session's loss was told.</summary>
    public bool LossWasTold { get; set; }

    /// <inheritdoc/>
    public PortState State { get; private set; } = PortState.Open;

    /// <inheritdoc/>
    public bool PartnerExited => Peer?.HasExited == true;

    /// <inheritdoc/>
    public int PostsInFlightMax => need.PostsInFlightMax;

    private bool HasExited => owner.ExitIsKnown;

    /// <summary>Whether there is something to poll.</summary>
    protected bool HasCompletions => inFlight.TryPeek(out Op? op) && op.Status is not null;

    /// <summary>Whether posts are carried out when they are posted.</summary>
    protected virtual bool AtOnce => true;

    /// <inheritdoc/>
    public bool TryPostWrite(
        ulong token, IRegion source, int sourceOffset, IRemoteMemory target, long targetOffset,
        int length)
    {
        CheckLocal(source, sourceOffset, length);
        return Post(new(token, target.Region, targetOffset, length, RemoteAccess.Write)
        {
            Local = (PairRegion)source,
            LocalOffset = sourceOffset,
        });
    }

    /// <inheritdoc/>
    public bool TryPostWriteWord(
        ulong token, ulong value, IRemoteMemory target, long targetOffset)
    {
        if (targetOffset % sizeof(ulong) != 0)
        {
            owner.Fault($"posted a word on port {Name} to {targetOffset}, which is not aligned");
        }

        return Post(new(token, target.Region, targetOffset, sizeof(ulong), RemoteAccess.Write)
        {
            Word = value,
        });
    }

    /// <inheritdoc/>
    public bool TryPostRead(
        ulong token, IRegion destination, int destinationOffset, IRemoteMemory source,
        long sourceOffset, int length)
    {
        CheckLocal(destination, destinationOffset, length);
        return Post(new(token, source.Region, sourceOffset, length, RemoteAccess.Read)
        {
            Local = (PairRegion)destination,
            LocalOffset = destinationOffset,
        });
    }

    /// <inheritdoc/>
    public int Poll(Span<Completion> completions)
    {
        owner.CheckReactor($"polled port {Name}");
        int count = 0;
        while (count < completions.Length && HasCompletions)
        {
            Op op = inFlight.Dequeue();
            completions[count++] = new(op.Token, op.Status!.Value);
        }

        return count;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (State != PortState.Disposed)
        {
            Close(PortState.Disposed, CompletionStatus.PortClosed);
            PairPort? peer = Peer;
            owner.Time.After(1 + owner.Time.Below(DelayMax), () => peer?.Close(
                PortState.ClosedByPartner, CompletionStatus.PortClosed));
        }
    }

    /// <summary>The other end is gone, or this one with its owner.</summary>
    public void Break() => Close(PortState.PartnerGone, CompletionStatus.PartnerGone);

    /// <summary>There may be something to poll.</summary>
    protected virtual void Notify()
    {
    }

    private void Close(PortState state, CompletionStatus status)
    {
        if (State is PortState.Disposed || (State != PortState.Open && state != PortState.Disposed))
        {
            return;
        }

        State = state; // First: of what lands below, nothing closes it once more.
        for (long landing = owner.Time.Below(wire.Count + 1); landing > 0; landing--)
        {
            _ = Land(wire.Dequeue(), torn: false);
        }

        wire.Clear();
        foreach (Op op in inFlight)
        {
            op.Status ??= status;
        }

        Notify();
        if (state != PortState.Disposed)
        {
            owner.PortFailed(this);
        }
    }

    private bool Post(Op op)
    {
        Check(op);
        if (inFlight.Count >= PostsInFlightMax)
        {
            return false;
        }

        inFlight.Enqueue(op);
        if (State != PortState.Open)
        {
            op.Status = CompletionStatus.PortClosed;
            Notify();
        }
        else if (AtOnce)
        {
            _ = Land(op, torn: false);
        }
        else
        {
            wire.Enqueue(op);
            long now = owner.Time.Now;
            lastArrival = Math.Max(lastArrival, now + 1 + owner.Time.Below(DelayMax));
            op.Arrives = lastArrival;
            owner.Time.After(lastArrival - now, Arrive);
        }

        return true;
    }

    private void Arrive()
    {
        while (wire.TryPeek(out Op? op) && op.Arrives <= owner.Time.Now)
        {
            bool torn = op.Landed == 0 && op.Length > sizeof(ulong)
                && owner.Time.Below(TornOneIn) == 0;
            if (!Land(op, torn))
            {
                op.Arrives = owner.Time.Now + 1 + owner.Time.Below(DelayMax);
                lastArrival = Math.Max(lastArrival, op.Arrives);
                owner.Time.After(op.Arrives - owner.Time.Now, Arrive);
                return;
            }

            _ = wire.TryDequeue(out _); // A failure has emptied it.
        }
    }

    /// <summary>Carries out a post, or the first part of it: false then.</summary>
    private bool Land(Op op, bool torn)
    {
        PairRegion? far = Peer is { State: PortState.Open } peer
            ? peer.Reach(op)
            : null;
        if (far is null)
        {
            if (Peer is { State: PortState.Open })
            {
                op.Status = CompletionStatus.RemoteAccessError;
                Close(PortState.Failed, CompletionStatus.PortClosed);
            }
            else if (AtOnce)
            {
                Break(); // Otherwise word of its end is under way.
            }

            return true;
        }

        int until = torn ? op.Length / 2 : op.Length;
        op.Move(far.Bytes[((int)op.Offset)..], until);
        if (!torn)
        {
            op.Status = CompletionStatus.Success;
            Notify();
        }

        return !torn;
    }

    private PairRegion? Reach(Op op) =>
        owner.Reach(op.Target.Key, op.Access, op.Offset, op.Length);

    private static void CheckLocal(IRegion region, int offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)offset + length, region.Length);
    }

    private void Check(Op op)
    {
        string what = $"posted a {op.Access} on port {Name}".ToLowerInvariant();
        owner.CheckReactor(what);
        if (LossWasTold)
        {
            owner.Fault($"{what} after PartnerLost");
        }

        if (op.Offset < 0 || op.Offset + op.Length > (long)op.Target.Length)
        {
            owner.Fault(
                $"{what} of {op.Length} bytes at {op.Offset}, of {op.Target.Length} granted");
        }

        if ((op.Target.Access & op.Access) == 0)
        {
            owner.Fault($"{what}, which its twin granted {op.Target.Access} of");
        }
    }

    private sealed class Op(
        ulong token, RemoteRegion target, long offset, int length, RemoteAccess access)
    {
        public ulong Token => token;

        public RemoteRegion Target => target;

        public long Offset => offset;

        public int Length => length;

        public RemoteAccess Access => access;

        public PairRegion? Local { get; init; }

        public int LocalOffset { get; init; }

        public ulong? Word { get; init; }

        public long Arrives { get; set; }

        public int Landed { get; private set; }

        public CompletionStatus? Status { get; set; }

        public void Move(Span<byte> far, int until)
        {
            if (Word is { } word)
            {
                MemoryMarshal.Write(far, in word);
                return;
            }

            Span<byte> near = Local!.Bytes.Slice(LocalOffset, Length);
            Span<byte> from = access == RemoteAccess.Read ? far : near;
            Span<byte> to = access == RemoteAccess.Read ? near : far;
            from[Landed..until].CopyTo(to[Landed..]);
            Landed = until;
        }
    }
}

/// <summary>A port whose posts take their time, with a channel to hear of them by.</summary>
internal sealed class PairChannelPort(PairBoot owner, PortNeed need)
    : PairPort(owner, need), ICompletionChannel
{
    private readonly ChannelHandle channel = new();
    private bool armed;

    /// <inheritdoc/>
    public SafeHandle Descriptor => channel;

    /// <inheritdoc/>
    protected override bool AtOnce => false;

    /// <inheritdoc/>
    public void Arm()
    {
        armed = true;
        if (HasCompletions)
        {
            Notify();
        }
    }

    /// <inheritdoc/>
    protected override void Notify()
    {
        if (armed)
        {
            armed = false;
            channel.Ready?.Invoke();
        }
    }
}
