using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// Plugins whose code does not end when they do: what they were given stays with them, and nobody
/// else waits for it.
/// </summary>
public sealed class LeavingPluginTests : IDisposable
{
    private const string Id = "acme.leaves";
    private const string StillHangs = "its code has not ended, and keeps what it has";

    private readonly StoreBench bench = new(Id);

    public LeavingPluginTests() => PluginBuilder.PutTransport(bench.Folder.File("plugins"));

    public void Dispose() => bench.Dispose();

    [Fact]
    [Raises("plugin-step-left")]
    public async Task What_is_taken_back_too_late_is_not_given_to_the_next_version()
    {
        bench.Install(bench.Bundle("1.0.0"));
        await using Node node = await bench.BootAsync();
        TaskCompletionSource late = new();
        bench.Manager.Removing = _ => late.Task;
        bench.Upgrade(bench.Bundle("1.1.0"));
        Assert.Equal(StillHangs, $"{(await bench.FollowAsync())["waits"]}");
        late.SetResult();
        Assert.Equal(StillHangs, $"{(await bench.FollowAsync())["waits"]}");
        Assert.Single(bench.Manager.Calls, static call => call == $"admit {Id}");
    }

    [Fact]
    public async Task Who_does_not_end_its_stop_keeps_its_memory()
    {
        bench.Install(bench.Bundle("1.0.0", Stopping("await Task.Delay(Timeout.Infinite);")));
        await using Node node = await bench.BootAsync();
        bench.Upgrade(bench.Bundle("1.1.0"));
        Assert.Equal(StillHangs, $"{(await bench.FollowAsync())["waits"]}");
        Assert.Contains($"leave {Id}", bench.Manager.Calls);
        Assert.DoesNotContain($"remove {Id}", bench.Manager.Calls);
        Assert.Empty(node.Lingering);
    }

    [Fact]
    public async Task Who_does_not_end_its_start_keeps_its_memory_when_it_fails()
    {
        bench.Install(bench.Bundle("1.0.0", PluginBuilder.ClientPlugin(
            Id, "reactor.After(TimeSpan.FromMilliseconds(500), () => throw new Exception()); "
                + "return new(Task.Delay(-1));")));
        await using Node node = await bench.BootAsync();
        Module module = node.Modules.Single(static module => module.Id == Id);
        Assert.Equal(ModuleState.Failed, module.State);
        Assert.True(SpinWait.SpinUntil(() => module.Hangs, StoreBench.Soon));
        Assert.Contains($"leave {Id}", bench.Manager.Calls);
        Assert.DoesNotContain($"remove {Id}", bench.Manager.Calls);
    }

    [Fact]
    public async Task A_fault_in_a_leave_takes_nothing_from_under_it()
    {
        string stopped = bench.Folder.File("stopped");
        bench.Install(bench.Bundle("1.0.0", Stopping($$"""
            reactor.Post(_ => throw new Exception("while it stops"), null);
            await Task.Delay(1000);
            System.IO.File.WriteAllText("{{stopped}}", "");
            """)));
        await using Node node = await bench.BootAsync();
        bool? before = null;
        bench.Manager.Removing = _ =>
        {
            before ??= File.Exists(stopped);
            return Task.CompletedTask;
        };
        bench.Upgrade(bench.Bundle("1.1.0"));
        Assert.Equal("1.1.0 active", StoreBench.Shown(await bench.FollowAsync()));
        Assert.True(before);
    }

    [Fact]
    public async Task A_node_that_stops_waits_for_what_still_starts()
    {
        string file = bench.Folder.File("order");
        string Mark(string what) => $"System.IO.File.AppendAllText(\"{file}\", \"{what} \");";
        bench.Install(bench.Bundle("1.0.0", PluginBuilder.ClientPlugin(Id, "return Slowly();")
            .Replace("public ValueTask StopAsync(CancellationToken deadline) => default;", $$"""
            private static async ValueTask Slowly()
            { {{Mark("starts")}} await Task.Delay(1000); {{Mark("started")}} }
            public ValueTask StopAsync(CancellationToken deadline)
            { {{Mark("stops")}} return default; }
            """)));
        Assert.Empty(NodeConfiguration.Load(bench.Configure(), [], out NodeSettings? settings));
        await using Node node = await Node.BootAsync(
            settings!, bench.Manager, NullLoggerFactory.Instance);
        Assert.True(SpinWait.SpinUntil(() => File.Exists(file), StoreBench.Soon));
        await node.StopAsync("test");
        Assert.Equal("starts started stops ", File.ReadAllText(file));
    }

    [Fact]
    public async Task A_node_that_stops_begins_no_other_version()
    {
        string file = bench.Folder.File("stops");
        bench.Install(bench.Bundle("1.0.0", Stopping(
            $"System.IO.File.WriteAllText(\"{file}\", \"\"); await Task.Delay(1000);")));
        Node node = await bench.BootAsync();
        bench.Upgrade(bench.Bundle("1.1.0"));
        Task follows = node.FollowStoreAsync(Id);
        Assert.True(SpinWait.SpinUntil(() => File.Exists(file), StoreBench.Soon));
        await node.StopAsync("test");
        Assert.Contains(
            "one that stops",
            (await Assert.ThrowsAsync<RefusedException>(() => follows)).Message);
        Assert.Single(bench.Manager.Calls, static call => call == $"admit {Id}");
    }

