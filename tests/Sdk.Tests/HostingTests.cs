using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Hosting;

namespace StorageOs.Sdk.Tests;

/// <summary>A node in a generic host, here in the tests' own process.</summary>
public sealed class HostingTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("storageos-host-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task A_node_boots_and_stops_with_its_host_and_logs_to_it()
    {
        Logs logs = new();
        using IHost host = Build(logs, Settings());
        IStorageOsNode node = host.Services.GetRequiredService<IStorageOsNode>();
        Assert.Equal(NodeState.Starting, node.Status.State);
        await host.StartAsync();
        await UntilAsync(() => node.Status.Phase == BootPhase.Serving, node);
        NodeStatus status = node.Status;
        Assert.Equal(NodeState.Running, status.State);
        Assert.Equal(PartnerCondition.Dead, status.Partner!.Condition);
        Assert.Contains(new PluginStatus("loopback", "Running", ""), status.Plugins);
        JsonObject described = (await node.DescribeAsync())!;
        Assert.Equal("app", $"{described["name"]}");
        Assert.All(logs.Categories, category => Assert.Matches("^(StorageOs|Microsoft)\\.", category));
        Assert.Contains("StorageOs.boot", logs.Categories);

        await host.StopAsync();
        Assert.Equal((NodeState.Stopped, "the host stops"), (node.Status.State, node.Status.Reason));
        Assert.Null(await node.DescribeAsync());
    }

    [Fact]
    public async Task A_node_that_is_configured_wrongly_costs_the_host_nothing()
    {
        Dictionary<string, string?> settings = Settings();
        settings["StorageOs:node:systemId"] = "b";
        _ = settings.Remove("StorageOs:pair:id");
        await ExpectFailedAsync(settings, "key pair:id", "another id than node:systemId");
    }

    [Fact]
    public async Task A_node_whose_transport_is_not_there_costs_the_host_nothing()
    {
        Dictionary<string, string?> settings = Settings();
        settings["StorageOs:transport:name"] = "carrier-pigeon";
        await ExpectFailedAsync(settings, "a transport plugin of that id");
    }

    [Fact]
    public async Task A_second_node_on_the_same_data_is_refused()
    {
        using IHost first = Build(new Logs(), Settings());
        await first.StartAsync();
        IStorageOsNode node = first.Services.GetRequiredService<IStorageOsNode>();
        await UntilAsync(() => node.Status.State == NodeState.Running, node);
        await ExpectFailedAsync(Settings(), "to be used by no other process");
        Assert.Equal(NodeState.Running, node.Status.State);
        await first.StopAsync();
    }

    private static async Task ExpectFailedAsync(
        Dictionary<string, string?> settings, params string[] reasons)
    {
        Logs logs = new();
        using IHost host = Build(logs, settings);
        await host.StartAsync();
        IStorageOsNode node = host.Services.GetRequiredService<IStorageOsNode>();
        await UntilAsync(() => node.Status.State == NodeState.Failed, node);
        Assert.All(reasons, reason => Assert.Contains(
            reason, node.Status.Reason, StringComparison.Ordinal));
        Assert.Null(await node.DescribeAsync());
        Assert.False(host.Services.GetRequiredService<IHostApplicationLifetime>()
            .ApplicationStopping.IsCancellationRequested);
        Assert.Contains("StorageOs.Hosting.NodeService", logs.Categories);
        await host.StopAsync();
        Assert.Equal(NodeState.Failed, node.Status.State);
    }

    private static IHost Build(Logs logs, Dictionary<string, string?> settings)
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.ClearProviders().AddProvider(logs);
        builder.Services.AddStorageOs();
        return builder.Build();
    }

    private Dictionary<string, string?> Settings()
    {
        string key = Path.Combine(folder.FullName, "pair.key");
        if (!File.Exists(key))
        {
            File.WriteAllBytes(key, new byte[32]);
            File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return new Dictionary<string, string?>
        {
            ["node:name"] = "app",
            ["node:systemId"] = "a",
            ["node:dataDirectory"] = Path.Combine(folder.FullName, "data"),
            ["node:nvramDirectory"] = Path.Combine(folder.FullName, "nvram"),
            ["partner:name"] = "storage",
            ["partner:systemId"] = "b",
            ["partner:address"] = "fc:0a0002",
            ["partner:port"] = "1",
            ["partner:memoryAddress"] = "0x5000000000",
            ["pair:id"] = "4b0e0ab2-2f1c-4a52-9a0c-5d1f3c9b7e11",
            ["pair:keyFile"] = key,
            ["transport:name"] = "loopback",
            ["transport:address"] = "fc:0a0001",
            ["transport:port"] = "1",
            ["transport:memoryAddress"] = "0x5000000000",
            ["transport:options:fabric"] = Path.Combine(folder.FullName, "fabric"),
            ["management:socket"] = Path.Combine(folder.FullName, "manage.sock"),
            ["plugins:directories:0"] = Path.Combine(Workshop.Root, "artifacts/plugins"),
            ["plugins:clients"] = "", // As a file's [] is read: none.
        }.ToDictionary(pair => $"StorageOs:{pair.Key}", pair => pair.Value);
    }

    private static async Task UntilAsync(Func<bool> condition, IStorageOsNode node)
    {
        using CancellationTokenSource limit = new(Patience);
        while (!condition())
        {
            Assert.False(limit.IsCancellationRequested, $"{node.Status}");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    private sealed class Logs : ILoggerProvider
    {
        public ConcurrentDictionary<string, bool> All { get; } = new();

        public IEnumerable<string> Categories => All.Keys;

        public ILogger CreateLogger(string categoryName) => new Logger(() => All[categoryName] = true);

        public void Dispose()
        {
        }

        private sealed class Logger(Action logged) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => true;

            public void Log<TState>(
                LogLevel logLevel, EventId eventId, TState state, Exception? exception,
                Func<TState, Exception?, string> formatter) => logged();
        }
    }
}
