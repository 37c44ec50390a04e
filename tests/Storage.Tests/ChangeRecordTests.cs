using StorageOs.Contracts.Runtime;
using StorageOs.Volumes.Core;

namespace StorageOs.Storage.Tests;

/// <summary>S9, L5: what the record of changes says, and that nothing it has lost is
/// believed.</summary>
public sealed class ChangeRecordTests
{
    private const int GranuleBytes = Granules.BytesMin;
    private static readonly Granules Cut = new([300L * Size.MiB, 0, (5L * GranuleBytes) + 4096]);

    [Fact]
    public void S9_ARecordIsReadBackAsItWasWritten()
    {
        Random random = new(5);
        ChangeRecord record = Opened();
        byte[] file = new byte[RecordCodec.FileBytes(Cut.Count)];
        for (ulong sequence = 1; sequence < 40; sequence++)
        {
            long offset = random.NextInt64(300L * Size.MiB - 70_000);
            record.Mark(0, offset, random.Next(1, 70_000), mirrored: random.Next(3) == 0);
            record.Mark(2, random.Next(5 * GranuleBytes), 4096, mirrored: false);
            record.TakeCopied(0, random.Next(100) * GranuleBytes, 40L * GranuleBytes);
            Save(record, file, sequence);
            ChangeRecord read = Read(file);
            Assert.Equal("", read.Why);
            Assert.Equal(record.Changed.Words.ToArray(), read.Changed.Words.ToArray());
            Assert.Equal(record.Copied.Words.ToArray(), read.Copied.Words.ToArray());
            Assert.Equal((77ul, 88ul, 5ul, true),
                (read.DiskId, read.PairedWith, read.Term, read.IsOpen));
            Assert.False(read.NeedsWrite);
        }
    }

