using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace Sample.KeyValue;

// The map as it stands in memory that outlives the process. Two halves; one of them is the map: a
// whole copy, as one node sends it to the other, and the writes since, each behind the other. A
// half's length is one word, written behind what it counts, and so is the number of the half that
// is the map: whenever the process is killed, what stands there is a state that the map once had.

/// <summary>The map, in memory that a next life finds. Reactor thread only.</summary>
internal sealed class Store(Func<Memory<byte>> memory)
{
    public const int HalfBytes = 2 * 1024 * 1024;
    public const int Bytes = Size.Page + (2 * HalfBytes);
    public const int LiveBytesMax = HalfBytes / 2;

    private const int ActiveAt = 0;
    private const int AloneAt = 8;
    private const int TakenAt = 16;
    private const int MachineAt = 24;
    private const int LengthAt = 32; // One word for each half.
    private Image now = new();
    private Image? coming;

    /// <summary>The map; keys as letters of Latin 1.</summary>
    public IReadOnlyDictionary<string, byte[]> Map => now.Map;

    public History History => now.History;

    /// <summary>Bytes of keys, values and what belongs to them.</summary>
    public long LiveBytes => now.LiveBytes;

    /// <summary>Whether this node may go on writing alone; kept.</summary>
    public bool MayGoAlone
    {
        get => Word(AloneAt) != 0;
        set => Word(AloneAt) = value ? 1u : 0;
    }

    /// <summary>How far the twin's writes were taken from the inbox; kept.</summary>
    public ulong Taken
    {
        get => Word(TakenAt);
        set => Volatile.Write(ref Word(TakenAt), value);
    }

    private int Active => (int)(Word(ActiveAt) & 1);

    /// <summary>Finds what an earlier life left; whether that is whole.</summary>
    /// <param name="machine">Of this boot of the machine: what another one left is not known.
    /// </param>
    public bool Open(ulong machine)
    {
        if (Word(MachineAt) != machine)
        {
            (MayGoAlone, Taken, Word(MachineAt)) = (false, 0, machine);
        }

        ulong length = Word(LengthAt + (8 * Active));
        bool whole = length <= HalfBytes
            && TryRead(Half(Active)[..(int)length], out now) == (int)length;
        if (!whole)
        {
            now = new();
            Word(LengthAt + (8 * Active)) = 0;
        }

        return whole;
    }

    /// <summary>Takes the state of a file if it continues what is here; whether it does.</summary>
    public bool Adopt(ReadOnlySpan<byte> file)
    {
        _ = TryRead(file, out Image kept);
        bool newer = kept.History.Count > 0 && kept.History.Holds(History)
            && !History.Holds(kept.History);
        if (newer)
        {
            now = kept;
            Compact();
        }

        return newer;
    }

    /// <summary>All of it as bytes, for a file.</summary>
    public byte[] Save() => Half(Active)[..(int)Word(LengthAt + (8 * Active))].ToArray();

    /// <summary>All of it as frames, for the partner.</summary>
    public IEnumerable<Frame> Copy(FrameKind kind = FrameKind.Copy) =>
    [
        new(kind, History.Count, History.ToBytes()),
        .. Map.Select(static entry => new Frame(FrameKind.Entry, 0, 0, entry.Key, entry.Value)),
        new(FrameKind.Copied, History.Count),
    ];

    /// <summary>Makes a write; whether its key was there.</summary>
    public bool Apply(Frame write)
    {
        Invariant.Require(write.IsWrite && write.Count == History.Count + 1);
        if (!TryAppend(Active, write))
        {
            Compact();
            Invariant.Require(TryAppend(Active, write)); // What lives is half of it at most.
        }

        bool was = Map.ContainsKey(write.Key);
        Invariant.Require(now.Take(write));
        return was;
    }

    /// <summary>
    /// Takes a frame of the partner's copy; with the last one that is the map, at once.
    /// </summary>
    /// <returns>Whether it is one that can come now.</returns>
    public bool TakeCopy(Frame frame)
    {
        int other = 1 - Active;
        if (frame.Kind is FrameKind.Copy or FrameKind.CopyOver)
        {
            (coming, Word(LengthAt + (8 * other))) = (new(), 0);
            frame = frame with { Kind = FrameKind.Copy };
        }

        if (coming is null || frame.IsWrite || coming.LiveBytes + frame.Bytes > LiveBytesMax
            + Frame.BytesMax || !coming.Take(frame) || !TryAppend(other, frame))
        {
            return false;
        }

        if (coming.IsWhole)
        {
            (now, coming) = (coming, null);
            (MayGoAlone, Taken) = (false, 0);
            Volatile.Write(ref Word(ActiveAt), (ulong)other);
        }

        return true;
    }

    private static int TryRead(ReadOnlySpan<byte> from, out Image image)
    {
        image = new();
        int at = 0;
        while (Frame.Read(from[at..]) is { } frame && image.Take(frame))
        {
            at += frame.Bytes;
        }

        image = image.IsWhole ? image : new();
        return at;
    }

    private void Compact()
    {
        int other = 1 - Active;
        coming = null;
        Word(LengthAt + (8 * other)) = 0;
        foreach (Frame frame in Copy())
        {
            Invariant.Require(TryAppend(other, frame));
        }

        Volatile.Write(ref Word(ActiveAt), (ulong)other);
    }

    private bool TryAppend(int half, Frame frame)
    {
        ref ulong length = ref Word(LengthAt + (8 * half));
        if (length + (ulong)frame.Bytes > HalfBytes)
        {
            return false;
        }

        frame.Write(Half(half)[(int)length..]);
        Volatile.Write(ref length, length + (ulong)frame.Bytes);
        return true;
    }

    private Span<byte> Half(int half) =>
        memory().Span.Slice(Size.Page + (half * HalfBytes), HalfBytes);

    private ref ulong Word(int at) => ref MemoryMarshal.AsRef<ulong>(memory().Span[at..]);

    /// <summary>What frames one behind the other amount to.</summary>
    private sealed class Image
    {
        public Dictionary<string, byte[]> Map { get; } = new(StringComparer.Ordinal);

        public History History { get; private set; } = History.Empty;

        public long LiveBytes { get; private set; }

        /// <summary>An empty one is; one that was begun is once it was copied.</summary>
        public bool IsWhole { get; private set; } = true;

        /// <summary>Takes the next frame; false when it is none that can come now.</summary>
        public bool Take(Frame frame)
        {
            switch (frame.Kind)
            {
                case FrameKind.Copy when History.Of(frame.Count, frame.Value) is { } history
                    && Map.Count == 0:
                    (History, IsWhole) = (history, false);
                    return true;
                case FrameKind.Entry when !IsWhole:
                    Put(frame.Key, frame.Value);
                    return true;
                case FrameKind.Copied when !IsWhole && frame.Count == History.Count:
                    IsWhole = true;
                    return true;
                case FrameKind.Set or FrameKind.Delete
                    when IsWhole && frame.Count == History.Count + 1:
                    History = History.Then(frame.Reign);
                    Put(frame.Key, frame.Kind is FrameKind.Set ? frame.Value : null);
                    return true;
                default:
                    return false;
            }
        }

        private void Put(string key, byte[]? value)
        {
            if (Map.Remove(key, out byte[]? old))
            {
                LiveBytes -= Replica.BytesOf(key, old);
            }

            if (value is not null)
            {
                Map[key] = value;
                LiveBytes += Replica.BytesOf(key, value);
            }
        }
    }
}
