using StorageOs.Contracts.Services;

namespace StorageOs.Plugin.Testing;

/// <summary>
/// What every witness does, wherever it keeps its register. Each test has a register of its own;
/// what <see cref="Open"/> returns are different users of it, as the two nodes are. Rules named S
/// are those of ownership: a term is swapped in once, and nothing is taken for known that is not.
/// </summary>
public abstract class WitnessKit : IDisposable
{
    private readonly List<IWitness> opened = [];

    private static GroupId Group => WitnessEntries.Group;

    /// <summary>A new user of the test's register.</summary>
    protected abstract IWitness Connect();

    /// <summary>Puts bytes where the entry of the first term belongs.</summary>
    protected abstract Task PutAsync(byte[] bytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        opened.ForEach(static witness => witness.Dispose());
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>A register that nobody has made is answered, and is not there.</summary>
    [Fact]
    public async Task Nothing_is_missing_and_not_unavailable()
    {
        WitnessReading reading = await Open().ReadAsync(Group, default);
        Assert.Equal((ReadOutcome.Missing, null, ""),
            (reading.Outcome, reading.Entry, reading.Detail));
    }

    /// <summary>What one swapped in, another reads and swaps on.</summary>
    [Fact]
    public async Task A_swap_is_read_back_by_another_reader()
    {
        IWitness writer = Open();
        IWitness reader = Open();
        RegisterEntry first = WitnessEntries.Of(1);
        RegisterEntry second = WitnessEntries.Of(2);
        Assert.Equal(SwapResult.Won, (await writer.TrySwapAsync(Group, first, default)).Result);
        Assert.Equal(first, (await reader.ReadAsync(Group, default)).Entry);
        Assert.Equal(SwapResult.Won, (await reader.TrySwapAsync(Group, second, default)).Result);
        Assert.Equal(second, (await writer.ReadAsync(Group, default)).Entry);
        SwapOutcome late = await writer.TrySwapAsync(Group, WitnessEntries.Of(2), default);
        Assert.Equal((SwapResult.Lost, second), (late.Result, late.Current));
    }

    /// <summary>Between a read and a swap another may have won.</summary>
    [Fact]
    public async Task S2_a_swap_that_was_overtaken_since_its_read_has_lost()
    {
        IWitness one = Open();
        IWitness other = Open();
        await one.TrySwapAsync(Group, WitnessEntries.Of(1), default);
        _ = await one.ReadAsync(Group, default);
        _ = await other.ReadAsync(Group, default);
        RegisterEntry second = WitnessEntries.Of(2);
        Assert.Equal(SwapResult.Won, (await other.TrySwapAsync(Group, second, default)).Result);
        SwapOutcome late = await one.TrySwapAsync(Group, WitnessEntries.Of(2), default);
        Assert.Equal((SwapResult.Lost, second), (late.Result, late.Current));
        Assert.Equal(second, (await one.ReadAsync(Group, default)).Entry);
    }

    /// <summary>A term is swapped in once, whoever else wants it.</summary>
    [Fact]
    public async Task S2_of_many_that_swap_one_term_exactly_one_wins()
    {
        IWitness[] all = [.. Enumerable.Range(0, 8).Select(_ => Open())];
        for (ulong term = 1; term <= 20; term++)
        {
            RegisterEntry[] wanted = [.. all.Select(_ => WitnessEntries.Of(term))];
            SwapOutcome[] outcomes = await Task.WhenAll(
                all.Select((w, i) => w.TrySwapAsync(Group, wanted[i], default).AsTask()));
            int winner = Array.FindIndex(outcomes, static o => o.Result == SwapResult.Won);
            Assert.Single(outcomes, static o => o.Result == SwapResult.Won);
            Assert.All(outcomes, o => Assert.Equal(wanted[winner], o.Current));
            Assert.All(outcomes, o => Assert.NotEqual(SwapResult.Undecided, o.Result));
        }
    }

    /// <summary>A swap that is sent again has won, if it had.</summary>
    [Fact]
    public async Task S3_the_same_swap_again_is_judged_by_its_id()
    {
        IWitness witness = Open();
        RegisterEntry entry = WitnessEntries.Of(1);
        await witness.TrySwapAsync(Group, entry, default);
        SwapOutcome again = await witness.TrySwapAsync(Group, entry, default);
        Assert.Equal((SwapResult.Won, entry), (again.Result, again.Current));
    }

    /// <summary>Terms only grow.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_swap_of_an_older_term_has_lost_against_what_is_in_place(ulong term)
    {
        IWitness witness = Open();
        RegisterEntry third = WitnessEntries.Of(3);
        await witness.TrySwapAsync(Group, WitnessEntries.Of(1), default);
        await witness.TrySwapAsync(Group, WitnessEntries.Of(2), default);
        await witness.TrySwapAsync(Group, third, default);
        SwapOutcome late = await witness.TrySwapAsync(Group, WitnessEntries.Of(term), default);
        Assert.Equal((SwapResult.Lost, third), (late.Result, late.Current));
    }

    /// <summary>A gap in the terms is no swap.</summary>
    [Fact]
    public async Task A_swap_over_a_term_that_is_missing_is_undecided_and_changes_nothing()
    {
        IWitness witness = Open();
        SwapOutcome first = await witness.TrySwapAsync(Group, WitnessEntries.Of(2), default);
        Assert.Equal(SwapResult.Undecided, first.Result);
        Assert.Contains("expected", first.Detail, StringComparison.Ordinal);
        Assert.Contains("found", first.Detail, StringComparison.Ordinal);
        Assert.Equal(ReadOutcome.Missing, (await witness.ReadAsync(Group, default)).Outcome);
        RegisterEntry entry = WitnessEntries.Of(1);
        await witness.TrySwapAsync(Group, entry, default);
        SwapOutcome third = await witness.TrySwapAsync(Group, WitnessEntries.Of(3), default);
        Assert.Equal((SwapResult.Undecided, entry), (third.Result, third.Current));
        Assert.Equal(entry, (await witness.ReadAsync(Group, default)).Entry);
    }

    /// <summary>Entries come back whole, and each group has its own.</summary>
    [Fact]
    public async Task Every_field_comes_back_and_groups_have_nothing_in_common()
    {
        IWitness writer = Open();
        IWitness reader = Open();
        ulong term = 0;
        foreach (SyncState sync in Enum.GetValues<SyncState>())
        {
            term++;
            foreach (GroupId group in GroupId.All)
            {
                RegisterEntry entry = new(
                    Guid.NewGuid(), group, new Term(term), ulong.MaxValue, sync, ulong.MaxValue - 1,
                    new Lsn(ulong.MaxValue), Guid.NewGuid());
                SwapOutcome outcome = await writer.TrySwapAsync(group, entry, default);
                Assert.Equal(SwapResult.Won, outcome.Result);
                Assert.Equal(entry, (await reader.ReadAsync(group, default)).Entry);
            }
        }
    }

    /// <summary>What cannot be read is not taken for nothing.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(103)]
    [InlineData(104)]
    [InlineData(5000)]
    public async Task Garbage_is_unavailable_with_the_reason_and_is_not_swapped_away(int length)
    {
        byte[] garbage = new byte[length];
        new Random(length).NextBytes(garbage);
        await PutAsync(garbage);
        IWitness witness = Open();
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.Contains("expected", reading.Detail, StringComparison.Ordinal);
        Assert.Contains("found", reading.Detail, StringComparison.Ordinal);
        foreach (ulong term in new ulong[] { 1, 2 })
        {
            SwapOutcome swap = await witness.TrySwapAsync(Group, WitnessEntries.Of(term), default);
            Assert.Equal(SwapResult.Undecided, swap.Result);
        }

        Assert.Equal(reading, await witness.ReadAsync(Group, default));
    }

    /// <summary>Takes the register away.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>A new user of the register, disposed after the test.</summary>
    protected IWitness Open()
    {
        IWitness witness = Connect();
        opened.Add(witness);
        return witness;
    }
}
