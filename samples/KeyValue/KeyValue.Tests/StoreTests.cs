using StorageOs.Contracts.Runtime;

namespace Sample.KeyValue.Tests;

/// <summary>The map in memory that outlives its process, and who has written it.</summary>
public sealed class StoreTests
{
    private readonly byte[] memory = new byte[Store.Bytes];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Whenever_the_process_is_killed_the_next_finds_what_was_written_last(int seed)
    {
        Random random = new(seed);
        Store store = Open(memory, out _);
        for (int write = 1; write <= 400; write++) // The half is full several times.
        {
            string key = $"key {random.Next(50)}";
            bool deletes = random.Next(5) == 0;
            _ = store.Apply(new(
                deletes ? FrameKind.Delete : FrameKind.Set, store.History.Count + 1,
                (ulong)(write / 100) + 1, key, new byte[deletes ? 0 : random.Next(16_000)]));
            if (write % 40 == 0)
            {
                Store next = Open([.. memory], out bool whole);
                Assert.True(whole);
                Assert.Equal(Lines(store), Lines(next));
                Assert.Equal(store.History.Reigns, next.History.Reigns);
                Assert.Equal((ulong)write, next.History.Count);
                Assert.Equal(store.LiveBytes, next.LiveBytes);
            }
        }
    }

    [Fact]
    public void A_copy_that_ends_in_the_middle_changes_nothing()
    {
        Store other = Open(new byte[Store.Bytes], out _);
        _ = other.Apply(new(FrameKind.Set, 1, 8, "theirs", [1]));
        Frame[] copy = [.. other.Copy()];
        Store store = Open(memory, out _);
        _ = store.Apply(new(FrameKind.Set, 1, 7, "ours", [2]));
        foreach (Frame frame in copy[..^1])
        {
            Assert.True(store.TakeCopy(frame));
            Assert.Equal(["ours=02"], Lines(Open([.. memory], out _)));
        }

        Assert.False(store.TakeCopy(new(FrameKind.Set, 1, 7, "ours", [2])));
        Assert.True(store.TakeCopy(copy[^1]));
        Assert.Equal(["theirs=01"], Lines(Open([.. memory], out _)));
    }

    [Fact]
    public void Damaged_memory_is_no_map_and_the_file_takes_its_place()
    {
        Store store = Open(memory, out _);
        _ = store.Apply(new(FrameKind.Set, 1, 7, "key", [1, 2, 3]));
        byte[] file = store.Save();
        _ = store.Apply(new(FrameKind.Set, 2, 7, "key", [4]));
        memory[Size.Page + Frame.HeaderBytes] ^= 1;
        Store next = Open(memory, out bool whole);
        Assert.False(whole);
        Assert.Empty(next.Map);
        Assert.True(next.Adopt(file));
        Assert.Equal(["key=010203"], Lines(next));
        Assert.Equal(["key=010203"], Lines(Open(memory, out _)));
        Assert.False(next.Adopt([.. file.AsSpan(0, 3), 9]));
    }

    [Fact]
    public void An_older_file_or_one_of_another_past_is_not_taken()
    {
        Store store = Open(memory, out _);
        _ = store.Apply(new(FrameKind.Set, 1, 7, "key", [1]));
        byte[] older = store.Save();
        _ = store.Apply(new(FrameKind.Set, 2, 7, "key", [2]));
        Assert.False(store.Adopt(older));
        Store other = Open(new byte[Store.Bytes], out _);
        for (ulong write = 1; write < 5; write++)
        {
            _ = other.Apply(new(FrameKind.Set, write, 9, "key", [3]));
        }

        Assert.False(store.Adopt(other.Save()));
        Assert.Equal(["key=02"], Lines(store));
    }

    [Fact]
    public void Another_boot_of_the_machine_makes_nobody_go_on_alone()
    {
        Store store = Open(memory, out _);
        (store.MayGoAlone, store.Taken) = (true, 5);
        store = Open(memory, out _);
        Assert.Equal((true, 5UL), (store.MayGoAlone, store.Taken));
        store = new(() => memory);
        Assert.True(store.Open(2));
        Assert.Equal((false, 0UL), (store.MayGoAlone, store.Taken));
    }

    [Fact]
    public void A_history_holds_what_it_continues_and_nothing_else()
    {
        History shared = History.Empty.Then(1).Then(1).Then(2);
        History ours = shared.Then(2).Then(3);
        History theirs = shared.Then(4);
        Assert.True(ours.Holds(shared) && ours.Holds(ours) && ours.Holds(History.Empty));
        Assert.False(shared.Holds(ours));
        Assert.False(ours.Holds(theirs) || theirs.Holds(ours));
        Assert.False(theirs.Holds(shared.Then(2))); // Its reign ended there before.
        Assert.False(History.Empty.Holds(ours));
        Assert.Equal(
            ours.Reigns, History.Of(ours.Count, ours.ToBytes())!.Reigns);
        Assert.Null(History.Of(0, ours.ToBytes()));
        Assert.Null(History.Of(2, ours.ToBytes()));
        Assert.Null(History.Of(5, [1]));
    }

    private static Store Open(byte[] memory, out bool whole)
    {
        Store store = new(() => memory);
        whole = store.Open(1);
        return store;
    }

    private static string[] Lines(Store store) =>
    [
        .. store.Map.Select(static each => $"{each.Key}={Convert.ToHexString(each.Value)}")
            .Order(),
    ];
}
