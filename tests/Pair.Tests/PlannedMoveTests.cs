using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Tests;
using Xunit.Abstractions;

namespace StorageOs.Pair.Tests;

/// <summary>
/// Groups that move on purpose: rehearsed, vetoed, overridden, home again by word or by themselves,
/// under a client that sees a pause and no error.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class PlannedMoveTests(ITestOutputHelper output)
{
    private static readonly TimeSpan PauseMax = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task A_check_moves_nothing_and_says_how_long_it_takes_and_what_hinders()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        await PossibleAsync(pair);
        var (code, said, error) = pair.Ask("takeover", "--check");
        Assert.True(code == 0, said + error);
        Assert.Contains("b could take group 0 over in about", said);
        Assert.Contains("a serves group 0", said);
        Assert.All(said.Split('\n'), line => Assert.True(line.Length <= 80, line));
        JsonNode check = Check(pair, 0, "--node", "b", "--group", "0")[0]!;
        Assert.Equal("b", $"{check["node"]}");
        JsonNode predicted = check["predicted"]!;
        Assert.Equal(
            predicted["totalMs"]!.GetValue<double>(),
            predicted["madeOf"]!.AsArray().Sum(part => part!["ms"]!.GetValue<double>()), 0.5);
        Assert.All(predicted["madeOf"]!.AsArray(), part => Assert.NotEmpty($"{part!["from"]}"));
        Assert.Equal("a b", pair.Owners("b"));

        Assert.Contains("needs --node a or b", pair.Ask("takeover").Error);
        Assert.StartsWith("b serves group 0 in term", pair.Ask("takeover", "--node", "b").Out);
        JsonNode? last = Group(pair, "b", 0)["lastPlanned"];
        output.WriteLine($"predicted {predicted}\nmeasured {last}");
        Assert.InRange(last!["totalMs"]!.GetValue<double>(), 0.1, 30_000);
        Assert.Equal(
            last["totalMs"]!.GetValue<double>(),
            new[] { "grantedMs", "fencedMs", "servingMs" }.Sum(k => last[k]!.GetValue<double>()),
            0.1);

        Assert.Equal(0, pair.Ask("stop", "b").Code);
        await PairRun.UntilAsync(() => pair.Session("a") != "Ready", "b is gone");
        await PairRun.UntilAsync(() => pair.Owners("a") == "a a", "a has both");
        Assert.Equal(0, pair.Ask("start", "b").Code);
        await pair.InSyncAsync();
        Directory.Move(pair.Folder + "/witness", pair.Folder + "/witness.away");
        await PairRun.UntilAsync(
            () => pair.Ask("takeover", "--check", "--node", "b", "--group", "1").Code != 0,
            "the group's next look at the witness");
        JsonNode hindered = Check(pair, 1, "--node", "b", "--group", "1")[0]!;
        Directory.Move(pair.Folder + "/witness.away", pair.Folder + "/witness");
        JsonNode one = Assert.Single(
            hindered["hindrances"]!.AsArray(), h => $"{h!["code"]}" == "witnessUnavailable")!;
        Assert.True(one["ageSeconds"]!.GetValue<long>() >= 0);
        Assert.NotEmpty($"{one["remedy"]}");
    }

    [Fact]
    [Raises("takeover-refused", "veto-overridden")]
    public async Task A_veto_of_either_node_stops_a_planned_move_until_overridden_by_name()
    {
        await using PairRun pair = new();
        string mark = Path.Combine(Path.GetDirectoryName(pair.Folder)!, "busy");
        PluginBuilder.Put(pair.Plugins, "backup", PluginBuilder.Vetoing("backup", mark, "a copy is being made"));
        pair.Make(pair.Plugins);
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        await PossibleAsync(pair);
        foreach (string where in new[] { "a", "b" })
        {
            File.WriteAllText($"{mark}-{where}", "");
            await PairRun.UntilAsync(() => Hindrances(pair, "b").Length > 0, "b knows of it");
            Assert.Contains("backup has a veto: a copy is being made", Hindrances(pair, "b"));
            string said = pair.Ask("status").Out;
            Assert.Contains("no: vetoed", said);
            var (code, _, error) = pair.Ask("takeover", "--node", "b", "--group", "0");
            Assert.Equal(1, code);
            Assert.Contains("a copy is being made", error);
            Assert.Contains("--override backup", error);
            Assert.Equal(
                1, pair.Ask("takeover", "--node", "b", "--group", "0", "--override", "x").Code);
            Assert.Equal("a b", pair.Owners("b"));
            File.Delete($"{mark}-{where}");
            await PossibleAsync(pair);
        }

        File.WriteAllText($"{mark}-a", "");
        await PairRun.UntilAsync(() => Hindrances(pair, "b").Length > 0, "b knows of it");
        var (done, _, why) = pair.Ask(
            "takeover", "--node", "b", "--group", "0", "--override", "backup");
        Assert.True(done == 0, why);
        Assert.Contains("the veto of backup is overridden", pair.Log("b"));
        pair.NoteEvents();

        // It never stops a takeover from a node that is lost.
        await pair.InSyncAsync();
        File.WriteAllText($"{mark}-a", "");
        await PairRun.UntilAsync(() => Hindrances(pair, "a").Length > 0, "a knows of it");
        await pair.KillAsync("b");
        await PairRun.UntilAsync(() => pair.Owners("a") == "a a", "a has both");
    }

    [Fact]
    public async Task A_group_goes_home_by_itself_but_not_when_an_operator_took_it_away()
    {
        await using PairRun pair = new();
        pair.Make();
        foreach (string node in new[] { "a", "b" })
        {
            pair.Configure(node, settings =>
                settings["plugins"]!["settings"]!["failover-monitor"] = new JsonObject
                {
                    ["giveback"] = new JsonObject { ["afterSeconds"] = 3 },
                });
        }

        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        await PossibleAsync(pair);
        string file = pair.WriteBytes(4 << 20);

        // Lost, taken over, back in sync: home after the delay, and no word of anybody's.
        await pair.KillAsync("a");
        await PairRun.UntilAsync(() => pair.Owners("b") == "b b", "b has both");
        await PairRun.UntilAsync(
            () => $"{Group(pair, "b", 0)["giveback"]?["state"]}" == "notInSync",
            "the giveback waits for a copy");
        Assert.Equal(0, pair.Ask("start", "a").Code);
        await PairRun.UntilAsync(
            () => $"{Group(pair, "b", 0)["giveback"]?["what"]}".StartsWith(
                "giveback to a in ", StringComparison.Ordinal), "the delay runs");
        await PairRun.UntilAsync(() => pair.Owners("a") == "a b", "home by itself");
        pair.Compare(file);

        // Taken away by an operator: stays, until an operator says giveback.
        await pair.InSyncAsync();
        var (code, said, error) = pair.Ask("takeover", "--node", "b", "--group", "0");
        Assert.True(code == 0, said + error);
        await pair.InSyncAsync();
        await PairRun.HoldsAsync(
            "b b", () => pair.Owners("b"), TimeSpan.FromSeconds(6), "it stays with b");
        Assert.Equal("held", $"{Group(pair, "b", 0)["giveback"]!["state"]}");
        (code, said, error) = pair.Ask("giveback", "--group", "0");
        Assert.True(code == 0, said + error);
        Assert.Contains("group 0 is home on a", said);
        Assert.Equal("a b", pair.Owners("a"));
        Assert.Contains("group 1 is at home on b", pair.Ask("giveback").Out);
        pair.Compare(file);
    }

    [Fact]
    public async Task A_client_that_reconnects_sees_a_pause_and_no_error()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        // What this process itself makes a client wait for is not the pair's doing.
        ThreadPool.SetMinThreads(32, 32);
        using CancellationTokenSource enough = new();
        SteadyWriter writer = new(pair.Port);
        Task writing = Task.Run(() => writer.RunAsync(enough.Token));
        List<TimeSpan> pauses = [];
        for (int round = 0; round < 3; round++)
        {
            foreach (string node in new[] { "b", "a" })
            {
                await pair.InSyncAsync();
                await Task.Delay(300);
                writer.Reset();
                _ = await NodeClient.AskAsync(
                    PairLayout.At(pair.Folder).Socket(node), "takeover",
                    new JsonObject { ["group"] = 0 }, PauseMax * 4, default);
                await Task.Delay(300);
                pauses.Add(writer.LongestPause);
            }
        }

        await enough.CancelAsync();
        await writing;
        output.WriteLine("pauses: " + string.Join(
            ", ", pauses.Select(static pause => $"{pause.TotalMilliseconds:F1} ms")));
        Assert.Empty(writer.Errors);
        Assert.True(writer.Answers > 100);
        Assert.All(pauses, pause => Assert.InRange(pause, TimeSpan.Zero, PauseMax));
        Assert.Empty(await writer.WrongAsync());
    }

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public async Task A_node_killed_in_the_midst_of_a_planned_move_leaves_one_server(string victim)
    {
        await using PairRun pair = new();
        pair.Start();
        SteadyWriter writer = new(pair.Port);
        using CancellationTokenSource enough = new();
        await pair.InSyncAsync();
        Task writing = Task.Run(() => writer.RunAsync(enough.Token));
        for (int after = 0; after < 4; after++)
        {
            await pair.InSyncAsync();
            await PossibleAsync(pair);
            int pid = pair.Pid(victim);
            string other = victim == "a" ? "b" : "a";
            Task<JsonNode?> moving = NodeClient.AskAsync(
                PairLayout.At(pair.Folder).Socket("b"), "takeover",
                new JsonObject { ["group"] = 0 }, PauseMax * 10, default);
            await Task.Delay(after * 12); // A move takes some fifty.
            PairRun.Signal(pid, "KILL");
            await PairRun.UntilAsync(() => pair.Owners(other) == $"{other} {other}", "one server");
            output.WriteLine(await EndAsync(moving));

            // The partner serves sooner than the last thread of a killed process has ended.
            Assert.True(await NodeProcess.HasEndedAsync(pid, PauseMax * 10, default));
            (int started, string why, string wrong) = pair.Ask("start", victim);
            Assert.True(started == 0, why + wrong);
            await pair.InSyncAsync();
            await PossibleAsync(pair); // Of both groups.
            var (code, said, error) = pair.Ask("giveback");
            Assert.True(code == 0, said + error);
        }

        await enough.CancelAsync();
        await writing;
        Assert.Empty(writer.Errors);
        Assert.Empty(await writer.WrongAsync());
    }

    private static Task PossibleAsync(PairRun pair) => PairRun.UntilAsync(
        () => new[] { "a", "b" }.All(
            node => pair.Node(node)["takeover"]?["possible"]?.GetValue<bool>() == true),
        "both could take over");

    /// <summary>How a move ended that a kill may have cut off.</summary>
    private static async Task<string> EndAsync(Task<JsonNode?> moving)
    {
        try
        {
            return $"{await moving}";
        }
        catch (RefusedException refused)
        {
            return refused.Refusal.ToString();
        }
    }

    private static JsonArray Check(PairRun pair, int exit, params string[] more)
    {
        var (code, said, error) = pair.Ask(["takeover", "--check", "-o", "json", .. more]);
        Assert.True(code == exit, said + error);
        JsonNode document = JsonNode.Parse(said)!;
        Assert.Equal(exit == 0, document["ok"]!.GetValue<bool>());
        return document["checks"]!.AsArray();
    }

    private static string Hindrances(PairRun pair, string node) => string.Join(
        "; ", pair.Node(node)["takeover"]!["hindrances"]!.AsArray().Select(h => $"{h!["what"]}"));

    private static JsonNode Group(PairRun pair, string node, int group) =>
        pair.Node(node)["sections"]!["ownership"]!["groups"]![group]!;

    /// <summary>A client of its own reactor that vetoes while a file is there.</summary>
}
