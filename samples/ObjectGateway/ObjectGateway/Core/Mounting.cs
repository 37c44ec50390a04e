using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

/// <summary>
/// Finds what is on a volume: reads the superblock, then the index from its beginning to where it
/// ends, and mends the copy of the superblock that a crash left behind. Pure.
/// </summary>
/// <param name="volume">The volume's name.</param>
/// <param name="layout">Where things are.</param>
/// <param name="format">Whether a volume of zeros is made one for objects.</param>
/// <param name="newStamp">Makes random numbers.</param>
/// <param name="nextData">
/// The first place from an offset on that may be other than zeros; the volume's size when none is.
/// </param>
internal sealed class Mounting(
    string volume, Layout layout, bool format, Func<ulong> newStamp, Func<long, long> nextData)
{
    private readonly byte[] window = new byte[4 * Batch.BytesMax];
    private readonly ObjectIndex index = new(layout);
    private Superblock super = null!;
    private ulong number;
    private long end;

    /// <summary>What is on it, once the steps are done; null when that is refused.</summary>
    public Store? Result { get; private set; }

    /// <summary>Why it is refused.</summary>
    public Refusal? Refused { get; private set; }

    /// <summary>What was mended, for people; empty when nothing was.</summary>
    public string Mended { get; private set; } = "";

    /// <summary>Carries it out.</summary>
    public IEnumerable<Io> Steps()
    {
        Superblock?[] copies = new Superblock?[2];
        for (int copy = 0; copy < 2; copy++)
        {
            Memory<byte> block = window.AsMemory(0, Layout.BlockBytes);
            yield return Io.Read(layout.SuperblockAt(copy), block);
            copies[copy] = Superblock.Read(volume, block.Span, out Refusal? wrong);
            Refused ??= wrong;
        }

        bool isNew = copies is [null, null];
        foreach (Io io in Refused is not null ? [] : isNew ? Format() : Replay(copies))
        {
            yield return io;
        }

        if (Refused is null && index.RecordBytes > index.RecordBytesMax)
        {
            Refused = new(
                $"volume {volume}", $"an index of at most {index.RecordBytesMax} bytes",
                $"{index.RecordBytes}", "this is no damage: look for another writer");
        }

        if (Refused is not null)
        {
            yield break;
        }

        for (int copy = 0; copy < 2; copy++)
        {
            if (copies[copy] != super) // Another is left alone: it may be the only one.
            {
                Mended = isNew ? "formatted" : $"copy {copy} of the superblock was mended";
                super.Write(window.AsSpan(0, Layout.BlockBytes));
                yield return Io.Write(
                    layout.SuperblockAt(copy), window.AsMemory(0, Layout.BlockBytes),
                    durable: true);
            }
        }

        yield return Io.Flush; // What is told to clients from now on is durable.
        Result = new(layout, super, index, end, number, newStamp);
    }

    private IEnumerable<Io> Format()
    {
        long at = 0;
        while ((at = nextData(at)) < layout.VolumeBytes)
        {
            int length = (int)Math.Min(window.Length, layout.VolumeBytes - at);
            yield return Io.Read(at, window.AsMemory(0, length));
            int other = window.AsSpan(0, length).IndexOfAnyExcept((byte)0);
            if (other >= 0)
            {
                string found = Convert.ToHexStringLower(
                    window.AsSpan(other, Math.Min(8, length - other)));
                Refused = new(
                    $"volume {volume}", "one for objects, or zeros",
                    $"neither: {found} at {at + other}",
                    "name another volume, or write zeros over all of this one if nobody needs it");
                yield break;
            }

            at += length;
        }

        if (!format)
        {
            Refused = new(
                $"volume {volume}", "one for objects", "zeros",
                "set format to true, and this volume is made one");
            yield break;
        }

        super = new(1, 0, newStamp(), layout.VolumeBytes);
    }

    private IEnumerable<Io> Replay(Superblock?[] copies)
    {
        super = copies.OfType<Superblock>().MaxBy(static copy => copy.Generation)!;
        if (super.VolumeBytes != layout.VolumeBytes)
        {
            Refused = new(
                $"volume {volume}", $"{super.VolumeBytes} bytes, for which it was made",
                $"{layout.VolumeBytes}", "give the volume its size back");
            yield break;
        }

        int begin = 0; // In the window: what is not looked at yet.
        int filled = 0;
        long at = 0; // In the half: what begins there.
        bool over = false;
        while (at < layout.HalfBytes && Refused is null)
        {
            long next = at + filled - begin;
            if (filled - begin < Batch.BytesMax && next < layout.HalfBytes)
            {
                window.AsSpan(begin, filled - begin).CopyTo(window);
                (begin, filled) = (0, filled - begin);
                int more = (int)Math.Min(window.Length - filled, layout.HalfBytes - next);
                yield return Io.Read(
                    layout.HalfAt(super.Half) + next, window.AsMemory(filled, more));
                filled += more;
            }

            int length = Take(window.AsSpan(begin, filled - begin), ref over);
            at += length;
            begin += length;
            end = over ? end : at;
        }
    }

    /// <summary>Takes the next batch, or passes over a block that is none; how many bytes.
    /// </summary>
    private int Take(ReadOnlySpan<byte> bytes, ref bool over)
    {
        ulong? found = Batch.Read(
            bytes, super.Stamp, out ReadOnlySpan<byte> records, out int count, out int length);
        if (found == number && !over)
        {
            for (int record = 0; record < count && Refused is null; record++)
            {
                Apply(Record.Read(ref records), record);
            }

            number++;
            return length;
        }

        over = true;
        if (found > number)
        {
            // A crash damages the last one alone: this one was waited for, and is gone.
            Refused = new(
                $"volume {volume}", $"batch {number} of the index",
                $"a damaged one before batch {found}", "compare both nodes' copies: scrub");
        }

        return Layout.BlockBytes;
    }

    private void Apply(Record? record, int place)
    {
        if (record is not { } found
            || (found.Put?.Extents ?? []).Any(extent => !index.Space.TryUse(extent)))
        {
            Refused = new(
                $"volume {volume}", "records that make sense",
                $"record {place} of batch {number}: "
                + (record is null ? "no record" : $"blocks of {record.Value.Key} are in use"),
                "this is no damage: look for another writer");
            return;
        }

        index.Apply(found);
    }
}
