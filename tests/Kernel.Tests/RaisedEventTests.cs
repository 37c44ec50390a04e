using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;
using StorageOs.Kernel.Isolation;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Tests;

/// <summary>Events of the kernel that nothing else here brings about, each by its cause.</summary>
public sealed partial class RaisedEventTests : IDisposable
{
    private const string Id = "acme.odd";
    private const string Nowhere = "/proc/self/nowhere/at-all";
    private readonly StoreBench bench = new(Id);

    public void Dispose() => bench.Dispose();

    [Fact]
    [Raises("core-failed")]
    public async Task A_core_whose_callback_throws_ends_its_node()
    {
        await using Node node = await BootAsync(core: new Throwing(bench.Manager));
        Assert.Contains("no core", await node.StopAsked.WaitAsync(StoreBench.Soon));
        Assert.True(node.Panicked);
    }

    [Fact]
    [Raises("events-not-kept")]
    public async Task A_recorder_whose_file_cannot_be_mapped_is_told_of()
    {
        Directory.CreateDirectory(bench.Folder.File("nvram/events.ring"));
        Directory.CreateDirectory(bench.Folder.File("data/events.ring"));
        await using Node node = await BootAsync();
    }

    [Fact]
    [Raises("partner-events-unread")]
    public void A_kept_ring_that_cannot_be_read_is_told_of()
    {
        string path = bench.Folder.File("ring");
        File.CreateSymbolicLink(path, "/proc/self/mem"); // Reading it from the start is an error.
        Assert.Empty(new PartnerRing(path, NullLogger.Instance).Read().Events);
    }

    [Fact]
    [Raises("partner-events-not-kept")]
    public void A_ring_that_cannot_be_kept_is_told_of()
    {
        using FlightRecorder partner = new(1, TimeProvider.System, null);
        partner.Record(new RecordedEvent { Text = "hello" });
        byte[] ring = new byte[EventSlot.RingBytes];
        EventSlot.Write(
            ring.AsSpan(EventSlot.OffsetOf(1)), Assert.Single(partner.Read().Events));
        PartnerRing kept = new(Nowhere, NullLogger.Instance);
        kept.TakeAll(ring);
        int before = RaisesAttribute.CountOf("partner-events-not-kept");
        kept.Save();
        Until("partner-events-not-kept", before);
    }

    [Fact]
    [Raises("command-failed")]
    public async Task A_command_that_throws_is_told_of_here_and_to_whoever_asked()
    {
        PluginBuilder.Put(
            bench.Folder.File("plugins"), Id,
            PluginBuilder.Entry(
                "registry.Services.AddSingleton<IClient, TheClient>(); "
                + "registry.Services.AddSingleton<IOperatorCommand, Bad>();")
            + PluginBuilder.Client(Id)
            + "public sealed class Bad : IOperatorCommand { public string Name => \"bad\"; "
            + "public ValueTask<JsonNode> RunAsync(JsonObject a, CancellationToken c) => "
            + "throw new System.InvalidOperationException(\"a bug\"); }");
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(StoreBench.Soon);
        RefusedException refused = await Assert.ThrowsAsync<RefusedException>(
            () => bench.AskAsync("bad"));
        Assert.Contains("a bug", refused.Refusal.Actual);
    }

    [Fact]
    [Raises("console-missing", "watchdog-missing")]
    public async Task A_console_and_a_watchdog_that_are_not_there_are_told_of()
    {
        int before = RaisesAttribute.CountOf("console-missing");
        await using Node node = await BootAsync(overrides:
            [$"management:console={Nowhere}", $"node:watchdog={Nowhere}"]);
        Until("console-missing", before);
    }

    [Fact]
    [Raises("watchdog-failed")]
    public async Task A_watchdog_that_takes_nothing_is_told_of()
    {
        await using Node node = await BootAsync(overrides: ["node:watchdog=/dev/full"]);
    }

    [Fact]
    [Raises("plugin-critical")]
    public async Task A_node_whose_critical_plugin_fails_says_so_and_stops()
    {
        PluginBuilder.Put(
            bench.Folder.File("plugins"), Id, PluginBuilder.ClientPlugin(
                Id,
                "reactor.Post(_ => throw new System.Exception(\"gone\"), null); return default;"),
            more: ", \"critical\": true");
        await using Node node = await BootAsync();
        Assert.Contains("critical", await node.StopAsked.WaitAsync(StoreBench.Soon));
    }

    [Fact]
    [Raises("plugin-step-failed")]
    public async Task A_plugin_that_throws_over_its_end_is_told_of()
    {
        PluginBuilder.Put(
            bench.Folder.File("plugins"), Id, PluginBuilder.ClientPlugin(Id).Replace(
                "public ValueTask StopAsync(CancellationToken deadline) => default;",
                "public ValueTask StopAsync(CancellationToken deadline) => "
                + "throw new System.Exception(\"no\");", StringComparison.Ordinal));
        await using Node node = await BootAsync();
        await node.Serving.WaitAsync(StoreBench.Soon);
    }

    [Fact]
    [Raises("plugin-store-untidy")]
    public async Task A_store_that_somebody_changes_is_told_of()
    {
        bench.Install(bench.Bundle("1.0.0"));
        using StoreLock held = StoreLock.Take(bench.Store.Directory, TimeSpan.Zero);
        await using Node node = await BootAsync();
    }

