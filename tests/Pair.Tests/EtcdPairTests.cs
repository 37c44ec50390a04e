using System.Text.Json.Nodes;
using StorageOs.Witness.Tests;

namespace StorageOs.Pair.Tests;

/// <summary>A pair of real processes whose register is in a real cluster of etcd.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class EtcdPairTests
{
    [Fact]
    public async Task A_killed_owner_is_taken_over_and_comes_back_as_partner()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(3);
        await using PairRun pair = await StartAsync(etcd);
        Assert.StartsWith("etcd at http://127.0.0.1:", $"{Witness(pair, "a")["description"]}");
        Assert.Equal(
            ["witness-etcd Running", "witness-file NotChosen"],
            pair.Node("a")["plugins"]!.AsArray().Where(p => $"{p!["kind"]}" == "witness")
                .Select(p => $"{p!["id"]} {p["state"]}").Order());
        string file = pair.WriteBytes(8 << 20);
        Signal(pair.Pid("a"), "KILL");
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");
        pair.Compare(file);
        file = pair.WriteBytes(4 << 20, "later");
        Assert.Equal(0, pair.Ask("start", "a").Code);
        await pair.InSyncAsync();
        Assert.Equal("b", $"{pair.Volume("a")["owner"]}");
        Assert.Equal(0, pair.Ask("takeover", "--node", "a", "--group", "0").Code);
        await PairRun.UntilAsync(
            () => pair.Volume("a")["served"]!.GetValue<bool>(), "home again");
        pair.Compare(file);
    }

    [Fact]
    public async Task The_loss_of_the_witness_stops_no_service_and_is_the_reason_in_status()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(3);
        await using PairRun pair = await StartAsync(etcd);
        string file = pair.WriteBytes(4 << 20);
        string session = $"{pair.Node("a")["session"]!["id"]}";

        // One member is nothing: it is asked every second, and others answer in its place.
        etcd.Kill(0);
        file = pair.WriteBytes(4 << 20, "without one");
        await Task.Delay(TimeSpan.FromSeconds(4));
        await UntilPossibleAsync(pair);

        etcd.Kill(1);
        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(() => !Possible(pair, node), $"{node} could not take over");
            Assert.Contains("the witness does not answer: ", Reasons(pair, node));
            Assert.Contains(etcd.Addresses[0], Reasons(pair, node));
            Assert.Equal("Unavailable", $"{Witness(pair, node)["state"]}");
        }

        Assert.Contains("a's witness is unreachable: ", pair.Ask("status").Out);
        pair.Compare(file);
        pair.Compare(pair.WriteBytes(4 << 20, "without a witness"));
        Assert.Equal(session, $"{pair.Node("a")["session"]!["id"]}");

        etcd.Start(1);
        await UntilPossibleAsync(pair);
        Assert.Equal(0, pair.Ask("status").Code);
    }

    [Fact]
    public async Task An_owner_that_dies_without_a_witness_is_taken_over_once_there_is_one()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(3);
        await using PairRun pair = await StartAsync(etcd);
        string file = pair.WriteBytes(4 << 20);
        SignalAll(etcd, "STOP");
        await PairRun.UntilAsync(() => !Possible(pair, "b"), "b could not take over");
        Signal(pair.Pid("a"), "KILL");
        await PairRun.UntilAsync(() => pair.Session("b") != "Ready", "b has lost a");
        await Task.Delay(TimeSpan.FromSeconds(3)); // Longer than any deadline.
        Assert.False(pair.Volume("b")["served"]!.GetValue<bool>());
        Assert.Equal("a", $"{pair.Volume("b")["owner"]}");
        SignalAll(etcd, "CONT");
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");
        pair.Compare(file);
    }

    private static async Task<PairRun> StartAsync(EtcdCluster etcd)
    {
        PairRun pair = new();
        pair.Start("--witness", "etcd", "--etcd", string.Join(',', etcd.Addresses));
        await pair.InSyncAsync();
        return pair;
    }

    private static JsonNode Witness(PairRun pair, string node) => pair.Node(node)["witness"]!;

    private static bool Possible(PairRun pair, string node) =>
        pair.Node(node)["takeover"]!["possible"]!.GetValue<bool>();

    private static string Reasons(PairRun pair, string node) =>
        string.Join("; ", pair.Node(node)["takeover"]!["reasons"]!.AsArray());

    private static async Task UntilPossibleAsync(PairRun pair)
    {
        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(
                () => Possible(pair, node) && $"{Witness(pair, node)["state"]}" == "Found",
                $"{node} could take over: {Reasons(pair, node)}");
        }
    }

    private static void SignalAll(EtcdCluster etcd, string signal)
    {
        for (int index = 0; index < etcd.Count; index++)
        {
            etcd.Signal(index, signal);
        }
    }

    private static void Signal(int pid, string signal) =>
        Assert.Equal(0, PairRun.Run("kill", $"-{signal}", $"{pid}").Code);
}
