using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;

namespace Sample.ObjectGateway;

/// <summary>Objects over HTTP, kept in a mirrored volume.</summary>
public sealed class GatewayPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry.Services
            .AddSingleton(static services =>
                Settings.Of(services.GetRequiredService<IConfiguration>()))
            .AddSingleton<GatewayClient>()
            .AddSingleton<IClient>(static services => services.GetRequiredService<GatewayClient>())
            .AddSingleton<IStatusReporter, GatewayStatus>();
    }
}

/// <summary>Adds to the node's status what it serves of objects.</summary>
internal sealed class GatewayStatus(GatewayClient client, Settings settings) : IStatusReporter
{
    /// <inheritdoc/>
    public string Section => "sampleObjectGateway";

    /// <inheritdoc/>
    public JsonNode? Report()
    {
        JsonObject report = new()
        {
            ["volume"] = settings.Volume,
            ["serves"] = client.Standing.Mount is not null,
            ["why"] = client.Standing.Why,
            ["mounts"] = client.Mounts,
            ["refused"] = client.Requests?.Refused ?? 0,
            ["damaged"] = client.Requests?.Damaged ?? 0,
        };
        if (client.Standing.Mount is { Store: var store })
        {
            report["objects"] = store.Index.Count;
            report["bytesUsed"] =
                ((long)store.Layout.DataBlocks - store.Index.Space.Free) * Layout.BlockBytes;
            report["bytesFree"] = (long)store.Index.Space.Free * Layout.BlockBytes;
            report["indexBytes"] = store.Index.RecordBytes;
            report["indexBytesMost"] = store.Index.RecordBytesMax;
        }

        return report;
    }
}