    [Fact]
    public void What_stops_does_not_start_again()
    {
        Module module = new(Id, PluginKind.Client, null);
        Assert.True(module.Advance(ModuleState.Starting));
        Assert.True(module.Advance(ModuleState.Stopping));
        Assert.False(module.Advance(ModuleState.Starting));
        Assert.False(module.Advance(ModuleState.Running));
        Assert.False(module.Advance(ModuleState.Stopping)); // One alone stops it.
        Assert.Equal(ModuleState.Stopping, module.State);
        Assert.False(module.StopEnded.IsCompleted);
        module.EndStop();
        Assert.True(module.StopEnded.IsCompleted);
    }

    [Fact]
    public async Task A_provider_that_fails_while_its_user_is_replaced_costs_the_user_by_name()
    {
        const string Provider = "acme.provider";
        string file = bench.Folder.File("fail");
        bench.Install(bench.Bundle(
            "1.0.0",
            PluginBuilder.Entry(
                "registry.Services.AddSingleton<IMirroredLogs, Logs>(); "
                + "registry.Provide<IMirroredLogs>(); "
                + "registry.Services.AddSingleton<IClient, TheClient>();")
            + PluginBuilder.Client(Provider, $$"""
                reactor.Every(TimeSpan.FromMilliseconds(20), () =>
                { if (System.IO.File.Exists("{{file}}")) { throw new Exception("gone"); } });
                return default;
                """)
            + "public sealed class Logs : IMirroredLogs { "
            + "public IGroupLog Log(GroupId group) => throw new NotSupportedException(); }",
            of: Provider, more: ", \"provides\": [\"IMirroredLogs\"]"));
        const string Requires = ", \"requires\": [\"IMirroredLogs\"]";
        bench.Install(bench.Bundle("1.0.0", Stopping(
            $"System.IO.File.WriteAllText(\"{file}\", \"\"); await Task.Delay(2000);"),
            more: Requires));
        await using Node node = await bench.BootAsync();
        bench.Upgrade(bench.Bundle("1.1.0", more: Requires));
        JsonNode answer = await bench.FollowAsync();
        Assert.Equal("1.1.0 refused", StoreBench.Shown(answer));
        Assert.Contains($"{Provider} has ended meanwhile", $"{answer["plugin"]!["reason"]}");
        bench.Change(static (entry, now) => entry.Remove(now));
        Assert.Null((await bench.FollowAsync())["plugin"]);
        bench.Change(static (entry, now) => entry.Remove(now), Provider);
        Assert.Null((await bench.FollowAsync(Provider))["plugin"]);
    }

    [Fact]
    public async Task Whose_turn_never_comes_is_not_waited_for_for_ever()
    {
        string plugins = bench.Folder.File("plugins");
        PluginBuilder.Put(
            plugins, "a-hangs", PluginBuilder.ClientPlugin("hangs", "Thread.Sleep(-1); return default;"),
            reactor: "storage");
        PluginBuilder.Put(
            plugins, "b-turn", PluginBuilder.ClientPlugin("turn"), reactor: "storage");
        PluginBuilder.Put(plugins, "c-other", PluginBuilder.ClientPlugin("other"));
        Assert.Empty(NodeConfiguration.Load(bench.Configure(), [], out NodeSettings? settings));
        using ReactorPool reactors = new();
        ModuleFactory factory = new(
            new McMasterPluginLoader(), reactors, Info(bench.Folder), settings!.Plugins,
            NullLoggerFactory.Instance);
        PluginHost host = new(factory, bench.Manager, NullLoggerFactory.Instance)
        {
            AheadTimeMax = TimeSpan.FromSeconds(1),
        };
        PluginManifest[] found =
        [
            .. PluginCatalog.Find([plugins])
                .Select(static candidate => candidate.Good!)
                .Where(static manifest => manifest.Kind == PluginKind.Client)
                .Select(static manifest => manifest.Id == "c-other" ? manifest
                    : manifest with { Origin = PluginOrigin.System }),
        ];
        _ = host.BringUp([Alone(found, "a-hangs")]);
        Assert.True(SpinWait.SpinUntil(
            () => bench.Manager.Calls.Contains("admit hangs"), StoreBench.Soon));
        _ = host.BringUp([Alone(found, "b-turn"), Alone(found, "c-other")]);
        Module other = host.Modules.Single(static module => module.Id == "c-other");
        Assert.True(await other.Started.WaitAsync(StoreBench.Soon));
        Assert.Equal(
            ModuleState.Loading,
            host.Modules.Single(static module => module.Id == "b-turn").State);
    }

    private static PluginLink Alone(PluginManifest[] found, string id) =>
        new(found.Single(manifest => manifest.Id == id), []);

    private static Contracts.Plugins.NodeInfo Info(TestFolder folder) => new(
        "a", "b", 1, 2, 1, folder.Path, folder.Path, default)
    {
        MachineBootId = "",
    };

    /// <summary>A client plugin whose stop does as told.</summary>
    private static string Stopping(string stop) => PluginBuilder.ClientPlugin(Id).Replace(
        "public ValueTask StopAsync(CancellationToken deadline) => default;",
        $"public async ValueTask StopAsync(CancellationToken deadline) {{ {stop} }}");
}
