using StorageOs.Contracts.Services;
using StorageOs.Witness.Etcd;

namespace StorageOs.Witness.Tests;

/// <summary>One cluster of three members for the tests that break nothing.</summary>
public sealed class ThreeMembers : IAsyncLifetime
{
    /// <summary>The cluster.</summary>
    public EtcdCluster Cluster { get; private set; } = null!;

    /// <inheritdoc/>
    public async Task InitializeAsync() => Cluster = await EtcdCluster.StartAsync(3);

    /// <inheritdoc/>
    public async Task DisposeAsync() => await Cluster.DisposeAsync();
}

/// <summary>The witness kept in etcd, while all is well with etcd.</summary>
[Trait("Category", "Slow")]
public sealed class EtcdWitnessTests(ThreeMembers three)
    : WitnessKit, IClassFixture<ThreeMembers>
{
    private readonly string prefix = $"test/{Guid.NewGuid():N}";

    private static GroupId Group => Entries.Group;

    private string Key => $"{prefix}/{Group}";

    protected override IWitness Connect() => Use.Etcd(prefix, [.. three.Cluster.Addresses]);

    protected override Task PutAsync(byte[] bytes) => three.Cluster.PutAsync(Key, bytes);

    [Fact]
    public Task A_swap_over_a_term_that_is_missing_says_which() => Use.SaysWhichTermAsync(Open());

    [Fact]
    public async Task S3_a_swap_is_one_request_and_the_read_before_it_another()
    {
        IWitness witness = Open();
        int before = await three.Cluster.CallsAsync("Txn");
        for (ulong term = 1; term <= 3; term++)
        {
            await witness.ReadAsync(Group, default);
            await witness.TrySwapAsync(Group, Entries.Of(term), default);
        }

        Assert.Equal(before + 3, await three.Cluster.CallsAsync("Txn"));
    }

    [Fact]
    public async Task S3_a_swap_without_a_read_before_it_reads_first()
    {
        IWitness witness = Open();
        int before = await three.Cluster.CallsAsync("Range");
        await witness.TrySwapAsync(Group, Entries.Of(1), default);
        await witness.TrySwapAsync(Group, Entries.Of(2), default);
        int after = await three.Cluster.CallsAsync("Range");
        Assert.True(after >= before + 2, $"{after - before} reads for two swaps");
    }

    [Fact]
    public async Task A_register_that_is_gone_since_its_read_is_not_made_anew_by_a_swap()
    {
        IWitness witness = Open();
        await witness.TrySwapAsync(Group, Entries.Of(1), default);
        await witness.ReadAsync(Group, default);
        await three.Cluster.DeleteAsync(Key);
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(2), default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
        Assert.Contains("gone since it was read", swap.Detail);
        Assert.Equal(ReadOutcome.Missing, (await witness.ReadAsync(Group, default)).Outcome);
    }

    [Fact]
    public async Task A_register_that_was_put_back_from_elsewhere_since_its_read_is_not_swapped()
    {
        IWitness witness = Open();
        await witness.TrySwapAsync(Group, Entries.Of(1), default);
        await witness.ReadAsync(Group, default);
        RegisterEntry other = Entries.Of(1);
        await PutAsync(RegisterText.Encode(other));
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(2), default);
        Assert.Equal((SwapResult.Undecided, other), (swap.Result, swap.Current));
        Assert.Equal(other, (await witness.ReadAsync(Group, default)).Entry);
    }

    [Fact]
    public async Task An_entry_is_one_line_that_a_person_can_read()
    {
        RegisterEntry entry = Entries.Of(1);
        await Open().TrySwapAsync(Group, entry, default);
        string text = System.Text.Encoding.UTF8.GetString(
            Assert.Single(await three.Cluster.HistoryAsync(Key)));
        Assert.StartsWith($"{{\"version\":1,\"register\":\"{entry.RegisterId}\"", text);
        Assert.Contains("\"term\":1,\"owner\":\"0000000000000007\",\"sync\":\"Stale\"", text);
    }

    [Fact]
    public async Task A_closed_witness_answers_that_it_is_of_no_use()
    {
        IWitness witness = Open();
        await witness.TrySwapAsync(Group, Entries.Of(1), default);
        await witness.ReadAsync(Group, default);
        witness.Dispose();
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(2), default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
        Assert.Equal(ReadOutcome.Unavailable, (await witness.ReadAsync(Group, default)).Outcome);
    }

    [Fact]
    public async Task A_call_that_is_cancelled_decides_nothing()
    {
        IWitness witness = Open();
        await witness.ReadAsync(Group, default);
        CancellationToken cancelled = new(canceled: true);
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(1), cancelled);
        Assert.Equal(SwapResult.Undecided, swap.Result);
        Assert.Equal(ReadOutcome.Unavailable, (await witness.ReadAsync(Group, cancelled)).Outcome);
    }
}
