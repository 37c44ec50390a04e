using System.Security.Cryptography;
using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Tests;

/// <summary>What is mounted, what is refused and why, and what whatever bytes lead to.</summary>
public sealed class VolumeTests
{
    private static readonly Condition None = new(null, null);
    private readonly Disk disk = new(4 * Size.MiB, new Random(1));

    [Fact]
    public void Zeros_are_made_a_volume_only_when_that_is_asked_for()
    {
        Mounting refused = disk.Mount();
        Assert.Null(refused.Result);
        Assert.Equal(
            "volume vol0: expected one for objects, found zeros; set format to true, and this "
            + "volume is made one", $"{refused.Refused}");
        Assert.Equal(-1, disk.Bytes.AsSpan().IndexOfAnyExcept((byte)0));
        Assert.Equal("formatted", disk.Mount(format: true).Mended);
        Assert.Equal("", disk.Mount().Mended);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5000)]
    [InlineData((4 * Size.MiB) - 1)]
    public void Other_bytes_anywhere_are_left_as_they_are(int where)
    {
        disk.Bytes[where] = 0x45;
        byte[] before = [.. disk.Bytes];
        Mounting refused = disk.Mount(format: true);
        Assert.Contains($"neither: 45", refused.Refused!.Actual);
        Assert.Contains($" at {where}", refused.Refused.Actual);
        Assert.Equal(before, disk.Bytes);
    }

    [Theory]
    [InlineData(0, 0, 4096)]
    [InlineData(1, 0, 4096)]
    [InlineData(0, 12, 1)] // Which half.
    [InlineData(1, 16, 1)] // The generation.
    [InlineData(0, 24, 1)] // The stamp.
    [InlineData(1, 4000, 1)]
    public void A_damaged_superblock_is_mended_by_its_copy(int copy, int from, int count)
    {
        Store store = disk.Mount(format: true).Result!;
        Put(store, "b/one", 5000);
        disk.Bytes.AsSpan((int)store.Layout.SuperblockAt(copy) + from, count).Fill(7);
        Mounting mended = disk.Mount();
        Assert.Equal($"copy {copy} of the superblock was mended", mended.Mended);
        Assert.NotNull(mended.Result!.Index.Find("b/one"));
        Assert.Equal("", disk.Mount().Mended);
    }

    [Fact]
    public void Damage_in_the_middle_of_the_index_is_refused_and_not_taken_for_its_end()
    {
        Store store = disk.Mount(format: true).Result!;
        Put(store, "b/one", 10);
        Put(store, "b/two", 10);
        Put(store, "b/three", 10);
        disk.Bytes[(int)store.Layout.HalfAt(0) + 4096 + 100] ^= 1; // The second batch.
        Refusal refused = disk.Mount().Refused!;
        Assert.Equal("batch 1 of the index", refused.Expected);
        Assert.Equal("a damaged one before batch 2", refused.Actual);
    }

    [Fact]
    public void A_volume_of_another_size_or_format_is_refused()
    {
        Store store = disk.Mount(format: true).Result!;
        Disk larger = new(8 * Size.MiB, new Random(1));
        disk.Bytes.CopyTo(larger.Bytes, 0);
        Assert.Contains("4194304 bytes", larger.Mount().Refused!.Expected);

        Span<byte> block = disk.Bytes.AsSpan(0, 4096);
        block[8] = 2;
        BitConverter.TryWriteBytes(block[4092..], Crc32C.Of(block[..4092]));
        Assert.Equal("format 2", disk.Mount().Refused!.Actual);
        Assert.NotNull(Layout.Refuse("tiny", Size.MiB));
        Assert.NotNull(Layout.Refuse("odd", (4 * Size.MiB) + 1));
        Assert.NotNull(store);
    }

    [Fact]
    public void Records_that_share_blocks_are_refused()
    {
        Store store = disk.Mount(format: true).Result!;
        Entry one = new("b/one", 1, 0, new byte[32], [new(3, 1)], [0]);
        Entry two = one with { Key = "b/two" };
        byte[] batch = new byte[Batch.BytesMax];
        int length = Batch.Write(
            batch, store.Super.Stamp, 0, [new(one.Key, one), new(two.Key, two)]);
        batch.AsSpan(0, length).CopyTo(disk.Bytes.AsSpan((int)store.Layout.HalfAt(0)));
        Assert.Equal(
            "record 1 of batch 0: blocks of b/two are in use", disk.Mount().Refused!.Actual);
    }

    [Fact]
    public void Whatever_bytes_an_index_has_it_is_mounted_or_refused()
    {
        for (int seed = 1; seed <= 300; seed++)
        {
            Random chance = new(seed);
            Store store = disk.Mount(format: seed == 1).Result!;
            Put(store, $"b/{seed}", chance.Next(4000));
            byte[] before = [.. disk.Bytes];
            int from = (int)store.Layout.HalfAt(store.Super.Half);
            for (int change = chance.Next(1, 20); change > 0; change--)
            {
                disk.Bytes[from + chance.Next(20000)] = (byte)chance.Next(256);
            }

            if (chance.Next(2) == 0)
            {
                Seal(disk.Bytes.AsSpan(from)); // A checksum alone makes no sense of it.
            }

            Mounting mounting = disk.Mount();
            Assert.True(mounting.Result is null != mounting.Refused is null, $"seed {seed}");
            before.CopyTo(disk.Bytes, 0);
        }
    }

    [Fact]
    public void A_volume_takes_what_it_has_room_for_and_says_when_it_has_none()
    {
        Store store = disk.Mount(format: true).Result!;
        List<string> keys = [];
        Refusal? full = null;
        while (full is null)
        {
            full = store.Begin($"b/{keys.Count}", 300_000, out Upload upload);
            if (full is null)
            {
                Put(store, upload, 300_000);
                keys.Add(upload.Key);
            }
        }

        Assert.Contains("free of", full.Actual);
        Assert.Equal("delete objects", full.Remedy);
        Store again = disk.Mount().Result!;
        Assert.Equal(keys.Order(StringComparer.Ordinal), again.Index.All.Select(e => e.Key));
        Outcome? outcome = null;
        again.Delete(keys[0], None, said => outcome = said);
        disk.Do(again.NextCommit()!);
        Assert.Equal(Outcome.Done, outcome);
        Assert.Null(again.Begin("b/other", 300_000, out _));
    }

    [Fact]
    public void An_index_takes_what_it_has_room_for_and_says_when_it_has_none()
    {
        Store store = disk.Mount(format: true).Result!;
        int objects = 0;
        Outcome last = Outcome.Created;
        string name = new('k', 1000);
        for (; last == Outcome.Created; objects++)
        {
            Assert.Null(store.Begin($"b/{name}{objects}", 0, out Upload upload));
            last = Put(store, upload, 0);
        }

        Assert.Equal(Outcome.Full, last);
        Assert.InRange(store.Index.RecordBytes, 200_000, store.Index.RecordBytesMax);
        Store again = disk.Mount().Result!;
        Assert.Equal(objects - 1, again.Index.Count);

        // What is there can be put anew and deleted for ever.
        for (int round = 0; round < 500; round++)
        {
            string key = $"b/{name}{round % (objects - 1)}";
            Outcome? deleted = null;
            again.Delete(key, None, said => deleted = said);
            disk.Do(again.NextCommit()!);
            Assert.Equal(Outcome.Done, deleted);
            Assert.Null(again.Begin(key, 0, out Upload anew));
            Assert.Equal(Outcome.Created, Put(again, anew, 0));
        }

        Assert.True(again.Super.Generation > 3);
        Assert.Equal(objects - 1, disk.Mount().Result!.Index.Count);
    }

    [Fact]
    public void Of_two_that_want_none_there_one_gets_it()
    {
        Store store = disk.Mount(format: true).Result!;
        Condition absent = new(null, ["*"]);
        List<Outcome> outcomes = [];
        for (int client = 0; client < 2; client++)
        {
            Assert.Null(store.Begin("b/lock", 0, out Upload upload));
            store.Finish(upload, new byte[32], 0, absent, outcomes.Add);
        }

        while (store.NextCommit() is { } steps)
        {
            disk.Do(steps);
        }

        Assert.Equal([Outcome.Created, Outcome.Unmet], outcomes);
    }

    [Fact]
    public void What_waits_when_the_volume_is_lost_is_answered()
    {
        Store store = disk.Mount(format: true).Result!;
        List<Outcome> outcomes = [];
        store.Delete("b/none", None, outcomes.Add);
        Assert.Null(store.Begin("b/one", 0, out Upload one));
        store.Finish(one, new byte[32], 0, None, outcomes.Add);
        using IEnumerator<Io> steps = store.NextCommit()!.GetEnumerator();
        Assert.True(steps.MoveNext());
        store.Delete("b/one", None, outcomes.Add);
        Assert.Null(store.NextCommit());
        store.Lose();
        Assert.Equal([Outcome.Missing, Outcome.Unknown, Outcome.Dropped], outcomes);
        Assert.Null(store.NextCommit());
    }

    private static void Seal(Span<byte> batch)
    {
        int end = BitConverter.ToInt32(batch[24..]);
        if (end is > 32 and < Batch.BytesMax)
        {
            BitConverter.TryWriteBytes(batch[4..], Crc32C.Of(batch[8..end]));
        }
    }

    private void Put(Store store, string key, int size)
    {
        Assert.Null(store.Begin(key, size, out Upload upload));
        Assert.Equal(Outcome.Created, Put(store, upload, size));
    }

    private Outcome Put(Store store, Upload upload, int size)
    {
        byte[] content = RandomNumberGenerator.GetBytes(size);
        for (int at = 0; at < size; at += Layout.ChunkBytes)
        {
            byte[] chunk = new byte[Layout.ChunkBytes];
            int bytes = Math.Min(chunk.Length, size - at);
            content.AsSpan(at, bytes).CopyTo(chunk);
            disk.Do(store.Write(upload, chunk, bytes, Crc32C.Of(chunk.AsSpan(0, bytes))));
        }

        Outcome? outcome = null;
        store.Finish(upload, SHA256.HashData(content), 0, None, said => outcome = said);
        disk.Do(store.NextCommit()!);
        return outcome!.Value;
    }
}
