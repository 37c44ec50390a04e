using StorageOs.Contracts.Transports;

namespace StorageOs.NvramMirror;

/// <summary>What a post was for.</summary>
internal enum OpKind : byte
{
    /// <summary>Nothing that is waited for by itself.</summary>
    Data,

    /// <summary>The tail word: with it, everything before its value is in the partner's
    /// copy.</summary>
    Tail,

    /// <summary>The head word: with it, space before its value may be used again (L3).</summary>
    Head,

    /// <summary>A beat (S5).</summary>
    Beat,

    /// <summary>The partner's header was read for a push.</summary>
    PushRead,

    /// <summary>The last word of a push.</summary>
    PushDone,

    /// <summary>The partner's page was read.</summary>
    PageRead,
}

/// <summary>A post in flight: what it was for, whose it is, and in which life of the
/// mirror.</summary>
internal readonly record struct MirrorOp(OpKind Kind, GroupLog? Log, int Epoch, ulong Value);

/// <summary>
/// A port and what is in flight on it, oldest first, as completions come in order. Lives as long
/// as one grant of the port. Reactor thread only; allocates nothing after it is made.
/// </summary>
internal sealed class MirrorPort(IPort port)
{
    private readonly MirrorOp[] inFlight = new MirrorOp[PortNeed.PostsInFlightLimit];
    private readonly int[] bytes = new int[PortNeed.PostsInFlightLimit];
    private readonly Completion[] completions = new Completion[64];
    private int bytesInFlight;
    private uint oldest;
    private uint next;

    /// <summary>The port itself.</summary>
    public IPort Port => port;

    /// <summary>How many more posts there is room for.</summary>
    public int Room => port.PostsInFlightMax - (int)(next - oldest);

    /// <summary>
    /// How many more bytes there is room for; negative when the last write took more.
    /// </summary>
    public int BytesRoom => Limits.BytesInFlightMax - bytesInFlight;

    /// <summary>Whether anything is in flight.</summary>
    public bool Busy => next != oldest;

    /// <summary>Whether an operation failed or the port is not open: it is of no more
    /// use.</summary>
    public bool Failed { get; private set; }

    /// <summary>Posts a write; there must be <see cref="Room"/>.</summary>
    public void Write(
        in MirrorOp op, IRegion source, int offset, IRemoteMemory target, long to, int length)
    {
        Posted(op, port.TryPostWrite(next, source, offset, target, to, length), length);
    }

    /// <summary>Posts a word; there must be <see cref="Room"/>.</summary>
    public void WriteWord(in MirrorOp op, ulong value, IRemoteMemory target, int to) =>
        Posted(op, port.TryPostWriteWord(next, value, target, to));

    /// <summary>
    /// Posts a word, completed once it and all posted before it are durable in the partner's
    /// persistent memory; there must be <see cref="Room"/> for two.
    /// </summary>
    public void WriteWordDurably(in MirrorOp op, ulong value, IRemoteMemory target, int to)
    {
        if (port is not IPersistentFlush flush)
        {
            WriteWord(op, value, target, to); // What has landed there is durable.
            return;
        }

        WriteWord(op with { Kind = OpKind.Data }, value, target, to);
        Posted(op, flush.TryPostFlush(next, target));
    }

    /// <summary>Posts a read; there must be <see cref="Room"/>.</summary>
    public void Read(
        in MirrorOp op, IRegion destination, int offset, IRemoteMemory source, long from,
        int length)
    {
        Posted(op, port.TryPostRead(next, destination, offset, source, from, length));
    }

    /// <summary>Takes completions and hands each to its log.</summary>
    /// <returns>Whether there was any.</returns>
    public bool Poll(Action<MirrorOp> pageRead)
    {
        int count = port.Poll(completions);
        for (int i = 0; i < count; i++)
        {
            bytesInFlight -= bytes[oldest % PortNeed.PostsInFlightLimit];
            MirrorOp op = inFlight[oldest++ % PortNeed.PostsInFlightLimit];
            if (completions[i].Status != CompletionStatus.Success)
            {
                Failed = true;
            }
            else if (op.Log is { } log)
            {
                log.Completed(op);
            }
            else
            {
                pageRead(op);
            }
        }

        Failed |= port.State != PortState.Open;
        return count != 0;
    }

    private void Posted(in MirrorOp op, bool posted, int length = 0)
    {
        if (posted)
        {
            bytesInFlight += length;
            bytes[next % PortNeed.PostsInFlightLimit] = length;
            inFlight[next++ % PortNeed.PostsInFlightLimit] = op;
        }
        else
        {
            Failed = true; // There was room, so the port takes nothing any more.
        }
    }
}
