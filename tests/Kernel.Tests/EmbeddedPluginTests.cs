using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Tests;

/// <summary>Plugins that the program around the kernel hands over.</summary>
public sealed class EmbeddedPluginTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);
    private readonly TestFolder folder = new();
    private readonly FakeManager manager = new();

    public EmbeddedPluginTests() => PluginBuilder.PutTransport(Plugins);

    private string Plugins => folder.File("plugins");

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task It_runs_as_any_other_also_where_the_configuration_names_what_to_load()
    {
        PluginBuilder.Put(Plugins, "other", PluginBuilder.ClientPlugin("other"));
        Handed handed = new("mine");
        await using Node node = await BootAsync(
            ", \"clients\": []", new EmbeddedPlugin("acme.mine", () => handed));
        Module module = Find(node, "acme.mine");
        Assert.Equal(ModuleState.Running, module.State);
        Assert.Equal("acme.mine", module.Reactor!.Name);
        Assert.DoesNotContain(node.Modules, other => other.Id == "other");
        Assert.Contains("admit mine", manager.Calls);
        JsonNode row = StatusDocument.Plugins(node)
            .First(row => $"{row!["id"]}" == "acme.mine")!;
        Assert.Equal("host", $"{row["source"]}");
        await node.StopAsync("test");
        Assert.Equal(ModuleState.Stopped, module.State);
        Assert.Equal(["start", "stop"], handed.Told);
    }

    [Fact]
    public async Task What_it_asks_for_is_held_against_the_limits()
    {
        await using Node node = await BootAsync(
            "", new EmbeddedPlugin("acme.greedy", () => new Handed("greedy")));
        (ModuleState state, string reason, _) = Find(node, "acme.greedy").Standing;
        Assert.Equal(ModuleState.Refused, state);
        Assert.Contains("at most 1 GiB", reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("acme/mine", "letters, digits")]
    [InlineData("", "letters, digits")]
    public async Task An_id_that_is_none_is_refused(string id, string reason)
    {
        await using Node node = await BootAsync(
            "", new EmbeddedPlugin(id, () => new Handed("mine")));
        Assert.Contains(reason, Find(node, id).Standing.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("admit mine", manager.Calls);
    }

    [Fact]
    public async Task What_is_found_under_its_id_is_refused_and_it_runs()
    {
        PluginBuilder.Put(Plugins, "acme.mine", PluginBuilder.ClientPlugin("found"));
        await using Node node = await BootAsync(
            "", new EmbeddedPlugin("acme.mine", () => new Handed("mine")));
        Assert.Equal(ModuleState.Running, Find(node, "acme.mine").State);
        Assert.Contains(node.Modules, module => module.Standing.Reason.Contains(
            "an id of its own", StringComparison.Ordinal));
        Assert.DoesNotContain("admit found", manager.Calls);
    }

    [Fact]
    public async Task One_that_throws_costs_itself_alone_and_is_never_counted_as_malfunctioning()
    {
        await using Node node = await BootAsync(
            "",
            new EmbeddedPlugin("acme.late", () => throw new InvalidOperationException("not made")),
            new EmbeddedPlugin("acme.fails", () => new Handed("fails") { Fails = true }),
            new EmbeddedPlugin("acme.mine", () => new Handed("mine")));
        Assert.Contains(
            "not made", Find(node, "acme.late").Standing.Reason, StringComparison.Ordinal);
        Assert.Equal(ModuleState.Failed, Find(node, "acme.fails").State);
        Assert.Equal(ModuleState.Running, Find(node, "acme.mine").State);
        await node.StopAsync("test");
        Assert.False(Directory.Exists(folder.File("data/plugins/acme.fails")));
    }

    private static Module Find(Node node, string id) =>
        Assert.Single(node.Modules, module => module.Id == id);

    private async Task<Node> BootAsync(string more, params EmbeddedPlugin[] embedded)
    {
        Assert.Empty(NodeConfiguration.Load(
            folder.Configuration($$"""{ "directories": ["plugins"] {{more}} }"""), [],
            out NodeSettings? settings));
        Node node = await Node.BootAsync(
            settings!, manager, NullLoggerFactory.Instance, embedded);
        await node.Serving.WaitAsync(Soon);
        return node;
    }

    private sealed class Handed(string name) : IPlugin, IClient
    {
        public List<string> Told { get; } = [];

        public bool Fails { get; init; }

        public ClientNeeds Needs { get; } = new(
            name, new VersionRange(1, 1), [new PortNeed("port", 1)],
            [new RegionNeed("page", Size.Page, RemoteAccess.Write)]);

        public void Register(IPluginRegistry registry) =>
            registry.Services.AddSingleton<IClient>(this);

        public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
        {
            Told.Add("start");
            return Fails ? throw new InvalidOperationException("no start") : default;
        }

        public void PartnerReady(ClientGrant grant)
        {
        }

        public void PartnerLost(SessionId session, SessionEnd end)
        {
        }

        public ValueTask StopAsync(CancellationToken deadline)
        {
            Told.Add("stop");
            return default;
        }
    }
}