    /// <summary>Who may list everything finds the directory of a process that has ended.</summary>
    [Fact]
    [Raises("plugin-store-unread")]
    public async Task A_store_that_cannot_be_listed_costs_what_is_installed_and_is_told_of()
    {
        using Process process = Process.Start("sleep", "60");
        const int Directory = 0x10000; // O_DIRECTORY of x86-64.
        using SafeFileHandle handle = new(Open($"/proc/{process.Id}", Directory), true);
        Assert.False(handle.IsInvalid);
        process.Kill();
        await process.WaitForExitAsync();
        await using Node node = await BootAsync(
            overrides: [$"plugins:store=/proc/self/fd/{handle.DangerousGetHandle()}"]);
        await node.Serving.WaitAsync(StoreBench.Soon);
    }

    [Fact]
    [Raises("plugin-failure-not-kept")]
    public async Task A_store_that_is_a_file_keeps_no_failure_and_is_told_of()
    {
        File.WriteAllText(bench.Folder.File("store"), "");
        PluginBuilder.Put(
            bench.Folder.File("plugins"), Id, PluginBuilder.ClientPlugin(
                Id,
                "reactor.Post(_ => throw new System.Exception(\"gone\"), null); return default;"));
        int before = RaisesAttribute.CountOf("plugin-failure-not-kept");
        await using Node node = await BootAsync(
            overrides: [$"plugins:store={bench.Folder.File("store")}"]);
        Until("plugin-failure-not-kept", before);
    }

    [Fact]
    [Raises("plugin-key-not-trusted")]
    public async Task A_key_that_is_none_is_told_of()
    {
        Directory.CreateDirectory(bench.Folder.File("trust"));
        File.WriteAllText(bench.Folder.File("trust/acme.pem"), "no key");
        await using Node node = await BootAsync(
            overrides: [$"plugins:trust={bench.Folder.File("trust")}"]);
    }

    [Fact]
    [Raises("plugin-late")]
    public async Task A_plugin_that_has_not_started_when_its_node_stops_is_told_of()
    {
        string file = bench.Folder.File("starts");
        PluginBuilder.PutTransport(bench.Folder.File("plugins"));
        Node node = await bench.BootAsync();
        await using (node)
        {
            bench.Install(bench.Bundle("1.0.0", PluginBuilder.ClientPlugin(
                Id,
                $"System.IO.File.WriteAllText(\"{file}\", \"\"); "
                + "return new ValueTask(System.Threading.Tasks.Task.Delay(2000));")));
            Task follows = node.FollowStoreAsync(Id);
            Assert.True(SpinWait.SpinUntil(() => File.Exists(file), StoreBench.Soon));
            await node.StopAsync("test");
            await follows;
        }
    }

    [Fact]
    [Raises("plugin-restarted", "plugin-not-restarted")]
    public void A_process_that_is_started_again_or_is_not_is_told_of()
    {
        Queue<Func<PluginOutcome>> answers = new(
        [
            () => new(null, "it waits"),
            () => throw new RefusedException(new Refusal(Id, "a version", "none")),
        ]);
        ProcessRestarts restarts = new(
            _ => Task.FromResult(answers.Dequeue()()), TimeProvider.System, NullLogger.Instance,
            CancellationToken.None);
        Module module = new(Id, PluginKind.Client, Isolated());
        int restarted = RaisesAttribute.CountOf("plugin-restarted");
        restarts.Note(module);
        Until("plugin-restarted", restarted);
        int refused = RaisesAttribute.CountOf("plugin-not-restarted");
        restarts.Note(module);
        Until("plugin-not-restarted", refused);
    }

    private PluginManifest Isolated()
    {
        PluginBuilder.Put(
            bench.Folder.File("sources"), Id, PluginBuilder.ClientPlugin(Id),
            more: ", \"isolation\": \"process\"");
        return PluginCatalog.Find([bench.Folder.File("sources")]).Single().Good!;
    }

    private static void Until(string id, int before) => Assert.True(SpinWait.SpinUntil(
        () => RaisesAttribute.CountOf(id) > before, StoreBench.Soon), id);

    private async Task<Node> BootAsync(IPlugin? core = null, string[]? overrides = null)
    {
        PluginBuilder.PutTransport(bench.Folder.File("plugins"));
        Assert.Empty(NodeConfiguration.Load(
            bench.Configure(), overrides ?? [], out NodeSettings? settings));
        return await Node.BootAsync(
            settings!, core ?? bench.Manager, NullLoggerFactory.Instance);
    }

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    /// <summary>A core that has a bug.</summary>
    private sealed class Throwing(FakeManager manager) : IPlugin
    {
        public void Register(IPluginRegistry registry)
        {
            manager.Register(registry);
            registry.Services.AddSingleton<IStatusReporter>(services =>
            {
                services.GetRequiredService<IReactor>().Post(
                    _ => throw new InvalidOperationException("no core"), null);
                return new Silent();
            });
        }
    }

    private sealed class Silent : IStatusReporter
    {
        public string Section => "silent";

        public System.Text.Json.Nodes.JsonNode? Report() => null;
    }
}
