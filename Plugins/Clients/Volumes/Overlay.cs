using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>
/// Where the newest acknowledged bytes of a volume stand in the log, as long as the disk has not
/// taken them: two levels of tables, per block of 4 KiB a chain of segments, newest first.
/// </summary>
internal sealed class Overlay(long sizeBytes, SegmentPool pool)
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 4096;

    private const int BlocksPerLeaf = 4096;
    private readonly int[]?[] leaves = new int[]?[
        (int)((sizeBytes + ((long)BlockBytes * BlocksPerLeaf) - 1)
            / ((long)BlockBytes * BlocksPerLeaf))];

    /// <summary>Adds a record's range; newer than all there is.</summary>
    public void Add(long offset, long length, ulong lsn, bool zeros)
    {
        long done = 0;
        while (done < length)
        {
            long at = offset + done;
            int from = (int)(at % BlockBytes);
            int to = (int)Math.Min(BlockBytes, from + length - done);
            ref int chain = ref Chain(at / BlockBytes);
            DropCovered(ref chain, from, to);
            chain = pool.Take(new Segment(lsn, (int)done, (short)from, (short)to, zeros, chain));
            done += to - from;
        }
    }

    /// <summary>Drops what records before <paramref name="before"/> left in a range.</summary>
    public void Drop(long offset, long length, ulong before)
    {
        for (long block = offset / BlockBytes; block * BlockBytes < offset + length; block++)
        {
            if (leaves[block / BlocksPerLeaf] is { } leaf)
            {
                ref int link = ref leaf[block % BlocksPerLeaf];
                while (link != 0)
                {
                    ref Segment segment = ref pool[link];
                    if (segment.Lsn < before)
                    {
                        link = pool.Give(link);
                    }
                    else
                    {
                        link = ref segment.Next;
                    }
                }
            }
        }
    }

    /// <summary>Forgets everything; the pool is cleared by whoever owns it.</summary>
    public void Clear() => Array.Clear(leaves);

    /// <summary>Whether anything of a range stands in the log.</summary>
    public bool Touches(long offset, long length)
    {
        for (long block = offset / BlockBytes; block * BlockBytes < offset + length; block++)
        {
            if (First(block) != 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the log alone gives all of a range, block by block.</summary>
    public bool Covers(long offset, int length)
    {
        for (long block = offset / BlockBytes; block * BlockBytes < offset + length; block++)
        {
            int first = First(block);
            int from = (int)Math.Max(0, offset - (block * BlockBytes));
            int to = (int)Math.Min(BlockBytes, offset + length - (block * BlockBytes));
            if (first == 0 || pool[first].From > from || pool[first].To < to)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Puts what stands in the log over what was read from disk.</summary>
    public void Apply(long offset, Span<byte> into, IGroupLog log)
    {
        for (long block = offset / BlockBytes; block * BlockBytes < offset + into.Length; block++)
        {
            int first = First(block);
            if (first != 0)
            {
                ApplyChain(first, (block * BlockBytes) - offset, into, log);
            }
        }
    }

    private void ApplyChain(int index, long blockAt, Span<byte> into, IGroupLog log)
    {
        Segment segment = pool[index];
        if (segment.Next != 0)
        {
            ApplyChain(segment.Next, blockAt, into, log); // Older ones first.
        }

        int from = (int)Math.Max(0, blockAt + segment.From);
        int to = (int)Math.Min(into.Length, blockAt + segment.To);
        if (from >= to)
        {
            return;
        }

        Span<byte> part = into[from..to];
        if (segment.Zeros)
        {
            part.Clear();
            return;
        }

        bool found = log.TryRead(new Lsn(segment.Lsn), out LogRecord record, out _);
        Contracts.Runtime.Invariant.Require(found && record.Start.Value == segment.Lsn);
        int skip = segment.PayloadAt + (int)(from - (blockAt + segment.From));
        record.Payload.Span.Slice(skip, part.Length).CopyTo(part);
    }

    private int First(long block) =>
        leaves[block / BlocksPerLeaf] is { } leaf ? leaf[block % BlocksPerLeaf] : 0;

    private ref int Chain(long block)
    {
        ref int[]? leaf = ref leaves[block / BlocksPerLeaf];
        leaf ??= new int[BlocksPerLeaf];
        return ref leaf[block % BlocksPerLeaf];
    }

    private void DropCovered(ref int chain, int from, int to)
    {
        ref int link = ref chain;
        while (link != 0)
        {
            ref Segment segment = ref pool[link];
            if (segment.From >= from && segment.To <= to)
            {
                link = pool.Give(link);
            }
            else
            {
                link = ref segment.Next;
            }
        }
    }
}
