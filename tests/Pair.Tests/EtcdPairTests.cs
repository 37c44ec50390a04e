using System.Text.Json.Nodes;
using StorageOs.Witness.Tests;

namespace StorageOs.Pair.Tests;

/// <summary>A pair of real processes whose register is in a real cluster of etcd.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class EtcdPairTests
{
    private static readonly TimeSpan LongerThanAnyDeadline = TimeSpan.FromSeconds(3);

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
        await pair.OwnerIsKilledAndComesHomeAsync(static () => { });
    }

    [Fact]
    public async Task The_loss_of_the_witness_stops_no_service_and_is_the_reason_in_status()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(3);
        await using PairRun pair = await StartAsync(etcd);
        string file = pair.WriteBytes(4 << 20);

        // One that does not lead is nothing: it is asked every second, and others answer instead.
        int first = (await etcd.LeaderAsync() + 1) % etcd.Count;
        int second = (first + 1) % etcd.Count;
        etcd.Kill(first);
        file = pair.WriteBytes(4 << 20, "without one");
        await PairRun.HoldsAsync(
            "", () => Reasons(pair, "a") + Reasons(pair, "b"), TimeSpan.FromSeconds(4),
            "either could take over");

        etcd.Kill(second);
        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(() => !Possible(pair, node), $"{node} could not take over");
            Assert.Contains("the witness does not answer: ", Reasons(pair, node));
            Assert.Contains(etcd.Addresses[first], Reasons(pair, node));
            Assert.Equal("Unavailable", $"{Witness(pair, node)["state"]}");
        }

        Assert.Contains("a's witness is unreachable: ", pair.Ask("status").Out);
        pair.Compare(file);
        pair.Compare(pair.WriteBytes(4 << 20, "without a witness"));

        etcd.Start(second);
        await UntilPossibleAsync(pair);
        Assert.Equal(0, pair.Ask("status").Code);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public async Task A_session_that_ends_in_mid_write_without_a_witness_only_pauses_service(
        string paused)
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(1);
        await using PairRun pair = await StartAsync(etcd);
        etcd.Kill(0);
        await PairRun.UntilAsync(() => !Possible(pair, "b"), "b could not take over");
        string other = paused == "a" ? "b" : "a";
        int process = pair.Pid(paused);
        using CancellationTokenSource enough = new();
        Task<string> writing = Task.Run(() =>
        {
            string file = pair.WriteBytes(4 << 20);
            while (!enough.IsCancellationRequested)
            {
                file = pair.WriteBytes(4 << 20);
            }

            return file;
        });
        for (int pause = 0; pause < 3; pause++)
        {
            string before = Acknowledged(pair);
            await PairRun.UntilAsync(() => Acknowledged(pair) != before, "writes go on");
            PairRun.Signal(process, "STOP");
            await PairRun.UntilAsync(() => pair.Session(other) != "Ready", $"{other} is alone");
            PairRun.Signal(process, "CONT");
            await PairRun.UntilAsync(
                () => pair.Session("a") == "Ready"
                    && $"{pair.Volume("a")["state"]}" == "mirrored",
                "mirrored again in another session");
        }

        await enough.CancelAsync();
        pair.Compare(await writing);
        Assert.Equal("Unavailable", $"{Witness(pair, "a")["state"]}");
    }

    [Fact]
    public async Task An_owner_that_dies_without_a_witness_is_taken_over_once_there_is_one()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(3);
        await using PairRun pair = await StartAsync(etcd);
        string file = pair.WriteBytes(4 << 20);
        SignalAll(etcd, "STOP");
        await PairRun.UntilAsync(() => !Possible(pair, "b"), "b could not take over");
        PairRun.Signal(pair.Pid("a"), "KILL");
        await PairRun.UntilAsync(() => pair.Session("b") != "Ready", "b has lost a");
        await PairRun.HoldsAsync(
            () => !pair.Volume("b")["served"]!.GetValue<bool>()
                && $"{pair.Volume("b")["owner"]}" == "a",
            LongerThanAnyDeadline, "b waits for the witness");
        SignalAll(etcd, "CONT");
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");
        pair.Compare(file);
    }

    [Fact]
    public async Task The_register_moves_from_files_to_etcd_while_the_pair_serves()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(3);
        await using PairRun pair = new();
        pair.Start();
        await AllInSyncAsync(pair);
        string file = pair.WriteBytes(4 << 20);
        var none = pair.Ask("witness", "move");
        Assert.Equal(1, none.Code);
        Assert.Contains("no `nextWitness`", none.Error);

        // One node after the other learns of the place to come; the pair serves all the while.
        foreach (string node in new[] { "b", "a" })
        {
            AddNext(pair, node, etcd);
            Assert.Equal(0, pair.Ask("stop", node).Code);
            Assert.Equal(0, pair.Ask("start", node).Code);
            await AllInSyncAsync(pair);
        }

        pair.Compare(file);
        var (code, output, error) = pair.Ask("witness", "move");
        Assert.True(code == 0, output + error);
        Assert.Contains("the register is in etcd at", output);
        Assert.Equal(0, pair.Ask("witness", "move").Code); // Once more is nothing.

        // The old place may go, and the next loss is decided in the new one.
        Directory.Delete(Path.Combine(pair.Folder, "witness"), recursive: true);
        string owner = $"{pair.Volume("b")["owner"]}";
        string other = owner == "a" ? "b" : "a";
        await pair.KillAsync(owner);
        await PairRun.UntilAsync(
            () => $"{pair.Volume(other)["state"]}" == "alone", $"{other} serves alone");
        pair.Compare(file);
        file = pair.WriteBytes(1 << 20, "later");

        // Who comes back finds the register although its old place is gone.
        Assert.Equal(0, pair.Ask("start", owner).Code);
        await pair.InSyncAsync();
        await PairRun.UntilAsync(
            () => $"{Witness(pair, owner)["description"]}".StartsWith(
                "etcd at", StringComparison.Ordinal), $"{owner} has found it");

        // And who names the new place alone needs to know nothing of the old one.
        pair.Configure(other, static settings => Alone(settings));
        Assert.Equal(0, pair.Ask("stop", other).Code);
        Assert.Equal(0, pair.Ask("start", other).Code);
        await pair.InSyncAsync();
        pair.Compare(file);
    }

    [Fact]
    public async Task A_node_that_knows_only_the_old_place_after_a_move_takes_nothing_over()
    {
        await using EtcdCluster etcd = await EtcdCluster.StartAsync(1);
        await using PairRun pair = new();
        pair.Make();
        AddNext(pair, "a", etcd);
        AddNext(pair, "b", etcd);
        pair.Boot("a");
        pair.Boot("b");
        await AllInSyncAsync(pair);
        Assert.Equal(0, pair.Ask("witness", "move").Code);
        pair.Configure("b", static settings =>
        {
            settings["plugins"]!["settings"]!.AsObject().Remove("witness-etcd");
            settings["plugins"]!["settings"]!["failover-monitor"] = new JsonObject();
        });
        Assert.Equal(0, pair.Ask("stop", "b").Code);
        pair.Boot("b"); // A start would wait for a witness.
        await PairRun.UntilAsync(
            () => Reasons(pair, "b").Contains("moved away from files in"), "the reason in status");
        Assert.Equal(3, pair.Ask("status").Code); // Degraded: without a witness.
        PairRun.Signal(pair.Pid("a"), "KILL");
        await PairRun.UntilAsync(() => pair.Session("b") != "Ready", "b has lost a");
        await PairRun.HoldsAsync(
            () => !pair.Volume("b")["served"]!.GetValue<bool>(), LongerThanAnyDeadline,
            "b takes nothing over");
    }

    private static async Task AllInSyncAsync(PairRun pair)
    {
        await pair.InSyncAsync();
        await PairRun.UntilAsync(
            () => pair.Node("a")["volumes"]!.AsArray().All(v => $"{v!["sync"]}" == "InSync"),
            "all volumes in sync");
    }

    private static void AddNext(PairRun pair, string node, EtcdCluster etcd) =>
        pair.Configure(node, settings =>
        {
            JsonNode plugins = settings["plugins"]!["settings"]!;
            plugins["witness-etcd"] = new JsonObject
            {
                ["endpoints"] = string.Join(',', etcd.Addresses),
                ["prefix"] = "storageos/moved",
            };
            plugins["failover-monitor"] = new JsonObject
            {
                ["witness"] = "witness-file",
                ["nextWitness"] = "witness-etcd",
            };
        });

    private static void Alone(JsonNode settings)
    {
        JsonObject plugins = settings["plugins"]!["settings"]!.AsObject();
        plugins.Remove("witness-file");
        plugins["failover-monitor"] = new JsonObject();
    }

    private static async Task<PairRun> StartAsync(EtcdCluster etcd)
    {
        PairRun pair = new();
        pair.Start("--witness", "etcd", "--etcd", string.Join(',', etcd.Addresses));
        await pair.InSyncAsync();
        return pair;
    }

    private static JsonNode Witness(PairRun pair, string node) => pair.Node(node)["witness"]!;

    private static string Acknowledged(PairRun pair) =>
        $"{pair.Node("a")["sections"]!["log"]![0]!["acknowledged"]}";

    private static bool Possible(PairRun pair, string node) =>
        pair.Node(node)["takeover"]!["possible"]!.GetValue<bool>();

    private static string Reasons(PairRun pair, string node) =>
        string.Join("; ", pair.Node(node)["takeover"]?["reasons"] as JsonArray ?? []);

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
}
