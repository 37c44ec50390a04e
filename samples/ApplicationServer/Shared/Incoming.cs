using StorageOs.Contracts.Transports;

namespace ApplicationServer.Shared;

/// <summary>What to do with a frame; false: no more of them.</summary>
internal delegate bool FrameTaker(in Frame frame);

/// <summary>
/// Reads the frames that the twin writes into our inbox. Everything there is copied before it is
/// looked at, for the twin may change it at any moment. Reactor thread only.
/// </summary>
internal sealed class Incoming(IRegion inbox)
{
    private readonly byte[] buffer = new byte[Frame.BytesMax];
    private uint tag;

    /// <summary>Position behind what was taken so far.</summary>
    public long Taken { get; private set; }

    /// <summary>Begins with a session: nothing of it was taken yet.</summary>
    public void Begin(uint tagOfSession)
    {
        (tag, Taken) = (tagOfSession, 0);
        Done(0);
    }

    /// <summary>Begins with what an earlier life of this process left, as its words say.</summary>
    public void BeginWithWhatIsLeft()
    {
        (tag, _) = Ring.Read(inbox.Bytes, Ring.TailAt);
        (uint tagOfDone, long done) = Ring.Read(inbox.Bytes, Ring.DoneAt);
        Taken = tagOfDone == tag ? done : 0;
    }

    /// <summary>Takes every frame there is.</summary>
    /// <returns>What is wrong with what the twin wrote; null when nothing is.</returns>
    public string? Take(FrameTaker taker)
    {
        (uint tagOfTail, long tail) = Ring.Read(inbox.Bytes, Ring.TailAt);
        if (tagOfTail != tag)
        {
            return null; // It has written nothing in this session.
        }

        if (tail < Taken || tail - Taken > Ring.Bytes)
        {
            return $"a tail of {Taken} to {Taken + Ring.Bytes} was expected, found {tail}";
        }

        while (Taken < tail)
        {
            Copy(buffer.AsSpan(0, Frame.HeaderBytes));
            int bytes = Frame.LengthOf(buffer);
            if (bytes == 0 || bytes > tail - Taken)
            {
                return $"a whole frame was expected at {Taken}, found a length that is none";
            }

            Copy(buffer.AsSpan(0, bytes));
            if (!Frame.TryRead(buffer.AsSpan(0, bytes), out Frame frame))
            {
                return $"a whole frame was expected at {Taken}, found one that is torn";
            }

            if (!taker(frame))
            {
                return null;
            }

            Taken += bytes;
        }

        return null;
    }

    /// <summary>
    /// What stands before a position is kept elsewhere: a next life of this process begins there.
    /// </summary>
    public void Done(long position) =>
        Ring.Write(inbox.Bytes, Ring.DoneAt, Ring.Word(tag, position));

    private void Copy(Span<byte> into)
    {
        int at = (int)(Taken % Ring.Bytes);
        ReadOnlySpan<byte> frames = inbox.Bytes[Ring.FramesAt..];
        int first = Math.Min(into.Length, Ring.Bytes - at);
        frames.Slice(at, first).CopyTo(into);
        frames[..(into.Length - first)].CopyTo(into[first..]);
    }
}
