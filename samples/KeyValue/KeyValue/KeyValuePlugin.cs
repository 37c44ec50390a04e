using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;

namespace Sample.KeyValue;

/// <summary>Keys and values on both nodes.</summary>
public sealed class KeyValuePlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry.Services
            .AddSingleton(static services =>
                Settings.Of(services.GetRequiredService<IConfiguration>()))
            .AddSingleton<KeyValueClient>()
            .AddSingleton<IClient>(static services =>
                services.GetRequiredService<KeyValueClient>())
            .AddSingleton<IStatusReporter, MapStatus>()
            .AddSingleton<IOperatorCommand, KeepCommand>();
    }
}

/// <summary>Adds to the node's status how its map stands.</summary>
internal sealed class MapStatus(KeyValueClient client) : IStatusReporter
{
    /// <inheritdoc/>
    public string Section => "sampleKeyValue";

    /// <inheritdoc/>
    public JsonNode? Report() => client.Replica is not { } replica ? null : new JsonObject
    {
        ["process"] = Environment.ProcessId,
        ["state"] = $"{replica.State}",
        ["why"] = replica.Why,
        ["takesWrites"] = replica.TakesWrites,
        ["writes"] = client.Store.History.Count,
        ["keys"] = client.Store.Map.Count,
        ["bytes"] = client.Store.LiveBytes,
    };
}

/// <summary>The operator's word that the map of this node is the one.</summary>
internal sealed class KeepCommand(KeyValueClient client) : IOperatorCommand
{
    /// <inheritdoc/>
    public string Name => "keyvalue keep";

    /// <inheritdoc/>
    public ValueTask<JsonNode?> RunAsync(JsonObject arguments, CancellationToken cancellation)
    {
        client.Replica.Keep();
        client.Pump();
        return ValueTask.FromResult<JsonNode?>(new JsonObject
        {
            ["keys"] = client.Store.Map.Count,
            ["writes"] = client.Store.History.Count,
        });
    }
}
