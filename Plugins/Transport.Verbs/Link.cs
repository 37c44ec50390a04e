using System.Diagnostics;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// What joins two nodes while their well-known port is connected: the card and the path of every
/// port, and a queue pair of the transport's own by which each says what it closes. Ends once,
/// and then every port of it has ended. Any thread.
/// </summary>
internal sealed class Link
{
    private readonly VerbsTransport transport;
    private readonly QueuePair control;
    private readonly ulong ownId;
    private readonly Greeting theirs;
    private readonly Lock gate = new();
    private volatile int state = (int)PortState.Open;
    private readonly Goodbyes goodbyes = new();
    private bool released;

    /// <summary>Takes over a connected control pair.</summary>
    public Link(
        VerbsTransport transport,
        QueuePair control,
        ulong ownId,
        Greeting theirs,
        IbvQpAttr path,
        string name)
    {
        this.transport = transport;
        this.control = control;
        this.ownId = ownId;
        this.theirs = theirs;
        Path = path;
        Name = name;
    }

    /// <summary>Open, or how it ended; looks at what the partner said, changes nothing.</summary>
    public PortState State
    {
        get
        {
            PortState now = (PortState)state;
            return now == PortState.Open && transport.Board.SaysClosed(ownId)
                ? PortState.ClosedByPartner
                : now;
        }
    }

    /// <summary>The card.</summary>
    public Adapter Adapter => control.Adapter;

    /// <summary>
    /// Address vector, MTU, port and P_Key index of every queue pair of the link.
    /// </summary>
    public IbvQpAttr Path { get; }

    /// <summary>The path in words.</summary>
    public string Name { get; }

    /// <summary>What the partner calls the link.</summary>
    public ulong PartnerId => theirs.LinkId;

    /// <summary>What we call it.</summary>
    public ulong OwnId => ownId;

    /// <summary>Why it ended; empty while it has not.</summary>
    public string Detail { get; private set; } = "";

    /// <summary>Ends it and every port of it.</summary>
    public void End(PortState why, string detail)
    {
        lock (gate)
        {
            if (state != (int)PortState.Open)
            {
                return;
            }

            Detail = detail;
            state = (int)why;
            if (!released)
            {
                _ = control.TryFail(); // A card that cannot is gone, and says nothing more.
            }
        }

        transport.EndPorts(this, why);
    }

    /// <summary>Tells the partner that our end of one of its ports is closed.</summary>
    public void SayClosed(ulong partnerId)
    {
        string? failed;
        lock (gate)
        {
            if (released || state != (int)PortState.Open)
            {
                return;
            }

            failed = goodbyes.InFlight < Limits.GoodbyesMax || IsDownTo(Limits.GoodbyesMax - 1)
                ? Post(partnerId)
                : "the partner's card takes no goodbye";
        }

        if (failed is not null)
        {
            End(PortState.PartnerGone, failed);
        }
    }

    /// <summary>
    /// Tells the partner that all of it is closed, if it can be told, and ends it.
    /// </summary>
    public void Close()
    {
        SayClosed(PartnerId);
        lock (gate)
        {
            if (!released && state == (int)PortState.Open)
            {
                _ = IsDownTo(0); // In vain when the partner is gone; it will see that by itself.
            }
        }

        End(PortState.Disposed, "closed here");
        bool flushed;
        lock (gate)
        {
            if (released)
            {
                return;
            }

            released = true;
            flushed = IsFlushed();
        }

        if (flushed)
        {
            transport.Retirement.Take(control);
        }
        else
        {
            control.Dispose();
        }
    }

    /// <summary>
    /// Waits a little until the failed pair has completed its goodbyes; whether it has.
    /// </summary>
    private bool IsFlushed()
    {
        SpinWait spin = default;
        for (long start = Stopwatch.GetTimestamp();
            goodbyes.InFlight > 0 && Stopwatch.GetElapsedTime(start) < Limits.FlushWait;)
        {
            Take();
            spin.SpinOnce();
        }

        return goodbyes.InFlight == 0;
    }

    private string? Post(ulong partnerId)
    {
        Take();
        if (goodbyes.Wrong is null)
        {
            WorkRequest request = new(
                0,
                IbvConstants.IBV_WR_RDMA_WRITE,
                IbvConstants.IBV_SEND_INLINE,
                0,
                0,
                sizeof(ulong),
                Limits.BoardAddress + (ulong)Board.OffsetOf(partnerId),
                theirs.BoardKey);
            goodbyes.Posted(control.PostWord(in request, partnerId));
        }

        return goodbyes.Wrong;
    }

    /// <summary>Waits a little until at most so many are in flight; whether they are.</summary>
    private bool IsDownTo(int most)
    {
        long start = Stopwatch.GetTimestamp();
        SpinWait spin = default;
        Take();
        while (goodbyes.Wrong is null && goodbyes.InFlight > most
            && Stopwatch.GetElapsedTime(start) < Limits.GoodbyeWait)
        {
            spin.SpinOnce();
            Take();
        }

        return goodbyes.InFlight <= most;
    }

    private void Take()
    {
        Span<IbvWc> done = stackalloc IbvWc[Limits.CompletionsAtOnce];
        goodbyes.Took(done, control.Poll(done));
    }
}