    [Fact]
    public void S9_AFlippedBitIsFoundOrLosesNoChange()
    {
        ChangeRecord record = Opened();
        byte[] file = new byte[RecordCodec.FileBytes(Cut.Count)];
        Save(record, file, 1);
        record.Mark(0, 40L * GranuleBytes, 4096, mirrored: false);
        record.Mark(2, 0, 4096, mirrored: false);
        Save(record, file, 2);
        for (int bit = 0; bit < file.Length * 8; bit++)
        {
            file[bit / 8] ^= (byte)(1 << (bit % 8));
            ChangeRecord read = Read(file);
            bool kept = read.Changed[40] && read.Changed[Cut.At(2, 0)] && read.IsOpen;
            Assert.True(kept || read.PairedWith == 0, $"bit {bit}");
            file[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void S9_APageThatWasLostOrPutElsewhereMeansThatEverythingIsCompared()
    {
        ChangeRecord record = Opened();
        byte[] file = new byte[RecordCodec.FileBytes(Cut.Count)];
        record.Mark(0, 40L * GranuleBytes, 4096, mirrored: false);
        Save(record, file, 1);
        byte[] before = [.. file];
        record.Mark(0, 41L * GranuleBytes, 4096, mirrored: false);
        Save(record, file, 2);
        int at = RecordCodec.PagesAt;

        byte[] lost = [.. file];
        lost.AsSpan(at, RecordCodec.PageBytes).Clear();
        ExpectDoubt(lost, "0 granules of 2");
        byte[] older = [.. file];
        before.AsSpan(at, RecordCodec.PageBytes).CopyTo(older.AsSpan(at));
        ExpectDoubt(older, "1 granules of 2");
        byte[] moved = [.. file];
        file.AsSpan(at, RecordCodec.PageBytes).CopyTo(moved.AsSpan(at + RecordCodec.PageBytes));
        ExpectDoubt(moved, "page 1 of the record of changes is damaged");
        byte[] headerLost = [.. file];
        ChangeRecord next = Read(file);
        next.Close(88);
        next.Open(9);
        next.Mark(0, 0, 1, mirrored: false);
        Save(next, headerLost, 3);
        file.AsSpan(0, at).CopyTo(headerLost);
        ExpectDoubt(headerLost, "newer than its header");
        Assert.Equal("there was no record of changes", Read([]).Why);
        Assert.Equal(0ul, Read([]).PairedWith);
    }

    [Fact]
    public void S9_AnotherBootOfTheMachineIsTrustedOnlyWhereFlushesWereMade()
    {
        ChangeRecord record = Opened();
        byte[] file = new byte[RecordCodec.FileBytes(Cut.Count)];
        Save(record, file, 1);
        ChangeRecord kept = RecordCodec.Read(file, Cut, "boot-2", trusted: true, 99, out _);
        Assert.Equal((77ul, 88ul, "boot-2"), (kept.DiskId, kept.PairedWith, kept.MachineBootId));
        ChangeRecord lost = RecordCodec.Read(file, Cut, "boot-2", trusted: false, 99, out _);
        Assert.Equal((99ul, 0ul), (lost.DiskId, lost.PairedWith));
        Assert.Contains("the machine was booted since", lost.Why, StringComparison.Ordinal);
        ChangeRecord other = RecordCodec.Read(
            file, new Granules([Size.MiB]), "boot-1", trusted: true, 99, out _);
        Assert.Equal(other.Granules.Count, other.Copied.Count);
        Assert.Contains("other sizes", other.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void S11_OnlyInSyncMakesAGranuleCleanAgain()
    {
        ChangeRecord record = Opened();
        record.Mark(0, 10, 10, mirrored: false);
        record.TakeCopied(0, 0, GranuleBytes);
        Assert.True(record.Changed[0] && record.Copied[0]);
        record.Mark(0, 10, 10, mirrored: true); // To both logs: stays copied.
        Assert.True(record.Copied[0]);
        record.Mark(0, 10, 10, mirrored: false); // Alone again.
        Assert.True(record.Changed[0] && !record.Copied[0]);
        record.Open(6);
        Assert.True(record.Changed[0]);
        Assert.Equal(5ul, record.Term);
        record.Close(90);
        Assert.Equal((0, false, 90ul), (record.Changed.Count, record.IsOpen, record.PairedWith));
    }

    [Fact]
    public void A_group_of_many_tebibytes_has_a_record_of_two_mebibytes()
    {
        Granules large = new([64L * 1024 * Size.GiB, 64L * 1024 * Size.GiB]);
        Assert.True(large.Count <= Granules.CountMax);
        Assert.Equal(16 * Size.MiB, large.Bytes);
        Assert.True(RecordCodec.FileBytes(large.Count) < 3 * Size.MiB);
        Assert.Equal((1, 16L * Size.MiB), large.StartOf(large.At(1, 17L * Size.MiB)));
    }

    private static ChangeRecord Opened()
    {
        ChangeRecord record = new(Cut, 77, "boot-1");
        record.Close(88);
        record.Open(5);
        return record;
    }

    private static void Save(ChangeRecord record, byte[] file, ulong sequence)
    {
        for (int page = 0; page < RecordCodec.PagesOf(record.Granules.Count); page++)
        {
            if (record.TakePage(page))
            {
                RecordCodec.WritePage(record, page, file.AsSpan(
                    RecordCodec.PagesAt + (page * RecordCodec.PageBytes), RecordCodec.PageBytes));
            }
        }

        RecordCodec.WriteHeader(record, sequence, file.AsSpan(
            (int)(sequence & 1) * RecordCodec.PageBytes, RecordCodec.PageBytes));
        record.Written();
    }

    private static ChangeRecord Read(byte[] file) =>
        RecordCodec.Read(file, Cut, "boot-1", trusted: true, 99, out _);

    private static void ExpectDoubt(byte[] file, string why)
    {
        ChangeRecord read = Read(file);
        Assert.Contains(why, read.Why, StringComparison.Ordinal);
        Assert.Equal((Cut.Count, Cut.Count), (read.Changed.Count, read.Copied.Count));
        Assert.True(read.IsOpen && read.PairedWith == 88 && read.NeedsWrite);
    }
}
