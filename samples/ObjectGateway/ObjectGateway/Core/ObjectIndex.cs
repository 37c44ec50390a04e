using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

/// <summary>All objects of a volume, in memory, and the blocks that they have. Pure.</summary>
internal sealed class ObjectIndex(Layout layout)
{
    private readonly Dictionary<string, Entry> entries = [];
    private readonly SortedSet<string> keys = new(StringComparer.Ordinal);

    /// <summary>Which blocks are in use, by objects and by what is being put.</summary>
    public Allocator Space { get; } = new(layout.DataBlocks);

    /// <summary>How many objects.</summary>
    public int Count => entries.Count;

    /// <summary>Bytes of their records.</summary>
    public long RecordBytes { get; private set; }

    /// <summary>
    /// What those may be: an index of so many leaves half of its half to what comes after it.
    /// </summary>
    public long RecordBytesMax => layout.HalfBytes / 2;

    /// <summary>All objects, by key.</summary>
    public IEnumerable<Entry> All => keys.Select(key => entries[key]);

    /// <summary>The object of that key; null when there is none.</summary>
    public Entry? Find(string key) => entries.GetValueOrDefault(key);

    /// <summary>Objects whose key begins so, in order, from behind a key on.</summary>
    public IEnumerable<Entry> From(string prefix, string after)
    {
        string last = prefix + char.MaxValue;
        string first = string.CompareOrdinal(after, prefix) > 0 ? after : prefix;
        return string.CompareOrdinal(first, last) > 0 ? [] : keys.GetViewBetween(first, last)
            .Where(key => key != after || after.Length == 0)
            .TakeWhile(key => key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(key => entries[key]);
    }

    /// <summary>
    /// Makes a record's change; an object that was there before gives its blocks back as soon as
    /// nobody reads it. The blocks of a new one are taken already.
    /// </summary>
    public void Apply(Record record)
    {
        if (entries.Remove(record.Key, out Entry? before))
        {
            RecordBytes -= before.RecordBytes;
            before.Gone = true;
            GiveBack(before);
        }

        if (record.Put is { } put)
        {
            RecordBytes += put.RecordBytes;
            entries.Add(put.Key, put);
            _ = keys.Add(put.Key);
        }
        else
        {
            _ = keys.Remove(record.Key);
        }
    }

    /// <summary>The object of that key, whose blocks stay its own until it is unpinned.</summary>
    public Entry? Pin(string key)
    {
        Entry? entry = Find(key);
        if (entry is not null)
        {
            entry.Readers++;
        }

        return entry;
    }

    /// <summary>Ends a pin.</summary>
    public void Unpin(Entry entry)
    {
        Invariant.Require(entry.Readers > 0);
        entry.Readers--;
        GiveBack(entry);
    }

    private void GiveBack(Entry entry)
    {
        if (entry is { Gone: true, Readers: 0 })
        {
            Space.Release(entry.Extents);
        }
    }
}
