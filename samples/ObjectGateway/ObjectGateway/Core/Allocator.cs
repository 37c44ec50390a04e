using System.Numerics;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

/// <summary>Which blocks are in use. In memory alone: the index says it at each mount. Pure.
/// </summary>
internal sealed class Allocator
{
    private const int WordBits = 64;
    private readonly uint blocks;
    private readonly ulong[] used;
    private uint cursor;

    /// <summary>All are free.</summary>
    public Allocator(uint blocks)
    {
        this.blocks = Free = blocks;
        used = new ulong[(blocks + WordBits - 1) / WordBits];
    }

    /// <summary>How many are free.</summary>
    public uint Free { get; private set; }

    /// <summary>Whether a block is in use.</summary>
    public bool IsUsed(uint block) => (used[block / WordBits] >> (int)(block % WordBits) & 1) != 0;

    /// <summary>
    /// Takes blocks: in a row if there is such a row, else the first that are free. The search
    /// begins where the last one ended, so what was freed rests for a while.
    /// </summary>
    /// <returns>
    /// False, and nothing is taken, when not so many are free or not in so few extents.
    /// </returns>
    public bool TryTake(uint count, int extentsMax, List<Extent> into)
    {
        if (count > Free)
        {
            return false;
        }

        if (count == 0)
        {
            return true;
        }

        List<Extent> found = [];
        if (!Find(cursor, blocks, count, whole: true, found)
            && !Find(0, blocks, count, whole: true, found)
            && (!Find(0, blocks, count, whole: false, found) || found.Count > extentsMax))
        {
            return false;
        }

        foreach (Extent extent in found)
        {
            Invariant.Require(TryUse(extent));
            cursor = extent.First + extent.Count;
            into.Add(extent);
        }

        return true;
    }

    /// <summary>Takes these blocks; false, and nothing is taken, unless all are free.</summary>
    public bool TryUse(Extent extent)
    {
        if (extent.Count == 0 || extent.First >= blocks || extent.Count > blocks - extent.First)
        {
            return false;
        }

        for (uint block = extent.First; block < extent.First + extent.Count; block++)
        {
            if (IsUsed(block))
            {
                return false;
            }
        }

        Set(extent);
        Free -= extent.Count;
        return true;
    }

    /// <summary>Gives blocks back that are in use.</summary>
    public void Release(IEnumerable<Extent> extents)
    {
        foreach (Extent extent in extents)
        {
            for (uint block = extent.First; block < extent.First + extent.Count; block++)
            {
                Invariant.Require(IsUsed(block));
            }

            Set(extent);
            Free += extent.Count;
        }
    }

    private void Set(Extent extent)
    {
        for (uint block = extent.First; block < extent.First + extent.Count; block++)
        {
            used[block / WordBits] ^= 1UL << (int)(block % WordBits);
        }
    }

    /// <summary>Finds free blocks: one row of all, or rows until there are enough.</summary>
    private bool Find(uint from, uint to, uint count, bool whole, List<Extent> found)
    {
        found.Clear();
        uint have = 0;
        for (uint at = NextFree(from, to); at < to && have < count;)
        {
            uint most = Math.Min(to, at + count - have);
            uint end = at + 1;
            while (end < most && !IsUsed(end))
            {
                end++;
            }

            if (!whole || end - at == count)
            {
                found.Add(new(at, end - at));
                have += end - at;
            }

            at = NextFree(end, to);
        }

        return have == count;
    }

    private uint NextFree(uint from, uint to)
    {
        while (from < to)
        {
            ulong free = ~used[from / WordBits] >> (int)(from % WordBits);
            if (free != 0)
            {
                return Math.Min(to, from + (uint)BitOperations.TrailingZeroCount(free));
            }

            from = (from / WordBits * WordBits) + WordBits;
        }

        return to;
    }
}
