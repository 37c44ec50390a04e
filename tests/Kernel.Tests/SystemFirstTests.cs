using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Tests;

/// <summary>Plugins of others beside those that lie where the kernel's own do.</summary>
public sealed class SystemFirstTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);

    private readonly TestFolder folder = new();
    private readonly FakeManager manager = new();
    private readonly string system = Path.Combine(
        NodeConfiguration.BuiltPlugins, $"test-{Guid.NewGuid():N}");

    public SystemFirstTests() => PluginBuilder.PutTransport(system);

    public void Dispose()
    {
        Directory.Delete(system, recursive: true);
        folder.Dispose();
    }

    [Fact]
    public void Only_certain_folders_beside_the_kernel_are_the_systems()
    {
        string kernel = Path.GetFullPath(Path.Combine(NodeConfiguration.BuiltPlugins, ".."));
        Assert.True(PluginTrust.IsSystem(Path.Combine(kernel, "plugins", "volumes")));
        Assert.True(PluginTrust.IsSystem(Path.Combine(kernel, "bench", "Probe")));
        Assert.False(PluginTrust.IsSystem(Path.Combine(kernel, "home", "plugin")));
        Assert.False(PluginTrust.IsSystem(Path.Combine(kernel, "plugins", "..", "home")));
        Assert.False(PluginTrust.IsSystem(Path.Combine(kernel, "plugins-of-mine", "x")));
    }

    [Fact]
    public async Task A_quick_plugin_of_others_takes_neither_command_nor_room_of_a_slow_one()
    {
        PluginBuilder.Put(folder.File("plugins"), "acme.quick", Commanding("quick", ""));
        PluginBuilder.Put(system, "slow", Commanding("slow", "Thread.Sleep(1000);"));
        await using Node node = await BootAsync();
        Assert.Equal(ModuleState.Running, Find(node, "slow").State);
        Assert.Equal(
            "\"grab\", which is taken", Find(node, "acme.quick").Standing.Refusal!.Actual);

        PluginBuilder.Put(folder.File("plugins"), "acme.other", PluginBuilder.ClientPlugin("other"));
        await node.StopAsync("test");
        await using Node next = await BootAsync();
        string[] calls = [.. manager.Calls];
        Assert.True(
            Array.LastIndexOf(calls, "admit slow") < Array.LastIndexOf(calls, "admit other"));
    }

    [Fact]
    public async Task Of_two_that_are_alike_the_first_gets_the_name_and_runs()
    {
        PluginBuilder.Put(system, "one", Commanding("one", ""));
        PluginBuilder.Put(system, "two", Commanding("two", ""));
        await using Node node = await BootAsync();
        Assert.Single(
            node.Modules, static module => module.Kind == PluginKind.Client
                && module.State == ModuleState.Running);
    }

    [Fact]
    public async Task An_id_of_the_system_is_not_taken_by_a_folder_that_is_named_before_it()
    {
        PluginBuilder.Put(folder.File("plugins"), "same", PluginBuilder.ClientPlugin("mine"));
        PluginBuilder.Put(system, "same", PluginBuilder.ClientPlugin("theirs"));
        await using Node node = await BootAsync();
        Assert.Equal(PluginOrigin.System, Find(node, "same").Manifest!.Origin);
    }

    [Fact]
    public async Task A_plugin_whose_needs_throw_when_they_are_counted_is_refused()
    {
        PluginBuilder.Put(
            folder.File("plugins"), "acme.odd",
            PluginBuilder.ClientPlugin("odd").Replace("[], [])", "new Odd(), [])") + """
            public sealed class Odd : IReadOnlyList<PortNeed>
            {
                public int Count => throw new Exception("uncountable");
                public PortNeed this[int index] => null!;
                public IEnumerator<PortNeed> GetEnumerator() => throw new Exception("endless");
                System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() =>
                    GetEnumerator();
            }
            """);
        await using Node node = await BootAsync();
        (ModuleState state, string why, _) = Find(node, "acme.odd").Standing;
        Assert.Equal(ModuleState.Refused, state);
        Assert.Contains("uncountable", why, StringComparison.Ordinal);
    }

    private static string Commanding(string name, string constructor) =>
        PluginBuilder.Entry(
            "registry.Services.AddSingleton<IClient, TheClient>(); "
            + "registry.Services.AddSingleton<IOperatorCommand, Grab>();")
        + PluginBuilder.Client(name) + $$"""
        public sealed class Grab : IOperatorCommand
        {
            public Grab() { {{constructor}} }
            public string Name => "grab";
            public ValueTask<JsonNode> RunAsync(JsonObject a, CancellationToken c) => default;
        }
        """;

    private static Module Find(Node node, string id) =>
        Assert.Single(node.Modules, module => module.Id == id);

    private async Task<Node> BootAsync()
    {
        IReadOnlyList<Refusal> refusals = NodeConfiguration.Load(
            folder.Configuration($$"""{ "directories": ["plugins", "{{system}}"] }"""), [],
            out NodeSettings? settings);
        Assert.Empty(refusals);
        Node node = await Node.BootAsync(settings!, manager, NullLoggerFactory.Instance);
        await node.Serving.WaitAsync(Soon);
        return node;
    }
}
