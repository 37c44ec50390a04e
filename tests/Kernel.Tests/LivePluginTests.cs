using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Plugins;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Tests;

/// <summary>Plugins that come to a running node, change and go.</summary>
public sealed class LivePluginTests : IDisposable
{
    private const string Id = "acme.live";
    private static readonly TimeSpan Unloaded = TimeSpan.FromSeconds(3); // At the latest.

    private readonly StoreBench bench = new(Id);

    public LivePluginTests()
    {
        PluginBuilder.PutTransport(Folder.File("plugins"));
        PluginBuilder.Put(Folder.File("plugins"), "other", PluginBuilder.ClientPlugin("other"));
    }

    private TestFolder Folder => bench.Folder;

    private FakeManager Manager => bench.Manager;

    public void Dispose() => bench.Dispose();

    [Fact]
    public async Task A_client_comes_is_replaced_and_goes_and_nobody_else_notices()
    {
        await using Node node = await BootAsync();
        string[] before = [.. Manager.Calls];
        Install(Bundle("1.0.0"));
        Assert.Equal("1.0.0 active", Shown(await FollowAsync()));
        Upgrade(Bundle("1.1.0"));
        Assert.Equal("1.1.0 active", Shown(await FollowAsync()));
        Change(static (entry, now) => entry.RollBack(now));
        Assert.Equal("1.0.0 active", Shown(await FollowAsync()));
        Change(static (entry, now) => entry.Disable("too loud", now));
        JsonNode off = await FollowAsync();
        Assert.Equal("1.0.0 disabled", Shown(off));
        Assert.Equal("disabled by an operator: too loud", $"{off["plugin"]!["reason"]}");
        Change(static (entry, now) => entry.Enable(now));
        Assert.Equal("1.0.0 active", Shown(await FollowAsync()));
        Change(static (entry, now) => entry.Remove(now));
        Assert.Null((await FollowAsync())["plugin"]);
        Assert.DoesNotContain(node.Modules, static module => module.Id == Id);

        string[] comes = [$"admit {Id}", $"started {Id}"];
        string[] goes = [$"remove {Id}"];
        Assert.Equal(
            [.. comes, .. goes, .. comes, .. goes, .. comes, .. goes, .. comes, .. goes],
            [.. Manager.Calls.Skip(before.Length)]);
        await Task.Delay(Unloaded);
        Assert.Empty(node.Lingering);
    }

    [Fact]
    public async Task A_command_goes_from_one_version_to_the_next()
    {
        string Telling(string text) => PluginBuilder.Entry(
            "registry.Services.AddSingleton<IClient, TheClient>(); "
            + "registry.Services.AddSingleton<IOperatorCommand, Tell>();")
            + PluginBuilder.Client(Id) + $$"""
            public sealed class Tell : IOperatorCommand
            {
                public string Name => "tell";
                public ValueTask<JsonNode> RunAsync(JsonObject a, CancellationToken c) =>
                    new(JsonValue.Create("{{text}}"));
            }
            """;
        Install(Bundle("1.0.0", Telling("old")));
        await using Node node = await BootAsync();
        Assert.Equal("old", $"{await bench.AskAsync("tell")}");
        Upgrade(Bundle("1.1.0", Telling("new")));
        Assert.Equal("1.1.0 active", Shown(await FollowAsync()));
        Assert.Equal("new", $"{await bench.AskAsync("tell")}");
    }

    [Fact]
    public async Task What_hangs_keeps_what_it_has_until_a_restart()
    {
        Install(Bundle("1.0.0", PluginBuilder.ClientPlugin(
            Id, "Thread.Sleep(Timeout.Infinite); return default;")));
        await using Node node = await BootAsync(", \"callbackSeconds\": 1");
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(40));
        while (!Find(node).Hangs)
        {
            await Task.Delay(100, limit.Token);
        }

