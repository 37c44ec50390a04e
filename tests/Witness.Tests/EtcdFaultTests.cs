using System.Collections.Concurrent;
using System.Diagnostics;
using StorageOs.Contracts.Services;
using StorageOs.Witness.Etcd;

namespace StorageOs.Witness.Tests;

/// <summary>
/// Rule S3 against real trouble: replies that are lost, members that are killed or stand still.
/// What is told must agree with what etcd did.
/// </summary>
[Trait("Category", "Slow")]
public sealed class EtcdFaultTests
{
    private const string Prefix = "test/pair";
    private const int DeadlineMs = 800;

    private static readonly string Key = $"{Prefix}/{Group}";
    private static readonly TimeSpan Slack = TimeSpan.FromMilliseconds(600);

    private static GroupId Group => Entries.Group;

    [Fact]
    public async Task S3_a_swap_whose_reply_is_lost_is_undecided_though_it_was_done()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(1);
        using SwallowingProxy proxy = new(cluster.Ports[0]);
        using EtcdWitness witness = Open(proxy.Address);
        await witness.TrySwapAsync(Group, Entries.Of(1), default);
        await witness.ReadAsync(Group, default);
        int before = await cluster.CallsAsync("Txn");
        proxy.Set(SwallowingProxy.Replies.Swallowed);
        RegisterEntry second = Entries.Of(2);
        SwapOutcome swap = await witness.TrySwapAsync(Group, second, default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
        Assert.Contains("no answer in time", swap.Detail);
        proxy.Set(SwallowingProxy.Replies.Carried);
        Assert.Equal(second, (await witness.ReadAsync(Group, default)).Entry);
        Assert.Equal(before + 1, await cluster.CallsAsync("Txn"));
    }

