using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Tests;

namespace StorageOs.Pair.Tests;

/// <summary>
/// Partners that come late, clients that misbehave and input that is garbage: the node stays up,
/// says what was expected and what was found, and loses nothing.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class TroubleTests
{
    private static readonly TimeSpan LateBy = TimeSpan.FromSeconds(6);

    [Fact]
    public async Task A_partner_that_comes_many_seconds_late_connects()
    {
        await using PairRun pair = new();
        pair.Make();
        Process a = pair.Boot("a");
        await PairRun.UntilAsync(
            () => DateTime.Now - a.StartTime > LateBy && pair.Session("a") == "Connecting",
            "a alone for a while");
        Assert.Equal("Serving", $"{pair.Node("a")["phase"]}");
        Assert.Equal("Dead", $"{pair.Node("a")["partner"]!["condition"]}");
        pair.Boot("b");
        await pair.InSyncAsync();
        pair.Compare(pair.WriteBytes(1 << 20));
    }

    [Fact]
    public async Task Clients_that_hang_throw_or_ask_too_much_cost_only_themselves()
    {
        await using PairRun pair = new();
        PluginBuilder.Put(pair.Plugins, "hangs", PluginBuilder.ClientPlugin(
            "hangs", "Thread.Sleep(-1); return default;"));
        PluginBuilder.Put(pair.Plugins, "throws", PluginBuilder.ClientPlugin(
            "throws", "throw new InvalidOperationException(\"no such luck\");"));
        PluginBuilder.Put(pair.Plugins, "greedy", PluginBuilder.ClientPlugin("greedy").Replace(
            "[], []", """
            [], [new("a", 2000 << 20, RemoteAccess.Read), new("b", 2000 << 20, RemoteAccess.Read),
            new("c", 2000 << 20, RemoteAccess.Read)]
            """));
        pair.Make(pair.Plugins);
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        string file = pair.WriteBytes(4 << 20);
        foreach (string node in new[] { "a", "b" })
        {
            Assert.Equal("Starting", pair.Client(node, "hangs"));
            Assert.Equal("Failed", pair.Client(node, "throws"));
            Assert.Contains("no such luck", pair.Reason(node, "throws"));
            Assert.Equal("Refused", pair.Client(node, "greedy"));
            Assert.Contains("more bytes of memory on this node", pair.Reason(node, "greedy"));
            Assert.Contains($"found {3L * (2000 << 20)}", pair.Reason(node, "greedy"));
        }

        pair.Compare(file);
    }

    [Fact]
    public void A_command_that_cannot_do_its_work_says_why_in_one_document()
    {
        var (code, said, error) = PairRun.StorageOs(
            "pair", "--detach", "--dir", "/dev/null/pair", "-o", "json");
        Assert.Equal(1, code);
        Assert.Equal("", error);
        JsonNode refusal = Assert.Single(JsonNode.Parse(said)!["refusals"]!.AsArray())!;
        Assert.Equal("file", $"{refusal["subject"]}");
        Assert.Contains("/dev/null/pair", $"{refusal["actual"]}", StringComparison.Ordinal);
        Assert.NotEqual("", $"{refusal["remedy"]}");
    }

    [Fact]
    public async Task Stop_ends_the_one_node_although_the_other_does_not_answer()
    {
        await using PairRun pair = new();
        pair.Make();
        Process a = pair.Boot("a");
        Process b = pair.Boot("b");
        await pair.InSyncAsync();
        int hangs = pair.Pid("a");
        PairRun.Signal(hangs, "STOP");
        var (code, said, _) = pair.Ask("stop", "-o", "json");
        PairRun.Signal(hangs, "KILL");
        JsonNode result = JsonNode.Parse(said)!;
        Assert.Equal(1, code);
        Assert.False(result["ok"]!.GetValue<bool>());
        Assert.Equal("b", $"{Assert.Single(result["nodes"]!.AsArray())!["name"]}");
        Assert.StartsWith(
            "a: node at", $"{Assert.Single(result["refusals"]!.AsArray())!["subject"]}");
        Assert.True(a.WaitForExit(LateBy) && b.WaitForExit(LateBy));
    }

    [Fact]
    public async Task A_client_that_starts_late_becomes_ready_and_disturbs_nobody()
    {
        await using PairRun pair = new();
        string mark = Path.Combine(Path.GetDirectoryName(pair.Folder)!, "mark");
        PluginBuilder.Put(pair.Plugins, "late", PluginBuilder.ClientPlugin("late", $$"""
            TaskCompletionSource come = new();
            reactor.Every(TimeSpan.FromMilliseconds(20), () =>
            {
                if (System.IO.File.Exists("{{mark}}")) { come.TrySetResult(); }
            });
            return new ValueTask(come.Task);
            """));
        pair.Make(pair.Plugins);
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        string session = $"{pair.Node("a")["session"]!["id"]}";
        Assert.Equal("Starting", pair.Client("a", "late"));
        Assert.Equal("Recovering", $"{pair.Node("a")["phase"]}");
        File.WriteAllText(mark, "");
        await PairRun.UntilAsync(
            () => pair.Client("a", "late") == "Ready" && pair.Client("b", "late") == "Ready",
            "the late client");
        Assert.Equal("Serving", $"{pair.Node("a")["phase"]}");
        Assert.Equal(session, $"{pair.Node("a")["session"]!["id"]}");
    }

    [Fact]
    public async Task Oneself_as_partner_and_a_twin_of_the_same_name_are_refused_in_status()
    {
        await using PairRun pair = new();
        pair.Make();

        // Both name themselves a; b expects a partner of another name and so passes its own check.
        pair.Configure("b", settings =>
        {
            settings["node"]!["name"] = "a";
            settings["partner"]!["name"] = "c";
        });
        pair.Boot("a");
        pair.Boot("b");
        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(() => Refusal(pair, node) is { } refusal
                && $"{refusal["expected"]}" == "a node with another name than a"
                && $"{refusal["actual"]}" == "the same name a", $"{node} refuses");
        }

        // And its own address as the partner's, which only the transport can tell.
        Assert.Equal(0, pair.Ask("stop", "a").Code);
        pair.Configure("a", settings =>
        {
            settings["partner"]!["address"] = settings["transport"]!["address"]!.DeepClone();
            settings["partner"]!["port"] = 2;
        });
        pair.Boot("a");
        await PairRun.UntilAsync(
            () => $"{Refusal(pair, "a")?["actual"]}".Contains("this node's own")
                && $"{pair.Node("a")["phase"]}" == "Serving", "oneself");
    }

    [Theory]
    [InlineData("{ \"node\": ", "JSON")]
    [InlineData("{ \"node\": { \"name\": 7, \"colour\": \"red\" } }", "colour")]
    [InlineData("\0\u0001rubbish", "JSON")]
    public async Task A_garbage_configuration_is_refused_with_file_and_expectation(
        string text, string expected)
    {
        await using PairRun pair = new();
        pair.Make();
        string config = Path.Combine(pair.Folder, "a", "config.json");
        File.WriteAllText(config, text);
        var (code, _, error) = PairRun.StorageOs("boot", "--config", config);
        Assert.Equal(1, code);
        Assert.Contains(config, error);
        Assert.Contains(expected, error);
        Assert.Contains("expected", error);
        Assert.DoesNotContain("   at ", error);
    }

    [Theory]
    [InlineData("takeover --group 2", "'2' not recognized. Must be one of: '0' '1' 'all'")]
    [InlineData("takeover --term x", "Cannot parse argument 'x' for option '--term'.")]
    [InlineData("pair --nbd-port x", "Cannot parse argument 'x' for option '--nbd-port'.")]
    [InlineData("status --dir", "Required argument missing for option: '--dir'")]
    [InlineData("takeover --force --term 1", "--force needs --group")]
    [InlineData("takeover --force --group 0", "--force needs --term")]
    [InlineData("pair --witness etcd", "--witness etcd needs --etcd")]
    [InlineData("pair --etcd http://127.0.0.1:1", "--etcd needs --witness etcd")]
    [InlineData("sing", "'sing'")]
    public void A_garbage_command_line_is_bad_usage_in_one_line(string line, string expected)
    {
        var (code, output, error) = PairRun.StorageOs(line.Split(' '));
        Assert.Equal(2, code);
        Assert.Equal("", output);
        Assert.Contains(expected, error);
        Assert.Single(error.Trim().Split('\n'));
    }

    [Fact]
    public async Task A_garbage_manifest_is_refused_by_name_and_the_pair_is_ready()
    {
        await using PairRun pair = new();
        string folder = Path.Combine(pair.Plugins, "odd");
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(
            Path.Combine(folder, "plugin.json"), RandomNumberGenerator.GetBytes(3000));
        pair.Make(pair.Plugins);
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        JsonNode odd = pair.Node("b")["plugins"]!.AsArray().First(p => $"{p!["id"]}" == "odd")!;
        Assert.Equal("Refused", $"{odd["state"]}");
        Assert.Equal("JSON", $"{odd["refusal"]!["expected"]}");
        Assert.Contains(folder, $"{odd["refusal"]!["subject"]}");
        Assert.Equal(0, PairRun.Run("nbdinfo", pair.Uri).Code);
    }

    [Fact]
    public async Task A_garbage_register_stops_takeovers_and_nothing_else()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        string file = pair.WriteBytes(4 << 20);
        foreach (string entry in Directory.EnumerateFiles(Path.Combine(pair.Folder, "witness")))
        {
            File.SetUnixFileMode(entry, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            File.WriteAllBytes(entry, RandomNumberGenerator.GetBytes(100));
        }

        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(
                () => $"{pair.Node(node)["witness"]!["state"]}" != "Found", $"{node} sees it");
            Assert.Contains("expected", $"{pair.Node(node)["witness"]!["detail"]}");
            await PairRun.UntilAsync(
                () => !pair.Node(node)["takeover"]!["possible"]!.GetValue<bool>(), "no takeover");
            Assert.Equal("Ready", pair.Session(node));
        }

        Assert.Contains("a's witness is unreachable: ", pair.Ask("status").Out);
        pair.Compare(file); // A mirrored pair needs no witness to go on.
        pair.Compare(pair.WriteBytes(1 << 20, "more"));
    }

    [Fact]
    public async Task A_garbage_log_counts_as_forgot_and_the_partner_has_everything()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        string file = pair.WriteBytes(8 << 20);
        Assert.Equal(0, pair.Ask("stop", "a", "--kill").Code);
        string nvram = Path.Combine(
            File.ReadAllText(Path.Combine(pair.Folder, "fast-folder")).Trim(), "nvram-a");
        string[] logs = Directory.GetFiles(nvram, "*", SearchOption.AllDirectories);
        Assert.NotEmpty(logs);
        foreach (string log in logs)
        {
            using FileStream stream = File.OpenWrite(log);
            stream.Write(RandomNumberGenerator.GetBytes((int)Math.Min(stream.Length, 16 << 20)));
        }

        Assert.Equal(0, pair.Ask("start", "a").Code);
        await pair.InSyncAsync();
        pair.Compare(file);
        Assert.Equal(0, pair.Ask("takeover", "--node", "a", "--group", "0").Code);
        pair.Compare(file);
    }

    [Fact]
    public async Task A_service_address_that_is_taken_at_boot_is_waited_for_with_the_reason()
    {
        await using PairRun pair = new();
        pair.Make();
        using (TcpListener squatter = new(IPAddress.Loopback, pair.Port))
        {
            squatter.Start();
            pair.Boot("a");
            pair.Boot("b");
            await PairRun.UntilAsync(
                () => $"{pair.Volume("a")["waits"]}".Contains("in use"), "the reason in status");
            await pair.InSyncAsync();
            Assert.Equal("Ready", pair.Client("a", "nbd-export"));
            var (code, output, _) = pair.Ask("status");
            Assert.Equal(3, code);
            Assert.Contains("can't listen", output);
        }

        await PairRun.UntilAsync(
            () => $"{pair.Volume("a")["waits"]}".Length == 0, "the address is had");
        pair.Compare(pair.WriteBytes(1 << 20));
    }

    [Fact]
    public async Task A_partner_stopped_for_a_while_is_found_stuck_and_comes_back()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        string file = pair.WriteBytes(4 << 20);
        string pid = $"{pair.Pid("b")}";
        Assert.Equal(0, PairRun.Run("kill", "-STOP", pid).Code);
        await PairRun.UntilAsync(
            () => $"{pair.Node("a")["partner"]!["condition"]}" == "Stuck", "it is stuck, not dead");
        Assert.Contains("BeatStill", $"{pair.Node("a")["partner"]!["lastEnd"]}");
        await PairRun.UntilAsync(() => $"{pair.Volume("a")["state"]}" == "alone", "a goes alone");
        pair.Compare(file);
        string more = pair.WriteBytes(2 << 20, "more");
        Assert.Equal(0, PairRun.Run("kill", "-CONT", pid).Code);
        await pair.InSyncAsync();
        Assert.Equal(2, pair.Node("a")["session"]!["count"]!.GetValue<int>());
        pair.Compare(more);
    }

    private static JsonNode? Refusal(PairRun pair, string node) =>
        pair.Node(node)["session"]?["refusal"];
}
