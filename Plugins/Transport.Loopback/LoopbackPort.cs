using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// A connected port. An operation is done when its post returns; its completion waits in a ring.
/// Closed by either end clearing its slot, which the other's next post sees.
/// </summary>
internal sealed class LoopbackPort : IPort
{
    private readonly LoopbackTransport transport;
    private readonly CompletionRing ring;
    private readonly MappedBoard partnerBoard;
    private readonly ulong partnerId;
    private readonly ulong ownId;
    private readonly Link link;
    private int state = (int)PortState.Open;
    private int released;

    /// <summary>Joins this end to the partner's.</summary>
    public LoopbackPort(
        LoopbackTransport transport,
        int postsInFlightMax,
        ulong ownId,
        MappedBoard partnerBoard,
        ulong partnerId,
        Link link)
    {
        this.transport = transport;
        this.ownId = ownId;
        this.partnerBoard = partnerBoard;
        this.partnerId = partnerId;
        this.link = link;
        PostsInFlightMax = postsInFlightMax;
        ring = new CompletionRing(postsInFlightMax);
        link.Retain();
        transport.Adopt(this);
    }

    /// <inheritdoc/>
    public PortState State
    {
        get
        {
            PortState own = (PortState)Volatile.Read(ref state);
            return own != PortState.Open ? own
                : !partnerBoard.Holds(partnerId) ? PortState.ClosedByPartner
                : link.Gone ? PortState.PartnerGone
                : PortState.Open;
        }
    }

    /// <inheritdoc/>
    public bool PartnerExited => MappedLife.HasEnded(partnerBoard);

    /// <summary>Where the partner's end stands.</summary>
    public MappedBoard PartnerBoard => partnerBoard;

    /// <inheritdoc/>
    public int PostsInFlightMax { get; }

    /// <inheritdoc/>
    public bool TryPostWrite(
        ulong token,
        IRegion source,
        int sourceOffset,
        IRemoteMemory target,
        long targetOffset,
        int length)
    {
        Span<byte> bytes = transport.Local(source, sourceOffset, length);
        MappedRemoteMemory memory = LoopbackTransport.Remote(target);
        if (ring.IsFull)
        {
            return false;
        }

        CompletionStatus status = Admit();
        return Complete(
            token,
            status == CompletionStatus.Success ? memory.Write(targetOffset, bytes) : status);
    }

    /// <inheritdoc/>
    public bool TryPostWriteWord(ulong token, ulong value, IRemoteMemory target, long targetOffset)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(
            targetOffset & (sizeof(ulong) - 1), 0, nameof(targetOffset));
        MappedRemoteMemory memory = LoopbackTransport.Remote(target);
        if (ring.IsFull)
        {
            return false;
        }

        CompletionStatus status = Admit();
        return Complete(
            token,
            status == CompletionStatus.Success ? memory.WriteWord(targetOffset, value) : status);
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
        Span<byte> bytes = transport.Local(destination, destinationOffset, length);
        MappedRemoteMemory memory = LoopbackTransport.Remote(source);
        if (ring.IsFull)
        {
            return false;
        }

        CompletionStatus status = Admit();
        return Complete(
            token,
            status == CompletionStatus.Success ? memory.Read(sourceOffset, bytes) : status);
    }

    /// <inheritdoc/>
    public int Poll(Span<Completion> completions) => ring.Take(completions);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref released, 1) == 0)
        {
            Volatile.Write(ref state, (int)PortState.Disposed);
            transport.Slots.Clear(ownId);
            transport.Forget(this);
            link.Release();
        }
    }

    /// <summary>Success when an operation may start, else what becomes of it instead.</summary>
    private CompletionStatus Admit() => State switch
    {
        PortState.Open => CompletionStatus.Success,
        PortState.PartnerGone => CompletionStatus.PartnerGone,
        _ => CompletionStatus.PortClosed,
    };

    /// <summary>
    /// Keeps what became of a post. Success stands only if the partner's end was still open after
    /// the copy and its barrier: a port is closed once its end is, not a copy later.
    /// </summary>
    private bool Complete(ulong token, CompletionStatus status)
    {
        if (status == CompletionStatus.Success && !partnerBoard.Holds(partnerId))
        {
            status = CompletionStatus.PortClosed;
        }

        ring.Add(token, status);
        if (status == CompletionStatus.RemoteAccessError)
        {
            Interlocked.CompareExchange(ref state, (int)PortState.Failed, (int)PortState.Open);
        }

        return true;
    }
}