    [Fact]
    public async Task S3_a_swap_whose_connection_is_cut_is_undecided_and_not_sent_again()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(1);
        using SwallowingProxy proxy = new(cluster.Ports[0]);
        using EtcdWitness witness = Open(proxy.Address);
        await witness.TrySwapAsync(Group, Entries.Of(1), default);
        for (ulong term = 2; term <= 6; term++)
        {
            await witness.ReadAsync(Group, default);
            int before = await cluster.CallsAsync("Txn");
            proxy.Set(SwallowingProxy.Replies.Cut);
            RegisterEntry next = Entries.Of(term);
            SwapOutcome swap = await witness.TrySwapAsync(Group, next, default);
            Assert.Equal(SwapResult.Undecided, swap.Result);
            Assert.DoesNotContain("no answer in time", swap.Detail);

            // Cut so early that etcd dropped it, or has never seen it, it was settled by a swap of
            // the test's.
            RegisterEntry settled = await Use.SettleAsync(witness, term);
            int sent = settled == next ? 1 : 2;
            Assert.InRange(await cluster.CallsAsync("Txn"), before + 1, before + sent);
            Assert.Equal((int)term, (await cluster.HistoryAsync(Key)).Count);
        }
    }

    [Fact]
    public async Task A_cluster_made_anew_with_other_words_at_the_same_revision_is_not_swapped()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(1);
        using SwallowingProxy proxy = new(cluster.Ports[0]);
        // The read must not be too old by then, or the swap would look again.
        using EtcdWitness witness = Use.Etcd(
            Prefix, [proxy.Address], ("deadlineMs", "10000"));
        await witness.TrySwapAsync(Group, Entries.Of(1), default);
        await witness.ReadAsync(Group, default);

        // Revisions begin again, so that a revision alone says nothing.
        cluster.Wipe(0);
        cluster.Start(0);
        _ = await cluster.LeaderAsync();
        RegisterEntry other = Entries.Of(1);
        await cluster.PutAsync(Key, RegisterText.Encode(other));
        int before = await cluster.CallsAsync("Txn");
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(2), default);
        Assert.Equal(before + 1, await cluster.CallsAsync("Txn"));
        Assert.Equal((SwapResult.Undecided, other), (swap.Result, swap.Current));
        Assert.Equal(other, (await witness.ReadAsync(Group, default)).Entry);
    }

    [Fact]
    public async Task Nobody_there_is_unavailable_and_undecided_with_every_address()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(3);
        using EtcdWitness witness = Open([.. cluster.Addresses]);
        await witness.ReadAsync(Group, default);
        for (int index = 0; index < cluster.Count; index++)
        {
            cluster.Kill(index);
        }

        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(1), default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
        WitnessReading reading = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.All(cluster.Addresses, address => Assert.Contains(address, reading.Detail));
        Assert.Contains("Connection refused", reading.Detail);
        Assert.Equal(reading, await witness.ReadAsync(Group, default));

        for (int index = 0; index < cluster.Count; index++)
        {
            cluster.Start(index);
        }

        await Use.SettleAsync(witness, 1);
    }

    [Fact]
    public async Task One_member_lost_is_nothing_and_two_are_the_witness_lost()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(3);
        using EtcdWitness witness = Open([.. cluster.Addresses]);
        Assert.Equal(
            SwapResult.Won, (await witness.TrySwapAsync(Group, Entries.Of(1), default)).Result);
        int leader = await cluster.LeaderAsync();
        int other = (leader + 1) % cluster.Count;
        cluster.Kill(other);
        RegisterEntry second = Entries.Of(2);
        Assert.Equal(SwapResult.Won, (await witness.TrySwapAsync(Group, second, default)).Result);

        // The one that is left has the entry, and must not tell it: it may be an old one.
        cluster.Kill(leader);
        WitnessReading lost = await witness.ReadAsync(Group, default);
        Assert.Equal(ReadOutcome.Unavailable, lost.Outcome);
        SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(3), default);
        Assert.Equal(SwapResult.Undecided, swap.Result);
        cluster.Start(other);
        await UntilFoundAsync(witness, second);
    }

    [Fact]
    public async Task Members_that_stand_still_keep_nobody_beyond_the_deadline()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(3);
        using EtcdWitness witness = Open([.. cluster.Addresses]);
        RegisterEntry first = Entries.Of(1);
        await witness.TrySwapAsync(Group, first, default);
        await witness.ReadAsync(Group, default);
        All(cluster, "STOP");
        long begin = Stopwatch.GetTimestamp();
        RegisterEntry second = Entries.Of(2);
        SwapOutcome swap = await witness.TrySwapAsync(Group, second, default);
        AssertWithin(begin);
        Assert.Equal(SwapResult.Undecided, swap.Result);
        begin = Stopwatch.GetTimestamp();
        WitnessReading reading = await witness.ReadAsync(Group, default);
        AssertWithin(begin);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        All(cluster, "CONT");

        // It lay in a socket all the while: it may land now, or be overtaken, but only once.
        RegisterEntry settled = await Use.SettleAsync(witness, 2);
        Assert.Equal(new Term(2), settled.Term);
        Assert.Equal(2, (await cluster.HistoryAsync(Key)).Count);
    }

    [Fact]
    public async Task A_member_that_stands_still_delays_a_read_by_little()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(3);
        int follower = (await cluster.LeaderAsync() + 1) % cluster.Count;
        string[] order =
        [
            cluster.Addresses[follower],
            .. cluster.Addresses.Where((_, index) => index != follower),
        ];
        using EtcdWitness witness = Use.Etcd(Prefix, order, ("deadlineMs", "4000"));
        await witness.TrySwapAsync(Group, Entries.Of(1), default);
        cluster.Signal(follower, "STOP");
        for (ulong term = 2; term <= 5; term++)
        {
            long begin = Stopwatch.GetTimestamp();
            Assert.Equal(
                ReadOutcome.Found, (await witness.ReadAsync(Group, default)).Outcome);
            Assert.True(Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(2));
            SwapOutcome swap = await witness.TrySwapAsync(Group, Entries.Of(term), default);
            Assert.Equal(SwapResult.Won, swap.Result);
        }

        cluster.Signal(follower, "CONT");
    }

    [Fact]
    public async Task S3_what_was_told_agrees_with_etcds_history_while_leaders_are_killed()
    {
        await using EtcdCluster cluster = await EtcdCluster.StartAsync(3);
        ConcurrentBag<(Guid Swap, SwapResult Result)> told = [];
        using CancellationTokenSource end = new();
        Task[] nodes = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(
            () => SwapAsync(cluster, told, end.Token)))];
        for (int kill = 0; kill < 4; kill++)
        {
            await UntilMoreAsync(told, kill);
            int leader = await cluster.LeaderAsync();
            cluster.Kill(leader);
            await UntilMoreAsync(told, kill); // By those that are left.
            cluster.Start(leader);
        }

        await UntilMoreAsync(told, 4);
        await end.CancelAsync();
        await Task.WhenAll(nodes);
        _ = await cluster.LeaderAsync();
        await CheckAsync(cluster, told);
    }

    private static async Task CheckAsync(
        EtcdCluster cluster, ConcurrentBag<(Guid Swap, SwapResult Result)> told)
    {
        RegisterEntry[] history = [.. (await cluster.HistoryAsync(Key)).Select(bytes =>
            RegisterText.Decode(bytes, Group, out _)!)];
        Guid[] done = [.. history.Select(static entry => entry.SwapId)];
        Assert.Equal(
            Enumerable.Range(1, history.Length).Select(static term => (ulong)term),
            history.Select(static entry => entry.Term.Value));
        Assert.Equal(done.Length, done.Distinct().Count());
        Assert.All(
            told.Where(static t => t.Result == SwapResult.Won),
            t => Assert.Contains(t.Swap, done));
        Assert.All(
            told.Where(static t => t.Result == SwapResult.Lost),
            t => Assert.DoesNotContain(t.Swap, done));
        Guid[] known = [.. told.Select(static t => t.Swap)];
        Assert.All(done, swap => Assert.Contains(swap, known));
    }

    private static async Task SwapAsync(
        EtcdCluster cluster, ConcurrentBag<(Guid Swap, SwapResult Result)> told,
        CancellationToken end)
    {
        using EtcdWitness witness = Open([.. cluster.Addresses]);
        while (!end.IsCancellationRequested)
        {
            WitnessReading reading = await witness.ReadAsync(Group, default);
            if (reading.Outcome == ReadOutcome.Unavailable)
            {
                await Task.Delay(10, CancellationToken.None);
            }
            else
            {
                RegisterEntry next = Entries.Of((reading.Entry?.Term.Value ?? 0) + 1);
                SwapOutcome swap = await witness.TrySwapAsync(Group, next, default);
                told.Add((next.SwapId, swap.Result));
            }
        }
    }

    /// <summary>Until some swaps more have been won than now.</summary>
    private static async Task UntilMoreAsync(
        ConcurrentBag<(Guid Swap, SwapResult Result)> told, int kill)
    {
        int Won() => told.Count(static t => t.Result == SwapResult.Won);
        int wanted = Won() + 20;
        for (long from = Stopwatch.GetTimestamp(); Won() < wanted;)
        {
            Assert.True(
                Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(30),
                $"no swaps after kill {kill}");
            await Task.Delay(20);
        }
    }

    private static async Task UntilFoundAsync(EtcdWitness witness, RegisterEntry expected)
    {
        for (long from = Stopwatch.GetTimestamp(); ;)
        {
            WitnessReading reading = await witness.ReadAsync(Group, default);
            if (reading.Outcome == ReadOutcome.Found)
            {
                Assert.Equal(expected, reading.Entry);
                return;
            }

            Assert.True(
                Stopwatch.GetElapsedTime(from) < TimeSpan.FromSeconds(30), reading.Detail);
        }
    }

    private static EtcdWitness Open(params string[] addresses) =>
        Use.Etcd(Prefix, addresses, ("deadlineMs", $"{DeadlineMs}"));

    private static void All(EtcdCluster cluster, string signal)
    {
        for (int index = 0; index < cluster.Count; index++)
        {
            cluster.Signal(index, signal);
        }
    }

    private static void AssertWithin(long begin)
    {
        TimeSpan took = Stopwatch.GetElapsedTime(begin);
        Assert.True(
            took < TimeSpan.FromMilliseconds(DeadlineMs) + Slack, $"took {took.TotalSeconds} s");
    }
}
