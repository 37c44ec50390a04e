using System.Text.Json.Nodes;
using StorageOs.Kernel.Tests;
using StorageOs.Pair.Tests;

namespace StorageOs.Claims.Tests;

/// <summary>One pair of real processes with the storage clients and a third party's.</summary>
public sealed class PairOfProcesses : IAsyncLifetime
{
    internal PairRun Pair { get; } = new();

    public Task InitializeAsync()
    {
        PluginBuilder.Put(Pair.Plugins, "small", PluginBuilder.ClientPlugin("small"));
        Pair.Start("--plugin", Pair.Plugins);
        return Pair.InSyncAsync();
    }

    public async Task DisposeAsync() => await Pair.DisposeAsync();
}

/// <summary>Rows that hold between two processes, read in their logs and their status.</summary>
[Trait("Category", "Slow")]
public sealed class ProcessClaims(PairOfProcesses processes) : IClassFixture<PairOfProcesses>
{
    private readonly PairRun pair = processes.Pair;

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public void Claim03_the_steps_after_the_connection_come_in_this_order_in_each_process(
        string node) => ExpectInOrder(node, ClientClaims.Order);

    [Theory]
    [InlineData("a")]
    [InlineData("b")]
    public void Claim10_the_manager_begins_the_session_upon_boot_before_any_client_is_loaded(
        string node) => ExpectInOrder(node,
        [
            "1/4 at", "region 0 mapped", "handshake begun", "2/4 at", "3/4 at", "4/4 at",
        ]);

    [Fact]
    public async Task Claim08_Claim20_two_storage_systems_in_two_processes_have_one_session()
    {
        await PairRun.UntilAsync(
            () => $"{pair.Node("a")["partner"]!["phase"]}" == "Serving"
                && $"{pair.Node("b")["partner"]!["phase"]}" == "Serving", "each sees the other");
        (JsonObject a, JsonObject b) = (pair.Node("a"), pair.Node("b"));
        Assert.NotEqual($"{a["pid"]}", $"{b["pid"]}");
        Assert.Equal($"{a["session"]!["id"]}", $"{b["session"]!["id"]}");
        Assert.Equal($"{a["epoch"]}", $"{b["partner"]!["epoch"]}");
        Assert.Equal($"{b["epoch"]}", $"{a["partner"]!["epoch"]}");

        // Storage systems: each serves a volume of its own and knows the other's.
        foreach (JsonObject node in new[] { a, b })
        {
            Assert.Equal(["vol0 of a", "vol1 of b"], node["volumes"]!.AsArray().Select(
                volume => $"{volume!["name"]} of {volume["owner"]}"));
        }
    }

    [Fact]
    public void Framework_the_manager_is_the_core_and_everything_else_a_plugin()
    {
        foreach (string node in new[] { "a", "b" })
        {
            JsonNode[] all = [.. pair.Node(node)["plugins"]!.AsArray().OfType<JsonNode>()];
            JsonNode[] others = [.. all.Where(
                m => $"{m["kind"]}" == "transport" && $"{m["id"]}" != "loopback"
                    || $"{m["id"]}" is "witness-etcd" or "management")];
            JsonNode[] modules = [.. all.Except(others)];

            // What is built and not configured is listed, and not loaded.
            Assert.NotEmpty(others);
            Assert.All(others, m => Assert.NotEqual("Running", $"{m["state"]}"));
            Assert.Equal(
                ["ccm core Running", "loopback transport Running"],
                modules.Take(2).Select(m => $"{m["id"]} {m["kind"]} {m["state"]}"));
            Assert.Equal(
                [
                    "failover-monitor client", "nbd-export client", "nvram-mirror client",
                    "small client", "volumes client", "witness-file witness",
                ],
                modules.Skip(2).Select(m => $"{m["id"]} {m["kind"]}").Order());
            Assert.All(modules, m => Assert.Equal("Running", $"{m["state"]}"));
        }
    }

    [Fact]
    public void Claim05_Claim06_status_of_both_processes_has_the_same_ports_and_memory()
    {
        string[] a = Clients("a"), b = Clients("b");
        Assert.Equal(a, b);
        Assert.Contains("small Ready 0 0", a);
        Assert.True(a.Length == 5, string.Join("; ", a));
    }

    private string[] Clients(string node) =>
    [
        .. pair.Node(node)["clients"]!.AsArray().Select(
            c => $"{c!["name"]} {c["state"]} {c["ports"]} {c["memoryBytes"]}").Order(),
    ];

    private void ExpectInOrder(string node, IReadOnlyList<string> steps)
    {
        string[] log = pair.Log(node).Split('\n');
        int[] places =
        [
            .. steps.Select(step => Array.FindIndex(
                log, line => line.Contains(step, StringComparison.Ordinal))),
        ];
        Assert.True(
            !places.Contains(-1) && places.SequenceEqual(places.Order()),
            $"{string.Join(", ", places)} in\n{pair.Log(node)}");
    }
}

/// <summary>Rows about nodes that are not fully functioning.</summary>
[Trait("Category", "Slow")]
public sealed class HangingClaims
{
    [Fact]
    public async Task Claim21_two_nodes_whose_clients_hang_while_volumes_recover_have_a_session()
    {
        await using PairRun pair = new();
        PluginBuilder.Put(pair.Plugins, "hangs", PluginBuilder.ClientPlugin(
            "hangs", "return new ValueTask(Task.Delay(-1, stopping));"));
        PluginBuilder.Put(pair.Plugins, "blocks", PluginBuilder.ClientPlugin(
            "blocks", "Thread.Sleep(-1); return default;"));
        pair.Make(pair.Plugins);

        // Where the register should be is a file: no volume can be recovered by either node.
        File.WriteAllText(Path.Combine(pair.Folder, "witness"), "not a folder");
        pair.Boot("a");
        pair.Boot("b");
        await PairRun.UntilAsync(
            () => pair.Session("a") == "Ready" && pair.Session("b") == "Ready", "the session");
        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(
                () => $"{pair.Node(node)["partner"]!["phase"]}" == "Recovering",
                "the partner's phase, by one-sided reads");
            await PairRun.UntilAsync(
                () => pair.Client(node, "nvram-mirror") == "Ready", "others are not held up");
            JsonObject status = pair.Node(node);
            Assert.Equal("Recovering", $"{status["phase"]}");
            Assert.Equal("Booting", $"{status["partner"]!["condition"]}");
            Assert.Equal("Starting", pair.Client(node, "hangs"));
            Assert.Equal("Starting", pair.Client(node, "blocks"));
            Assert.All(
                status["volumes"]!.AsArray(), v => Assert.False(v!["served"]!.GetValue<bool>()));
        }
    }
}
