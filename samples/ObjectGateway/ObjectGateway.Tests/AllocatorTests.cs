using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Tests;

/// <summary>No block is two objects', none is lost.</summary>
public sealed class AllocatorTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Does_what_a_set_of_blocks_does(int seed)
    {
        Random chance = new(seed);
        const uint Blocks = 1000;
        Allocator allocator = new(Blocks);
        HashSet<uint> used = [];
        List<List<Extent>> held = [];
        for (int step = 0; step < 5000; step++)
        {
            if (chance.Next(2) == 0 && held.Count > 0)
            {
                List<Extent> back = held[chance.Next(held.Count)];
                _ = held.Remove(back);
                allocator.Release(back);
                used.ExceptWith(back.SelectMany(All));
            }
            else
            {
                List<Extent> taken = [];
                uint count = (uint)chance.Next(1, 120);
                bool isTaken = allocator.TryTake(count, 4, taken);
                uint[] blocks = [.. taken.SelectMany(All)];
                Assert.Equal(isTaken ? count : 0, (uint)blocks.Length);
                Assert.All(blocks, block => Assert.True(block < Blocks && used.Add(block)));
                Assert.InRange(taken.Count, isTaken ? 1 : 0, 4);
                held.Add(taken);
            }

            Assert.Equal(Blocks - used.Count, allocator.Free);
        }

        Assert.All(
            Enumerable.Range(0, (int)Blocks),
            block => Assert.Equal(used.Contains((uint)block), allocator.IsUsed((uint)block)));
    }

    [Fact]
    public void Takes_the_last_block_and_no_more()
    {
        Allocator allocator = new(130);
        List<Extent> taken = [];
        Assert.True(allocator.TryTake(130, 1, taken));
        Assert.Equal([new(0, 130)], taken);
        Assert.False(allocator.TryTake(1, 1, taken));
        allocator.Release([new(129, 1)]);
        Assert.True(allocator.TryTake(1, 1, taken));
        Assert.Equal(new(129, 1), taken[^1]);
    }

    [Fact]
    public void Takes_pieces_when_there_is_no_row_but_not_more_than_it_may()
    {
        Allocator allocator = new(64);
        List<Extent> taken = [];
        Assert.True(allocator.TryTake(64, 1, taken));
        for (uint block = 0; block < 64; block += 2)
        {
            allocator.Release([new(block, 1)]);
        }

        taken.Clear();
        Assert.False(allocator.TryTake(3, 2, taken));
        Assert.Equal(32U, allocator.Free);
        Assert.True(allocator.TryTake(3, 3, taken));
        Assert.Equal(3, taken.Count);
    }

    [Fact]
    public void Refuses_blocks_that_are_not_there_or_not_free()
    {
        Allocator allocator = new(100);
        Assert.True(allocator.TryUse(new(10, 5)));
        Assert.False(allocator.TryUse(new(12, 1)));
        Assert.False(allocator.TryUse(new(99, 2)));
        Assert.False(allocator.TryUse(new(uint.MaxValue, 2)));
        Assert.False(allocator.TryUse(new(50, 0)));
        Assert.False(allocator.TryUse(new(1, uint.MaxValue)));
        _ = Assert.Throws<InvariantException>(() => allocator.Release([new(50, 1)]));
    }

    private static IEnumerable<uint> All(Extent extent) =>
        Enumerable.Range(0, (int)extent.Count).Select(at => extent.First + (uint)at);
}
