using System.Text.Json.Nodes;
using ApplicationServer.Shared;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;

namespace ApplicationServer.Journal;

/// <summary>Keeps the application server's records in the storage node's data directory.</summary>
public sealed class JournalPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry.Services
            .AddSingleton(static services => RecordLog.Open(Path.Combine(
                services.GetRequiredService<NodeInfo>().DataDirectory, "sample-records.log")))
            .AddSingleton<KeeperStatus>()
            .AddSingleton<IStatusReporter>(static services =>
                services.GetRequiredService<KeeperStatus>())
            .AddSingleton<IClient>(static services => ActivatorUtilities
                .CreateInstance<RecordsClient>(
                    services,
                    services.GetRequiredService<KeeperStatus>(),
                    services.GetRequiredService<ILogger<RecordsClient>>()));
    }
}

/// <summary>Adds to the node's status how many records it keeps.</summary>
internal sealed class KeeperStatus(RecordLog log) : IStatusReporter, IRecordsWatcher
{
    private (RecordsState State, string Why) last;

    /// <inheritdoc/>
    public string Section => "sampleRecords";

    /// <inheritdoc/>
    public void Changed(RecordsState state, ulong held, string why) => last = (state, why);

    /// <inheritdoc/>
    public JsonNode Report() => new JsonObject
    {
        ["records"] = log.Count,
        ["state"] = $"{last.State}",
        ["why"] = last.Why,
    };
}
