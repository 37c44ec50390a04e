using StorageOs.Contracts.Transports;

namespace Sample.KeyValue;

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

    /// <summary>That, as it can be kept.</summary>
    public ulong TakenWord => Ring.Word(tag, Taken);

    /// <summary>Begins with a session: nothing of it was taken yet.</summary>
    public void Begin(uint tagOfSession) => (tag, Taken) = (tagOfSession, 0);

    /// <summary>Goes on where an earlier life of this process was.</summary>
    public void GoOn(ulong takenWord) => (tag, Taken) = Ring.Split(takenWord);

    /// <summary>
    /// Forgets what was written, while the twin cannot write: a twin that comes back, its process
    /// started again, is met under the tag of the same session.
    /// </summary>
    public void Clear() => inbox.Bytes[..Ring.FramesAt].Clear();

    /// <summary>Takes every frame there is.</summary>
    /// <returns>What is wrong with what the twin wrote; null when nothing is.</returns>
    public string? Take(Func<Frame, string?> taker)
    {
        (uint tagOfTail, long tail) = Ring.Read(inbox.Bytes, Ring.TailAt);
        if (tagOfTail != tag)
        {
            return null; // It has written nothing in this session.
        }

        if (tail < Taken || tail - Taken > Ring.Bytes)
        {
            return $"a tail of {tail} where {Taken} was taken";
        }

        while (Taken < tail)
        {
            Copy(buffer.AsSpan(0, Frame.HeaderBytes));
            int bytes = Frame.LengthOf(buffer);
            if (bytes == 0 || bytes > tail - Taken)
            {
                return $"a frame at {Taken} with a length that is none";
            }

            Copy(buffer.AsSpan(0, bytes));
            if (Frame.Read(buffer.AsSpan(0, bytes)) is not { } frame)
            {
                return $"a frame at {Taken} that is torn";
            }

            if (taker(frame) is { } wrong)
            {
                return wrong;
            }

            Taken += bytes;
        }

        return null;
    }

    private void Copy(Span<byte> into)
    {
        int at = (int)(Taken % Ring.Bytes);
        ReadOnlySpan<byte> frames = inbox.Bytes.Slice(Ring.FramesAt, Ring.Bytes);
        int first = Math.Min(into.Length, Ring.Bytes - at);
        frames.Slice(at, first).CopyTo(into);
        frames[..(into.Length - first)].CopyTo(into[first..]);
    }
}
