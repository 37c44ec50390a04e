using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

/// <summary>What became of a change.</summary>
internal enum Outcome
{
    /// <summary>It is durable.</summary>
    Done,

    /// <summary>It is durable, and there was no object of that key.</summary>
    Created,

    /// <summary>There is nothing to delete.</summary>
    Missing,

    /// <summary>The object is not as the condition wants it.</summary>
    Unmet,

    /// <summary>The index has no room for another object.</summary>
    Full,

    /// <summary>This node serves the volume no more; nothing of it is kept.</summary>
    Dropped,

    /// <summary>This node serves the volume no more; it may be kept or not.</summary>
    Unknown,
}

/// <summary>An object on its way to the volume.</summary>
internal sealed class Upload(string key)
{
    /// <summary>Its key.</summary>
    public string Key => key;

    /// <summary>Its blocks, more than it fills while it is under way.</summary>
    public List<Extent> Extents { get; } = [];

    /// <summary>CRC-32C of each chunk that was given.</summary>
    public List<uint> Sums { get; } = [];

    /// <summary>Bytes that were given.</summary>
    public long Bytes { get; set; }

    /// <summary>Bytes that are written.</summary>
    public long Written { get; set; }
}

/// <summary>A change of the index that waits for its turn.</summary>
/// <param name="Record">The change.</param>
/// <param name="Condition">What the object of that key must be then.</param>
/// <param name="Answer">Told what became of it; not in the call that asks for it.</param>
internal sealed record Change(Record Record, Condition Condition, Action<Outcome> Answer);

/// <summary>
/// A mounted volume: decides where bytes go and in which order. An object's bytes are durable
/// before the record that names it is written, and its answer waits for that record; blocks are
/// free again only when the record that takes them from an object is durable, and nobody reads
/// it. Pure: effects come out as sequences of <see cref="Io"/>.
/// </summary>
/// <param name="layout">Where things are.</param>
/// <param name="super">The superblock that counts, in both copies.</param>
/// <param name="index">The objects.</param>
/// <param name="end">Where the index ends in its half.</param>
/// <param name="number">Number of its next batch.</param>
/// <param name="newStamp">Makes random numbers.</param>
internal sealed partial class Store(
    Layout layout, Superblock super, ObjectIndex index, long end, ulong number,
    Func<ulong> newStamp)
{
    private readonly byte[] buffer = new byte[Batch.BytesMax];
    private readonly List<Change> batch = [];
    private LinkedList<Change> waiting = new();
    private bool committing;

    /// <summary>The objects.</summary>
    public ObjectIndex Index => index;

    /// <summary>Where things are.</summary>
    public Layout Layout => layout;

    /// <summary>The superblock that counts.</summary>
    public Superblock Super { get; private set; } = super;

    /// <summary>Begins to put an object, with room for all of it when its size is known.</summary>
    public Refusal? Begin(string key, long? bytes, out Upload upload)
    {
        upload = new(key);
        return index.RecordBytes >= index.RecordBytesMax ? IndexFull(key)
            : bytes is > 0 ? Extend(upload, bytes.Value)
            : null;
    }

    /// <summary>Makes room for so many bytes of an object.</summary>
    public Refusal? Extend(Upload upload, long bytes)
    {
        long have = upload.Extents.Sum(static extent => (long)extent.Count);
        long more = Layout.BlocksOf(bytes) - have;
        if (more <= 0)
        {
            return null;
        }

        List<Extent> taken = [];
        if (!index.Space.TryTake(
            (uint)Math.Min(more, uint.MaxValue), Entry.ExtentsMax - upload.Extents.Count, taken))
        {
            return new(
                upload.Key, $"{more} free blocks of {Layout.BlockBytes} in at most "
                + $"{Entry.ExtentsMax} pieces",
                $"{index.Space.Free} free of {layout.DataBlocks}", "delete objects");
        }

        foreach (Extent extent in taken)
        {
            if (upload.Extents is [.., var last] && last.First + last.Count == extent.First)
            {
                upload.Extents[^1] = last with { Count = last.Count + extent.Count };
            }
            else
            {
                upload.Extents.Add(extent);
            }
        }

        return null;
    }

    /// <summary>Writes the next chunk, for which there is room. All but the last are whole.
    /// </summary>
    /// <param name="upload">The object.</param>
    /// <param name="chunk">A whole buffer; behind the bytes it is written over.</param>
    /// <param name="bytes">How many bytes of it.</param>
    /// <param name="sum">CRC-32C of them.</param>
    public IEnumerable<Io> Write(Upload upload, Memory<byte> chunk, int bytes, uint sum)
    {
        Invariant.Require(upload.Bytes % Layout.ChunkBytes == 0 && bytes > 0);
        long from = upload.Bytes / Layout.BlockBytes;
        int padded = (int)Layout.BlocksOf(bytes) * Layout.BlockBytes;
        chunk.Span[bytes..padded].Clear(); // Of other objects nothing is written.
        upload.Bytes += bytes;
        upload.Sums.Add(sum);
        foreach (Io io in Pieces(IoKind.Write, upload.Extents, from, chunk[..padded]))
        {
            yield return io;
        }

        upload.Written += bytes;
    }

    /// <summary>Reads a chunk of an object that is pinned, whole blocks of it.</summary>
    public IEnumerable<Io> Read(Entry entry, int chunk, Memory<byte> into) => Pieces(
        IoKind.Read, entry.Extents, (long)chunk * Layout.ChunkBytes / Layout.BlockBytes,
        into[..((int)Layout.BlocksOf(entry.ChunkBytes(chunk)) * Layout.BlockBytes)]);

    /// <summary>Gives up an object; nothing of it is being written.</summary>
    public void Abandon(Upload upload)
    {
        Invariant.Require(upload.Bytes == upload.Written);
        index.Space.Release(upload.Extents);
    }

    /// <summary>Puts what was given.</summary>
    public void Finish(
        Upload upload, byte[] hash, long modified, Condition condition, Action<Outcome> answer)
    {
        Invariant.Require(upload.Bytes == upload.Written);
        Entry entry = new(
            upload.Key, upload.Bytes, modified, hash, [.. upload.Extents], [.. upload.Sums]);
        _ = waiting.AddLast(new Change(new(entry.Key, entry), condition, answer));
    }

    /// <summary>Deletes an object.</summary>
    public void Delete(string key, Condition condition, Action<Outcome> answer) =>
        waiting.AddLast(new Change(new(key, null), condition, answer));

    /// <summary>What is to be done so that what waits is durable; null when nothing waits, or it
    /// is being done.</summary>
    public IEnumerable<Io>? NextCommit()
    {
        if (committing || waiting.Count == 0)
        {
            return null;
        }

        committing = true;
        return Commit();
    }

    /// <summary>Why an index takes no other object.</summary>
    public Refusal IndexFull(string key) => new(
        key, $"an index of at most {index.RecordBytesMax} bytes",
        $"{index.Count} objects in {index.RecordBytes} bytes", "delete objects");

    /// <summary>The volume is not ours any more, and neither is anything said of it.</summary>
    public void Lose()
    {
        committing = true; // For good.
        Change[] unknown = [.. batch];
        Change[] dropped = [.. waiting];
        batch.Clear();
        waiting.Clear();
        Array.ForEach(unknown, static change => change.Answer(Outcome.Unknown));
        Array.ForEach(dropped, static change => change.Answer(Outcome.Dropped));
    }
}
