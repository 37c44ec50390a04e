using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// A reliable connected queue pair with a completion queue and, where asked for, a channel of its
/// own. Whoever holds it sees to it that nothing is called during or after dispose.
/// </summary>
internal sealed class QueuePair : IDisposable
{
    private const uint PsnMask = 0xff_ffff;
    private const int CmOnlyMask = 0xe0_0000; // Bits that only the kernel may set.
    private readonly nint channel;
    private readonly nint queue;
    private readonly nint pair;
    private readonly SendChain? chain;
    private bool disposed;

    /// <summary>Makes it; it can do nothing before <see cref="Initialize"/>.</summary>
    /// <param name="adapter">The card.</param>
    /// <param name="postsMax">Most posts in flight.</param>
    /// <param name="psn">First packet number of what it sends.</param>
    /// <param name="withChannel">Whether it can wake somebody.</param>
    public QueuePair(Adapter adapter, int postsMax, uint psn, bool withChannel = false)
    {
        Adapter = adapter;
        Psn = psn;
        try
        {
            if (withChannel)
            {
                channel = Native.Pointer(
                    "ibv_create_comp_channel", Ibv.ibv_create_comp_channel(adapter.Context));
                int flags = Native.Success(
                    "fcntl", Libc.fcntl(ChannelDescriptor, Libc.F_GETFL, 0));
                Native.Success(
                    "fcntl",
                    Libc.fcntl(ChannelDescriptor, Libc.F_SETFL, flags | Libc.O_NONBLOCK));
            }

            queue = Native.Pointer(
                "ibv_create_cq", Ibv.ibv_create_cq(adapter.Context, postsMax + 1, 0, channel, 0));
            IbvQpInitAttr wanted = new()
            {
                SendCq = queue,
                RecvCq = queue,
                QpType = IbvConstants.IBV_QPT_RC,
                Cap = new IbvQpCap
                {
                    MaxSendWr = (uint)postsMax,
                    MaxRecvWr = 1,
                    MaxSendSge = 1,
                    MaxRecvSge = 1,
                    MaxInlineData = Limits.InlineBytes,
                },
            };
            pair = Native.Pointer("ibv_create_qp", Ibv.ibv_create_qp(adapter.Domain, ref wanted));
            chain = new SendChain(pair, Math.Min(postsMax, Limits.PostsAtOnce));
            InlineMax = (int)Math.Min(wanted.Cap.MaxInlineData, int.MaxValue);
            if (InlineMax < sizeof(ulong))
            {
                throw new RefusedException(new Refusal(
                    $"ibv_create_qp on {adapter.Name}",
                    $"{sizeof(ulong)} bytes of inline data or more",
                    $"{InlineMax}",
                    "use another device"));
            }
        }
        catch (RefusedException)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The card it is of.</summary>
    public Adapter Adapter { get; }

    /// <summary>ibv_qp.</summary>
    public nint Handle => pair;

    /// <summary>Number by which the partner addresses it.</summary>
    public uint Number => InlineVerbs.QueuePairNumber(pair);

    /// <summary>First packet number of what it sends; random.</summary>
    public uint Psn { get; }

    /// <summary>Most bytes of a write that travel within the request.</summary>
    public int InlineMax { get; }

    /// <summary>Descriptor of the channel.</summary>
    public int ChannelDescriptor => InlineVerbs.ChannelDescriptor(channel);

    /// <summary>A random packet number to begin with.</summary>
    public static uint NewPsn() =>
        BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(sizeof(uint))) & PsnMask;

    /// <summary>To INIT, with rights for remote reads and writes as far as keys go.</summary>
    public void Initialize(byte port, ushort pkeyIndex)
    {
        IbvQpAttr attributes = new()
        {
            QpState = IbvConstants.IBV_QPS_INIT,
            PortNumber = port,
            PkeyIndex = pkeyIndex,
            QpAccessFlags =
                IbvConstants.IBV_ACCESS_REMOTE_READ | IbvConstants.IBV_ACCESS_REMOTE_WRITE,
        };
        Modify("INIT", ref attributes, IbvConstants.IBV_QP_STATE | IbvConstants.IBV_QP_PORT
            | IbvConstants.IBV_QP_PKEY_INDEX | IbvConstants.IBV_QP_ACCESS_FLAGS);
    }

