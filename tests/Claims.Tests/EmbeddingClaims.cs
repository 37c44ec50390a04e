using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Hosting;
using StorageOs.Kernel.Tests;
using StorageOs.Pair.Tests;

namespace StorageOs.Claims.Tests;

/// <summary>
/// The row about a partner that is an application server: this process is one. It embeds the kernel
/// as any program does, and its partner is a storage node in a process of its own.
/// </summary>
[Trait("Category", "Slow")]
public sealed class EmbeddingClaims : IAsyncLifetime
{
    private const string Record = "record 1";

    // The storage node's twin of the application's client: says what stands in its memory.
    private const string Keeper = """
        public sealed class Entry : IPlugin
        {
            public void Register(IPluginRegistry registry) => registry.Services
                .AddSingleton<Keeper>()
                .AddSingleton<IClient>(services => services.GetRequiredService<Keeper>())
                .AddSingleton<IStatusReporter>(services => services.GetRequiredService<Keeper>());
        }

        public sealed class Keeper : IClient, IStatusReporter
        {
            private IClientServices services;
            public ClientNeeds Needs { get; } = new(
                "journal", new VersionRange(1, 1), [new PortNeed("words", 4)],
                [new RegionNeed("page", 2 * Size.Page, RemoteAccess.Write)]);
            public string Section => "journal";
            public JsonNode Report() => JsonValue.Create(
                System.Text.Encoding.Unicode.GetString(services.Region("page").Bytes[..16]));
            public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
            { this.services = services; return default; }
            public void PartnerReady(ClientGrant grant) { }
            public void PartnerLost(SessionId session, SessionEnd end) { }
            public ValueTask StopAsync(CancellationToken deadline) => default;
        }
        """;

    private PairRun Pair { get; } = new();
    private readonly TestClient client = new(new(
        "journal", new(1, 1), [new("words", 4)],
        [new("page", 2 * Size.Page, RemoteAccess.Write)]));
    private IHost host = null!;

    private IStorageOsNode Node => host.Services.GetRequiredService<IStorageOsNode>();

    public async Task InitializeAsync()
    {
        PluginBuilder.Put(Pair.Plugins, "journal", Keeper);
        Pair.Make(Pair.Plugins);
        Pair.Configure("a", settings => settings["plugins"]!["clients"] = new JsonArray());
        _ = Pair.Boot("b");
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        _ = builder.Logging.ClearProviders();
        builder.Services.AddStorageOs(options =>
        {
            options.ConfigurationFile = Path.Combine(Pair.Folder, "a", "config.json");
            options.AddPlugin("acme.journal", _ => new Application(client));
        });
        host = builder.Build();
        await host.StartAsync();
        await PairRun.UntilAsync(() => client.Grant is not null, "the partner is ready");
    }

    public async Task DisposeAsync()
    {
        await host.StopAsync();
        host.Dispose();
        await Pair.DisposeAsync();
    }

    [Fact]
    public async Task Claim09_an_application_server_peers_with_a_storage_node_by_the_same_handshake()
    {
        JsonObject application = (await Node.DescribeAsync())!;
        JsonObject storage = Pair.Node("b");
        Assert.Equal(Environment.ProcessId, application["pid"]!.GetValue<int>());
        Assert.NotEqual(Environment.ProcessId, storage["pid"]!.GetValue<int>());
        Assert.Equal("Ready", $"{application["session"]!["step"]}");
        Assert.Equal($"{storage["session"]!["id"]}", $"{application["session"]!["id"]}");
        Assert.Equal($"{storage["epoch"]}", $"{application["partner"]!["epoch"]}");

        // One port and some memory of the application's own client, equal on both sides; of the
        // clients of a storage system it has none.
        string[] expected = ["journal Ready 1 8192"];
        Assert.Equal(expected, Clients(application));
        Assert.Superset(expected.ToHashSet(), Clients(storage).ToHashSet());
        Assert.Contains(Clients(storage), name => name.StartsWith("volumes ", StringComparison.Ordinal));

        // What it writes is in the storage node's memory, by its process' own word.
        Assert.Equal(CompletionStatus.Success, client.Write("words", Record));
        Assert.Equal(Record, $"{Pair.Node("b")["sections"]!["journal"]}");
    }

    [Fact]
    public async Task Claim09_the_application_server_outlives_its_partner_and_finds_it_again()
    {
        SessionId first = client.Grant!.Session;
        PairRun.Signal(Pair.Pid("b"), "KILL");
        await PairRun.UntilAsync(() => client.Told.Count == 2, "it hears of the loss");
        Assert.Equal(NodeState.Running, Node.Status.State);
        Assert.NotEqual(PartnerCondition.Serving, Node.Status.Partner!.Condition);
        _ = Pair.Boot("b");
        await PairRun.UntilAsync(() => client.Grant!.Session != first, "another session");
        Assert.Equal(CompletionStatus.Success, client.Write("words", Record));
        Assert.Equal(Record, $"{Pair.Node("b")["sections"]!["journal"]}");

        // And its partner hears of it when it stops.
        await host.StopAsync();
        Assert.Equal(NodeState.Stopped, Node.Status.State);
        await PairRun.UntilAsync(
            () => $"{Pair.Node("b")["partner"]!["lastEnd"]}".StartsWith(
                "DeclaredStop", StringComparison.Ordinal), "the storage node knows why");
    }

    private static string[] Clients(JsonObject node) =>
    [
        .. node["clients"]!.AsArray().Select(
            c => $"{c!["name"]} {c["state"]} {c["ports"]} {c["memoryBytes"]}").Order(),
    ];

    private sealed class Application(TestClient client) : IPlugin
    {
        public void Register(IPluginRegistry registry) =>
            registry.Services.AddSingleton<IClient>(client);
    }
}
