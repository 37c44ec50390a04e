using StorageOs.Contracts.Transports;

namespace Sample.KeyValue;

/// <summary>
/// Writes frames into the twin's inbox, one-sidedly: they are prepared in our outbox at the place
/// where they will stand there. Lives as long as a session. Reactor thread only.
/// </summary>
internal sealed class Outgoing(
    IPort port, IRegion outbox, IRegion inbox, IRemoteMemory twin, uint tag)
{
    // The most posts of one round: two pieces where the ring ends, the tail, the taken word.
    private const int PostsPerRound = 4;
    private readonly Completion[] completions = new Completion[16];
    private readonly byte[] buffer = new byte[Frame.BytesMax];
    private long posted;
    private long told;
    private int inFlight;

    /// <summary>The most posts that it has in flight.</summary>
    public const int PostsInFlightMax = 32;

    public IPort Port => port;

    /// <summary>Position behind what was put so far.</summary>
    public long Put { get; private set; }

    /// <summary>Position before which all is in the twin's memory.</summary>
    public long Landed { get; private set; }

    /// <summary>Whether a post has failed: the port is of no more use, the session ends.</summary>
    public bool Failed { get; private set; }

    /// <summary>Puts a frame, if the twin has room for it; it is not sent yet.</summary>
    public bool TryPut(Frame frame)
    {
        (uint tagOfTaken, long position) = Ring.Read(inbox.Bytes, Ring.TakenAt);
        long taken = tagOfTaken == tag ? Math.Min(position, posted) : 0;
        if (Put - taken + frame.Bytes > Ring.Bytes)
        {
            return false;
        }

        frame.Write(buffer);
        int at = (int)(Put % Ring.Bytes);
        int first = Math.Min(frame.Bytes, Ring.Bytes - at);
        buffer.AsSpan(0, first).CopyTo(outbox.Bytes[at..]);
        buffer.AsSpan(first, frame.Bytes - first).CopyTo(outbox.Bytes);
        Put += frame.Bytes;
        return true;
    }

    /// <summary>
    /// Sends what was put, and how far we have taken what the twin wrote.
    /// </summary>
    public void Send(long taken)
    {
        if (Failed || (posted == Put && told == taken)
            || inFlight + PostsPerRound > port.PostsInFlightMax)
        {
            return;
        }

        port.Hold();
        if (posted != Put)
        {
            int from = (int)(posted % Ring.Bytes);
            int bytes = (int)(Put - posted);
            int first = Math.Min(bytes, Ring.Bytes - from);
            Write(from, first);
            if (first < bytes)
            {
                Write(0, bytes - first);
            }

            Posted(port.TryPostWriteWord((ulong)Put, Ring.Word(tag, Put), twin, Ring.TailAt));
            posted = Put;
        }

        if (told != taken)
        {
            Posted(port.TryPostWriteWord(0, Ring.Word(tag, taken), twin, Ring.TakenAt));
            told = taken;
        }

        port.Ring();
    }

    /// <summary>Takes completions; whether anything more has landed.</summary>
    public bool Poll()
    {
        long before = Landed;
        while (port.Poll(completions) is var count && count > 0)
        {
            inFlight -= count;
            foreach (Completion completion in completions.AsSpan(0, count))
            {
                Failed |= completion.Status != CompletionStatus.Success;
                if (!Failed && completion.Token > 0)
                {
                    Landed = (long)completion.Token;
                }
            }
        }

        return Landed != before;
    }

    private void Write(int at, int bytes) =>
        Posted(port.TryPostWrite(0, outbox, at, twin, Ring.FramesAt + at, bytes));

    private void Posted(bool accepted)
    {
        Failed |= !accepted; // There was room, so the port takes nothing any more.
        inFlight += accepted ? 1 : 0;
    }
}