    /// <summary>
    /// To RTR and RTS along a path, without waiting for the other end: what is posted before that
    /// one is ready is sent again by the card.
    /// </summary>
    public void Connect(in IbvQpAttr path, QueuePairAddress partner, byte ackTimeout)
    {
        IbvQpAttr attributes = path;
        attributes.QpState = IbvConstants.IBV_QPS_RTR;
        attributes.DestinationQpNumber = partner.Number;
        attributes.RqPsn = partner.Psn;
        attributes.MaxDestinationRdAtomic = Adapter.ReadsMax;
        attributes.MinRnrTimer = 12; // 640 µs; nothing here ever waits for a receive.
        const int ReceiveMask = IbvConstants.IBV_QP_STATE | IbvConstants.IBV_QP_AV
            | IbvConstants.IBV_QP_PATH_MTU | IbvConstants.IBV_QP_DEST_QPN
            | IbvConstants.IBV_QP_RQ_PSN | IbvConstants.IBV_QP_MAX_DEST_RD_ATOMIC
            | IbvConstants.IBV_QP_MIN_RNR_TIMER;
        Modify("RTR", ref attributes, ReceiveMask & ~CmOnlyMask);
        attributes.QpState = IbvConstants.IBV_QPS_RTS;
        attributes.SqPsn = Psn;
        attributes.MaxRdAtomic = Math.Min(Adapter.ReadsMax, partner.ReadsMax);
        attributes.Timeout = ackTimeout;
        attributes.RetryCount = Limits.RetryCount;
        attributes.RnrRetry = Limits.RetryCount;
        Modify("RTS", ref attributes, IbvConstants.IBV_QP_STATE | IbvConstants.IBV_QP_SQ_PSN
            | IbvConstants.IBV_QP_MAX_QP_RD_ATOMIC | IbvConstants.IBV_QP_TIMEOUT
            | IbvConstants.IBV_QP_RETRY_CNT | IbvConstants.IBV_QP_RNR_RETRY);
    }

    /// <summary>What the partner needs to connect to it.</summary>
    public QueuePairAddress Address => new(Number, Psn, Adapter.ReadsMax);

    /// <summary>
    /// To the error state: nothing the partner sends lands any more, and all that is in flight
    /// completes as flushed. Returns the error number.
    /// </summary>
    public int TryFail()
    {
        IbvQpAttr attributes = new() { QpState = IbvConstants.IBV_QPS_ERR };
        return Ibv.ibv_modify_qp(pair, ref attributes, IbvConstants.IBV_QP_STATE);
    }

    /// <summary>Whether posts wait for <see cref="Ring"/>, as far as there is room.</summary>
    public bool Holding { get; set; }

    /// <summary>Posts; returns the error number.</summary>
    public int Post(in WorkRequest request)
    {
        chain!.Add(in request);
        return Holding && !chain.IsFull ? 0 : chain.Ring();
    }

    /// <summary>Posts a word by value; returns the error number.</summary>
    public int PostWord(in WorkRequest request, ulong value)
    {
        chain!.AddWord(in request, value);
        return Holding && !chain.IsFull ? 0 : chain.Ring();
    }

    /// <summary>Posts what was held back; returns the error number.</summary>
    public int Ring()
    {
        Holding = false;
        return chain!.Ring();
    }

    /// <summary>Takes completions; negative when the queue is broken.</summary>
    public int Poll(Span<IbvWc> completions) => InlineVerbs.Poll(queue, completions);

    /// <summary>Takes wake-ups there were and asks for one more.</summary>
    public void Arm()
    {
        while (Ibv.ibv_get_cq_event(channel, out nint woken, out nint _) == 0)
        {
            Ibv.ibv_ack_cq_events(woken, 1);
        }

        Native.Zero("ibv_req_notify_cq", InlineVerbs.RequestNotify(queue));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        chain?.Dispose();
        if (pair != 0)
        {
            Native.Zero("ibv_destroy_qp", Ibv.ibv_destroy_qp(pair));
        }

        if (queue != 0)
        {
            Native.Zero("ibv_destroy_cq", Ibv.ibv_destroy_cq(queue));
        }

        if (channel != 0)
        {
            Native.Zero("ibv_destroy_comp_channel", Ibv.ibv_destroy_comp_channel(channel));
        }
    }

    private void Modify(string state, ref IbvQpAttr attributes, int mask) => Native.Zero(
        $"ibv_modify_qp to {state} on {Adapter.Name}",
        Ibv.ibv_modify_qp(pair, ref attributes, mask));
}

/// <summary>What one end of a queue pair needs to know of the other.</summary>
/// <param name="Number">Queue pair number.</param>
/// <param name="Psn">First packet number it sends.</param>
/// <param name="ReadsMax">Reads in flight that its card serves.</param>
internal readonly record struct QueuePairAddress(uint Number, uint Psn, byte ReadsMax);
