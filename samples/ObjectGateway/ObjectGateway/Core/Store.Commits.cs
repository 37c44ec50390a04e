using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

// How changes become durable: what waits is one batch, and what comes meanwhile the next one.
internal sealed partial class Store
{
    private IEnumerable<Io> Commit()
    {
        if (layout.HalfBytes - end < Batch.BytesMax)
        {
            foreach (Io io in Checkpoint())
            {
                yield return io;
            }
        }

        Form();
        if (batch.Count > 0)
        {
            if (batch.Any(static change => change.Record.Put is not null))
            {
                yield return Io.Flush; // Bytes before the record that names them.
            }

            int length = Batch.Write(
                buffer, Super.Stamp, number, [.. batch.Select(static change => change.Record)]);
            yield return Io.Write(
                layout.HalfAt(Super.Half) + end, buffer.AsMemory(0, length), durable: true);
            (end, number) = (end + length, number + 1);
        }

        Change[] done = [.. batch];
        batch.Clear();
        committing = false;
        foreach (Change change in done)
        {
            bool isNew = change.Record.Put is not null && index.Find(change.Record.Key) is null;
            index.Apply(change.Record); // Blocks are free from here on, and not before.
            change.Answer(isNew ? Outcome.Created : Outcome.Done);
        }
    }

    /// <summary>
    /// Chooses what the next batch holds, one change of a key at most: each condition is held
    /// against the object that it will find.
    /// </summary>
    private void Form()
    {
        LinkedList<Change> later = new();
        HashSet<string> keys = [];
        int bytes = 0;
        long records = index.RecordBytes;
        foreach (Change change in waiting)
        {
            Record record = change.Record;
            if (!keys.Add(record.Key) || bytes + record.Bytes > Batch.RecordBytesMax)
            {
                _ = later.AddLast(change);
                continue;
            }

            Entry? before = index.Find(record.Key);
            int more = (record.Put?.RecordBytes ?? 0) - (before?.RecordBytes ?? 0);
            Outcome outcome = !change.Condition.Allows(before) ? Outcome.Unmet
                : record.Put is null && before is null ? Outcome.Missing
                : more > 0 && records + more > index.RecordBytesMax ? Outcome.Full
                : Outcome.Done;
            if (outcome == Outcome.Done)
            {
                batch.Add(change);
                (bytes, records) = (bytes + record.Bytes, records + more);
                continue;
            }

            index.Space.Release(record.Put?.Extents ?? []);
            change.Answer(outcome);
        }

        waiting = later;
    }

    /// <summary>
    /// Writes the index as it is into the other half, and makes that the one that counts: one copy
    /// of the superblock after the other, so that there is a good one at any time. Until both say
    /// so, what counted before is untouched.
    /// </summary>
    private IEnumerable<Io> Checkpoint()
    {
        Superblock next = Super with
        {
            Generation = Super.Generation + 1,
            Half = 1 - Super.Half,
            Stamp = newStamp(),
        };
        (long at, ulong batches) = (0, 0);
        foreach (Record[] records in Batches())
        {
            int length = Batch.Write(buffer, next.Stamp, batches++, records);
            yield return Io.Write(layout.HalfAt(next.Half) + at, buffer.AsMemory(0, length));
            at += length;
        }

        Invariant.Require(layout.HalfBytes - at >= Batch.BytesMax);
        yield return Io.Flush;
        for (int copy = 0; copy < 2; copy++)
        {
            next.Write(buffer);
            yield return Io.Write(
                layout.SuperblockAt(copy), buffer.AsMemory(0, Layout.BlockBytes), durable: true);
        }

        (Super, end, number) = (next, at, batches);
    }

    private IEnumerable<Record[]> Batches()
    {
        List<Record> records = [];
        int bytes = 0;
        foreach (Entry entry in index.All)
        {
            if (bytes + entry.RecordBytes > Batch.RecordBytesMax)
            {
                yield return [.. records];
                records.Clear();
                bytes = 0;
            }

            records.Add(new(entry.Key, entry));
            bytes += entry.RecordBytes;
        }

        if (records.Count > 0)
        {
            yield return [.. records];
        }
    }

    /// <summary>What a chunk is on the volume: a piece for each extent that it lies in.</summary>
    private IEnumerable<Io> Pieces(
        IoKind kind, IReadOnlyList<Extent> extents, long from, Memory<byte> chunk)
    {
        foreach (Extent extent in extents)
        {
            if (from >= extent.Count)
            {
                from -= extent.Count;
                continue;
            }

            int length = (int)Math.Min(
                chunk.Length, (extent.Count - from) * Layout.BlockBytes);
            yield return new(
                kind, layout.AddressOf(extent.First + (uint)from), chunk[..length]);
            chunk = chunk[length..];
            from = 0;
            if (chunk.IsEmpty)
            {
                yield break;
            }
        }

        Invariant.Require(chunk.IsEmpty);
    }
}
