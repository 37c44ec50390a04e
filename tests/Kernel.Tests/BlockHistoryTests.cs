using StorageOs.Kernel.Cli.Chaos;

namespace StorageOs.Kernel.Tests;

/// <summary>What clients may see of one block, and what they may not.</summary>
public sealed class BlockHistoryTests
{
    private const long Never = BlockHistory.Never;

    [Fact]
    public void Reads_of_the_last_write_are_right()
    {
        Assert.Null(BlockHistory.Check(
            [Write(1, 0, 10), Read(1, 20, 30), Write(2, 40, 50), Read(2, 60, 70)], 0));
        Assert.Null(BlockHistory.Check([Read(7, 0, 10)], 7));
        Assert.Null(BlockHistory.Check([], 7));
    }

    [Fact]
    public void A_write_under_way_may_be_seen_or_not()
    {
        Assert.Null(BlockHistory.Check([Write(1, 0, 100), Read(0, 10, 20), Read(1, 30, 40)], 0));
        Assert.Null(BlockHistory.Check([Write(1, 0, 100), Read(0, 10, 20), Read(0, 30, 40)], 0));
        Assert.Null(BlockHistory.Check([Lost(1, 0), Read(0, 10, 20), Read(1, 1000, 1010)], 0));
        Assert.Null(BlockHistory.Check([Lost(1, 0), Read(0, 10, 20), Read(0, 1000, 1010)], 0));
    }

    [Fact]
    public void Writes_at_once_may_come_in_either_order()
    {
        BlockOperation[] both = [Write(1, 0, 100), Write(2, 0, 100)];
        Assert.Null(BlockHistory.Check([.. both, Read(1, 200, 210)], 0));
        Assert.Null(BlockHistory.Check([.. both, Read(2, 200, 210)], 0));
        Assert.Null(BlockHistory.Check([.. both, Read(1, 10, 20), Read(2, 30, 40)], 0));
    }

    [Theory]
    [InlineData("a lost write", 0, 20)]
    [InlineData("a value of nowhere", 99, 20)]
    public void What_was_acknowledged_is_read(string what, ulong value, long at) =>
        Assert.True(
            BlockHistory.Check([Write(1, 0, 10), Read(value, at, at + 5)], 0) is not null, what);

    [Fact]
    public void What_was_read_once_does_not_go_away()
    {
        Assert.NotNull(BlockHistory.Check([Lost(1, 0), Read(1, 10, 20), Read(0, 30, 40)], 0));
        Assert.NotNull(BlockHistory.Check(
            [Write(1, 0, 100), Write(2, 0, 100), Read(1, 10, 20), Read(2, 30, 40), Read(1, 50, 60)],
            0));
    }

    [Fact]
    public void A_stale_read_is_found()
    {
        Assert.NotNull(BlockHistory.Check(
            [Write(1, 0, 10), Write(2, 20, 30), Read(1, 40, 50)], 0));
        Assert.NotNull(BlockHistory.Check(
            [Write(1, 0, 10), Write(2, 20, 30), Read(2, 40, 50), Read(1, 60, 70)], 0));
    }

    [Fact]
    public void A_write_is_not_seen_before_it_was_asked_for() =>
        Assert.NotNull(BlockHistory.Check([Read(1, 0, 10), Write(1, 20, 30)], 0));

    [Fact]
    public void An_old_write_that_lands_after_a_later_answer_is_found()
    {
        // The client gave 1 up, and was answered for 2: 1 has happened by then, or never does.
        List<(long, BlockOperation)> one = [(0, Lost(1, 0)), (0, Write(2, 50, 60))];
        IEnumerable<BlockOperation> bounded = ChaosRun.Bounded(one).Select(static o => o.Operation);
        Assert.Null(BlockHistory.Check([.. bounded, Read(2, 70, 80)], 0));
        Assert.Null(BlockHistory.Check([.. bounded, Read(1, 52, 55), Read(2, 70, 80)], 0));
        Assert.NotNull(BlockHistory.Check([.. bounded, Read(1, 70, 80)], 0));
        Assert.NotNull(BlockHistory.Check([.. bounded, Read(2, 62, 65), Read(1, 70, 80)], 0));
    }

    /// <summary>
    /// Beside the definition: every order of few operations is tried, and both say the same.
    /// </summary>
    [Fact]
    public void Small_histories_are_judged_as_by_trying_every_order()
    {
        Random random = new(5);
        int good = 0;
        int bad = 0;
        for (int round = 0; round < 20_000; round++)
        {
            BlockOperation[] history = Generate(random);
            bool expected = AnyOrder(history, 0, 0);
            Assert.True(
                expected == (BlockHistory.Check(history, 0) is null),
                $"{expected}: {string.Join(", ", history)}");
            (good, bad) = expected ? (good + 1, bad) : (good, bad + 1);
        }

        Assert.True(good > 1000 && bad > 1000, $"{good} good, {bad} bad");
    }

    private static BlockOperation[] Generate(Random random)
    {
        List<BlockOperation> all = [];
        int writes = random.Next(1, 4);
        for (ulong value = 1; value <= (ulong)writes; value++)
        {
            long start = random.Next(30);
            all.Add(random.Next(4) == 0
                ? Lost(value, start) : Write(value, start, start + random.Next(1, 20)));
        }

        for (int reads = random.Next(1, 4); reads > 0; reads--)
        {
            long start = random.Next(40);
            all.Add(Read((ulong)random.Next(writes + 1), start, start + random.Next(1, 15)));
        }

        return [.. all];
    }

    // The definition itself: some operation that no other had to precede comes first.
    private static bool AnyOrder(BlockOperation[] left, ulong value, int depth)
    {
        if (left.All(static one => one.MayBeMissing))
        {
            return true;
        }

        for (int i = 0; i < left.Length; i++)
        {
            BlockOperation first = left[i];
            bool mayBeFirst = left.All(one => one.MayBeMissing || one.End >= first.Start);
            if (mayBeFirst && (first.Writes || first.Value == value)
                && AnyOrder(
                    [.. left[..i], .. left[(i + 1)..]], first.Writes ? first.Value : value,
                    depth + 1))
            {
                return true;
            }
        }

        return false;
    }

    private static BlockOperation Write(ulong value, long start, long end) =>
        new(1, true, value, start, end);

    private static BlockOperation Lost(ulong value, long start) =>
        new(1, true, value, start, Never) { MayBeMissing = true };

    private static BlockOperation Read(ulong value, long start, long end) =>
        new(2, false, value, start, end);
}
