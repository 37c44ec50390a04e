namespace StorageOs.Volumes;

/// <summary>A part of one block that stands in the log.</summary>
/// <param name="Lsn">Start of its record.</param>
/// <param name="PayloadAt">Where in the record's payload it starts.</param>
/// <param name="From">First byte within the block.</param>
/// <param name="To">End within the block.</param>
/// <param name="Zeros">Whether it reads as zeros and has no payload.</param>
/// <param name="Next">Index of the next older one; 0 ends the chain.</param>
internal record struct Segment(
    ulong Lsn, int PayloadAt, short From, short To, bool Zeros, int Next)
{
    /// <summary>Index of the next older one; 0 ends the chain.</summary>
    public int Next = Next;
}

/// <summary>Segments of all volumes of a group, reused; grows, and never shrinks.</summary>
internal sealed class SegmentPool
{
    private Segment[] segments = new Segment[4096];
    private int used = 1; // Index 0 ends chains.
    private int free;

    /// <summary>How many are in use.</summary>
    public int Count { get; private set; }

    /// <summary>One of them; the reference is good until the next <see cref="Take"/>.</summary>
    public ref Segment this[int index] => ref segments[index];

    /// <summary>Stores a segment and returns its index.</summary>
    public int Take(in Segment segment)
    {
        int index = free;
        if (index != 0)
        {
            free = segments[index].Next;
        }
        else
        {
            index = used++;
            if (index == segments.Length)
            {
                Array.Resize(ref segments, segments.Length * 2);
            }
        }

        segments[index] = segment;
        Count++;
        return index;
    }

    /// <summary>Gives one back and returns what came after it.</summary>
    public int Give(int index)
    {
        int next = segments[index].Next;
        segments[index].Next = free;
        free = index;
        Count--;
        return next;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        used = 1;
        free = 0;
        Count = 0;
    }
}