        Change(static (entry, now) => entry.Remove(now));
        Assert.Equal(
            "its code has not ended, and keeps what it has",
            $"{(await FollowAsync())["waits"]}");
        Assert.Equal(ModuleState.Failed, Find(node).State);
    }

    [Fact]
    public async Task A_store_that_is_not_there_ends_nobody()
    {
        Install(Bundle("1.0.0"));
        await using Node node = await BootAsync();
        Directory.Move(Folder.File("data/plugins"), Folder.File("data/elsewhere"));
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(
            () => FollowAsync());
        Assert.Contains("one that can be read", refused.Message);
        Assert.Equal(ModuleState.Running, Find(node).State);
    }

    [Fact]
    public async Task A_directory_plugin_that_the_configuration_does_not_name_is_not_started()
    {
        Install(Bundle("1.0.0"));
        await using Node node = await BootAsync(", \"clients\": [\"other\"]");
        PluginBuilder.Put(
            Folder.File("plugins"), "acme.more", PluginBuilder.ClientPlugin("more"));
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(
            () => FollowAsync("acme.more"));
        Assert.Contains("to be named in plugins.clients", refused.Message);
        Assert.DoesNotContain(node.Modules, static module => module.Id == "acme.more");
        bench.Configure(", \"clients\": [\"other\", \"acme.more\"]");
        Assert.Equal("1.0.0 active", Shown(await FollowAsync("acme.more")));
    }

    [Fact]
    public async Task What_cannot_be_read_any_more_runs_on_and_is_refused()
    {
        Install(Bundle("1.0.0"));
        await using Node node = await BootAsync();
        File.WriteAllText(Folder.File("plugins/other/plugin.json"), "rubbish");
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(
            () => FollowAsync("other"));
        Assert.Contains("JSON", refused.Message);
        Directory.Move(Folder.File("plugins"), Folder.File("elsewhere"));
        _ = await Assert.ThrowsAsync<RefusedException>(() => FollowAsync("other"));
        Assert.Equal(
            ModuleState.Running,
            node.Modules.Single(static module => module.Id == "other").State);
    }

    [Fact]
    public async Task Another_store_waits_for_a_restart_and_ends_nobody()
    {
        Install(Bundle("1.0.0"));
        await using Node node = await BootAsync();
        Directory.CreateDirectory(Folder.File("elsewhere"));
        bench.Configure(", \"store\": \"elsewhere\"");
        Assert.Equal(
            "plugins.store is another one since the node started",
            $"{(await FollowAsync())["waits"]}");
        Assert.Equal(ModuleState.Running, Find(node).State);
    }

    [Fact]
    public async Task A_failure_of_the_version_that_leaves_is_not_the_next_ones()
    {
        Install(Bundle("1.0.0", PluginBuilder.ClientPlugin(Id).Replace(
            "public ValueTask StopAsync(CancellationToken deadline) => default;",
            "public ValueTask StopAsync(CancellationToken deadline) { "
                + "reactor.Post(_ => throw new Exception(), null); return new(Task.Delay(500)); }")));
        await using (Node node = await BootAsync())
        {
            Upgrade(Bundle("1.1.0"));
            Assert.Equal("1.1.0 active", Shown(await FollowAsync()));
        }

        Assert.Empty(bench.Store.Read().Single(static record => record.Id == Id).Entry!.Failures);
    }

    [Fact]
    [Raises("plugin-thread-left")]
    public async Task What_hangs_in_its_stop_keeps_its_place()
    {
        Install(Bundle("1.0.0", PluginBuilder.ClientPlugin(Id).Replace(
            "public ValueTask StopAsync(CancellationToken deadline) => default;",
            "public ValueTask StopAsync(CancellationToken deadline) "
                + "{ Thread.Sleep(Timeout.Infinite); return default; }")));
        await using Node node = await BootAsync();
        Upgrade(Bundle("1.1.0"));
        Assert.Equal(
            "its code has not ended, and keeps what it has",
            $"{(await FollowAsync())["waits"]}");
        Assert.Equal("1.0.0", Find(node).Manifest!.Version);
    }

    [Fact]
    public async Task What_runs_already_is_left_as_it_is()
    {
        Install(Bundle("1.0.0"));
        await using Node node = await BootAsync();
        int calls = Manager.Calls.Count;
        Assert.Equal("1.0.0 active", Shown(await FollowAsync()));
        Assert.Equal(calls, Manager.Calls.Count);
    }

    [Fact]
    [Raises("plugin-lingers")]
    public async Task Code_that_something_still_refers_to_is_shown_until_a_restart()
    {
        Install(Bundle("1.0.0", PluginBuilder.ClientPlugin(
            Id, "new Thread(() => { while (Needs != null) Thread.Sleep(50); }) "
                + "{ IsBackground = true }.Start(); return default;")));
        await using Node node = await BootAsync();
        Change(static (entry, now) => entry.Remove(now));
        _ = await FollowAsync();
        await Task.Delay(Unloaded);
        Assert.Equal([(Id, "1.0.0")], node.Lingering);
        JsonNode shown = (await bench.PluginsAsync()).Single(plugin => $"{plugin!["id"]}" == Id)!;
        Assert.Equal("restart pending", $"{shown["standing"]}");
        Assert.Contains("a restart of the node frees it", $"{shown["reason"]}");
    }

    [Theory]
    [InlineData(", \"restart\": true", "own", "its manifest says that it needs a restart")]
    [InlineData("", "storage", "it shares a thread with others")]
    public async Task What_needs_a_restart_waits_for_it_and_says_why(
        string more, string reactor, string why)
    {
        await using Node node = await BootAsync();
        Install(Bundle("1.0.0", more: more, reactor: reactor));
        Assert.Equal(why, $"{(await FollowAsync())["waits"]}");
        Assert.DoesNotContain(node.Modules, static module => module.Id == Id);
    }

    [Fact]
    public async Task One_whose_services_another_takes_waits_for_a_restart()
    {
        const string Provided = "registry.Services.AddSingleton<IMirroredLogs, Logs>(); "
            + "registry.Provide<IMirroredLogs>(); "
            + "registry.Services.AddSingleton<IClient, TheClient>();";
        const string Logs = "public sealed class Logs : IMirroredLogs { "
            + "public IGroupLog Log(GroupId group) => throw new NotSupportedException(); }";
        Install(Bundle(
            "1.0.0", PluginBuilder.Entry(Provided) + PluginBuilder.Client(Id) + Logs,
            ", \"provides\": [\"IMirroredLogs\"]"));
        await using Node node = await BootAsync();
        PluginBuilder.Put(
            Folder.File("sources"), "acme.user", PluginBuilder.ClientPlugin("acme.user"),
            more: ", \"requires\": [\"IMirroredLogs\"]");
        Install(BundleWriter.Pack(Folder.File("sources/acme.user"), Folder.Path));
        JsonNode user = await FollowAsync("acme.user");
        Assert.Equal("1.0.0 active", Shown(user));
        Change(static (entry, now) => entry.Remove(now));
        Assert.Equal("acme.user takes services from it", $"{(await FollowAsync())["waits"]}");
        Assert.Equal(ModuleState.Running, Find(node).State);
    }

    [Fact]
    public async Task A_new_version_that_throws_costs_itself_and_can_be_rolled_back()
    {
        Install(Bundle("1.0.0"));
        await using Node node = await BootAsync();
        Upgrade(Bundle("1.1.0", PluginBuilder.ClientPlugin(Id, "throw new Exception(\"broken\");")));
        JsonNode bad = await FollowAsync();
        Assert.Equal("1.1.0 failed", Shown(bad));
        Assert.Contains("broken", $"{bad["plugin"]!["reason"]}");
        Change(static (entry, now) => entry.RollBack(now));
        Assert.Equal("1.0.0 active", Shown(await FollowAsync()));
        Assert.Contains(node.Modules, static module => module is
        { Id: "other", State: ModuleState.Running });
    }

    [Fact]
    public async Task What_may_not_be_loaded_is_refused_and_what_ran_runs_on()
    {
        Install(Bundle("1.0.0"));
        await using Node node = await BootAsync();
        Upgrade(Bundle("1.1.0"));
        File.AppendAllText(Folder.File($"data/plugins/{Id}/1.1.0/{Id}.dll"), "x");
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(
            () => FollowAsync());
        Assert.Contains("SHA-256", refused.Message);
        Assert.Equal("1.0.0", Find(node).Manifest!.Version);
        Assert.Equal(ModuleState.Running, Find(node).State);
    }

    [Fact]
    public async Task Settings_that_were_written_since_the_node_started_hold()
    {
        await using Node node = await BootAsync();
        const string Schema = """
            , "settings": { "type": "object", "required": ["count"],
                            "properties": { "count": { "type": "integer" } } }
            """;
        Install(Bundle("1.0.0", more: Schema));
        Assert.Equal("1.0.0 refused", Shown(await FollowAsync()));
        bench.Configure($$""", "settings": { "{{Id}}": { "count": 3 } }""");
        Assert.Equal("1.0.0 active", Shown(await FollowAsync()));
    }

    [Fact]
    public async Task A_node_that_stops_follows_nothing_more()
    {
        Node node = await BootAsync();
        Install(Bundle("1.0.0"));
        await node.StopAsync("test");
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(
            () => node.FollowStoreAsync(Id));
        Assert.Contains("stops", refused.Message);
    }

    [Fact]
    public async Task A_client_hears_nothing_after_its_stop()
    {
        Listener client = new();
        StoppableClient stoppable = new(client);
        stoppable.PartnerLost(default, null!);
        stoppable.PortChanged("port", null);
        await stoppable.StopAsync(CancellationToken.None);
        stoppable.PartnerReady(null!);
        stoppable.PartnerLost(default, null!);
        stoppable.PortChanged("port", null);
        stoppable.MemoryChanged("region", null);
        Assert.Equal(["lost", "port", "stop"], client.Heard);
    }

    private static Module Find(Node node) => node.Modules.Single(module => module.Id == Id);

    private string Bundle(
        string version, string? source = null, string more = "", string? reactor = null) =>
        bench.Bundle(version, source, more: more, reactor: reactor);

    private void Install(string bundle) => bench.Install(bundle);

    private void Upgrade(string bundle) => bench.Upgrade(bundle);

    private void Change(Func<StoreEntry, DateTimeOffset, StoreEntry> step) => bench.Change(step);

    private Task<JsonNode> FollowAsync(string id = Id) => bench.FollowAsync(id);

    private static string Shown(JsonNode answer) => StoreBench.Shown(answer);

    private Task<Node> BootAsync(string more = "") => bench.BootAsync(more);

    private sealed class Listener : IClient
    {
        public List<string> Heard { get; } = [];

        public ClientNeeds Needs { get; } = new("listener", new VersionRange(1, 1), [], []);

        public ValueTask StartAsync(IClientServices services, CancellationToken stopping) =>
            default;

        public void PartnerReady(ClientGrant grant) => Heard.Add("ready");

        public void PartnerLost(SessionId session, SessionEnd end) => Heard.Add("lost");

        public void PortChanged(string port, IPort? replacement) => Heard.Add("port");

        public void MemoryChanged(string region, IRemoteMemory? memory) => Heard.Add("memory");

        public ValueTask StopAsync(CancellationToken deadline)
        {
            Heard.Add("stop");
            return default;
        }
    }
}
