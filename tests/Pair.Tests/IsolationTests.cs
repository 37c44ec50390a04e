using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;

namespace StorageOs.Pair.Tests;

/// <summary>
/// A client in a process of its own does what it does in the node's, and whatever becomes of its
/// process costs nobody else anything.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class IsolationTests
{
    private static readonly string[] Both = ["a", "b"];

    [Theory]
    [InlineData("loopback", true)]
    [InlineData("loopback", false)]
    [InlineData("tcp", true)]
    public async Task A_client_finds_its_contract_kept_in_a_process_of_its_own(
        string transport, bool isolated)
    {
        await using PairRun pair = new();
        await StartAsync(pair, transport, isolated);
        foreach (string node in Both)
        {
            Assert.Equal(isolated, Number(pair, node, "process") != pair.Pid(node));
            Assert.Equal("Serving", Text(pair, node, "partner"));
        }

        await WorksAsync(pair, 1);
        Assert.True((bool)Tell(pair, "a", "reopen")!["on"]!);
        await PairRun.UntilAsync(
            () => Both.All(node => Number(pair, node, "opened") == 1), "a port that is open anew");
        await WorksAsync(pair, 1);

        Assert.Contains("mercy", Refused(() => Tell(pair, "a", "refuse")));
        Assert.Contains("of the command alone", Refused(() => Tell(pair, "a", "fail")));
        Tell(pair, "a", "veto");
        Assert.Equal(1, Number(pair, "a", "vetoes"));
        Assert.Equal(0, Number(pair, "b", "vetoes"));
        Tell(pair, "a", "unveto");
        Assert.Equal(0, Number(pair, "a", "vetoes"));

        // The partner dies and comes back: memory that may have moved is where the client looks.
        await pair.KillAsync("b");
        await PairRun.UntilAsync(
            () => pair.Log("a").Contains("lost: ", StringComparison.Ordinal), "a hears of it");
        Assert.Equal(0, pair.Ask("start", "b").Code);
        await pair.InSyncAsync();
        await WorksAsync(pair, 2, "a");
        Assert.Equal(2, Number(pair, "b", "kept")); // Its memory outlives a process.
        Assert.Equal(0, pair.Ask("stop").Code);
        Assert.Contains("stopped in good order", pair.Log("a"));
        Assert.Contains("disposed", pair.Log("a"));
    }

    [Fact]
    public async Task A_process_that_is_killed_is_one_lost_client_and_comes_back()
    {
        await using PairRun pair = new();
        await StartAsync(pair, "loopback", isolated: true);
        string session = $"{pair.Node("a")["session"]!["id"]}";
        Task<(int Code, string Out, string Error)> load = Task.Run(() => PairRun.Run(
            "fio", "--name=load", "--ioengine=nbd", $"--uri={pair.Uri}", "--rw=randwrite",
            "--bs=4k", "--size=32M", "--time_based", "--runtime=15"));
        for (int killed = 1; killed <= 2; killed++)
        {
            int process = Number(pair, "a", "process");
            PairRun.Signal(process, "KILL");
            await ThenAsync(
                pair, () => Number(pair, "a", "process") is var fresh && fresh > 0 && fresh != process,
                "a new process");
            await WorksAsync(pair, killed + 1, "b");
        }

        Assert.Contains("its process has ended: signal 9, killed", pair.Log("a"));
        Assert.Contains("lost: TwinLeft", pair.Log("b"));
        PairRun.Signal(Number(pair, "a", "process"), "KILL");
        await StandsAsync(pair, "malfunctioned", "signal 9");
        Assert.Equal(0, pair.Ask("plugin", "enable", WorkerPlugin.Id, "--node", "a").Code);
        await WorksAsync(pair, 4, "b");
        var (code, output, error) = await load;
        Assert.True(code == 0, output + error);
        Assert.Equal(session, $"{pair.Node("a")["session"]!["id"]}");
        Assert.Contains("process", pair.Ask("plugin", "list", "-o", "json").Out);
    }

    [Theory]
    [InlineData("throw", "TimeZoneNotFoundException: no such zone")]
    [InlineData("thread", "TimeZoneNotFoundException: in a thread")]
    [InlineData("access", "AccessViolationException")]
    [InlineData("native", "its process has ended: signal 6, abort")]
    [InlineData("stack", "its process has ended: signal 6, abort")]
    [InlineData("spin", "a callback has not returned for 10 s")]
    [InlineData("exit", "its process has ended: exit code 3")]
    [InlineData("eat", "(OutOfMemoryException|its process has ended: signal (6|11))")]
    public async Task What_a_client_does_to_its_process_is_told_and_harms_nobody(
        string deed, string reason)
    {
        await using PairRun pair = new();
        await StartAsync(pair, "loopback", isolated: true);
        string session = $"{pair.Node("a")["session"]!["id"]}";
        string file = pair.WriteBytes(4 << 20);
        Tell(pair, "a", deed);
        await ThenAsync(
            pair, () => Regex.IsMatch(pair.Log("a"), $"failed and is ended: {reason}"),
            reason);
        await WorksAsync(pair, 2, "b");
        pair.Compare(file);
        Assert.Equal(session, $"{pair.Node("a")["session"]!["id"]}");
    }

    [Fact]
    public async Task A_client_that_does_not_stop_is_ended_and_leaves_nothing_behind()
    {
        await using PairRun pair = new();
        WorkerPlugin.Put(pair.Plugins);
        string folder = Path.Combine(pair.Plugins, WorkerPlugin.Id);
        Assert.Equal(0, PairRun.StorageOs("plugin", "pack", folder, "--into", pair.Plugins).Code);
        pair.Start();
        await pair.InSyncAsync();
        Do(pair, "install", Path.Combine(pair.Plugins, "worker.1.0.0.sosplugin"));
        await WorksAsync(pair, 1);
        Tell(pair, "a", "stay");
        int process = Number(pair, "a", "process");
        Do(pair, "disable", WorkerPlugin.Id, "--node", "a", "--reason", "it stays");
        Assert.False(Directory.Exists($"/proc/{process}"));
        await StandsAsync(pair, "disabled", "it stays");
        Do(pair, "enable", WorkerPlugin.Id, "--node", "a");
        await WorksAsync(pair, 2, "b");
    }

    [Fact]
    public async Task A_node_that_is_killed_takes_its_plugins_along()
    {
        await using PairRun pair = new();
        await StartAsync(pair, "loopback", isolated: true);
        int process = Number(pair, "a", "process");
        await pair.KillAsync("a");
        await PairRun.UntilAsync(() => !Directory.Exists($"/proc/{process}"), "it has gone, too");
    }

    private static async Task StartAsync(PairRun pair, string transport, bool isolated)
    {
        WorkerPlugin.Put(
            pair.Plugins, isolated ? ", \"isolation\": \"process\"" : "");
        pair.Start("--transport", transport, "--plugin", Path.Combine(pair.Plugins, "worker"));
        await pair.InSyncAsync();
        await WorksAsync(pair, 1);
    }

    /// <summary>Waits, and says what the logs say when it does not come.</summary>
    private static async Task ThenAsync(PairRun pair, Func<bool> condition, string what)
    {
        try
        {
            await PairRun.UntilAsync(condition, what);
        }
        catch (Xunit.Sdk.TrueException)
        {
            string[] lines = [.. Both.SelectMany(node => pair.Log(node).Split('\n'))
                .Where(static line => line.Contains(WorkerPlugin.Id, StringComparison.OrdinalIgnoreCase)
                    || line.Contains("session", StringComparison.Ordinal))];
            Assert.Fail($"not in time: {what}\n{string.Join('\n', lines)}");
        }
    }

    /// <summary>Both have sent and seen much since a session began, and nothing wrong.</summary>
    private static async Task WorksAsync(PairRun pair, int sessions, params string[] nodes)
    {
        nodes = nodes.Length == 0 ? Both : nodes;
        await ThenAsync(
            pair, () => Both.All(node =>
            {
                JsonNode? report = pair.Node(node)["sections"]?["worker"];
                return report?["seen"] is { } words && (int)words > 300
                    && (int)report["reads"]! > 10
                    && (!nodes.Contains(node) || (int)report["sessions"]! >= sessions);
            }),
            "blocks and words of the twin");
        Assert.All(Both, node => Assert.Equal(0, Number(pair, node, "wrong")));
    }

    private static Task StandsAsync(PairRun pair, string standing, string reason) =>
        PairRun.UntilAsync(
            () => JsonNode.Parse(pair.Ask("plugin", "list", "-o", "json").Out)!["nodes"]![0]!
                ["standings"]!.AsArray().Any(row => $"{row!["id"]}" == WorkerPlugin.Id
                    && $"{row["standing"]}" == standing
                    && $"{row["reason"]}".Contains(reason, StringComparison.Ordinal)),
            standing);

    private static JsonNode? Tell(PairRun pair, string node, string deed) => NodeClient.AskAsync(
        PairLayout.At(pair.Folder).Socket(node), "worker", new JsonObject { ["do"] = deed },
        TimeSpan.FromSeconds(20), CancellationToken.None).GetAwaiter().GetResult();

    private static void Do(PairRun pair, string what, params string[] arguments)
    {
        var (code, output, error) = pair.Ask(["plugin", what, .. arguments]);
        Assert.True(code == 0, $"plugin {what}: exit {code}: {output}{error}");
    }

    private static string Refused(Action action) =>
        Assert.Throws<RefusedException>(action).Refusal.ToString();

    private static int Number(PairRun pair, string node, string key) =>
        (int?)pair.Node(node)["sections"]?["worker"]?[key] ?? 0;

    private static string Text(PairRun pair, string node, string key) =>
        $"{pair.Node(node)["sections"]?["worker"]?[key]}";
}
