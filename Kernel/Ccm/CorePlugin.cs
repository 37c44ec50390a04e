using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Ccm;

/// <summary>
/// The core module: the connection manager under the same module contract as any plugin, linked in.
/// </summary>
public sealed class CorePlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        _ = registry.Services.AddSingleton<IConnectionManager>(services => Make(
            services.GetRequiredService<NodeSettings>(),
            services.GetRequiredService<NodeInfo>(),
            services.GetRequiredService<ITransportProvider>(),
            services.GetRequiredService<ILoggerFactory>(),
            services.GetRequiredService<FlightRecorder>(),
            services.GetRequiredService<PartnerRing>()));
    }

    private static ConnectionManager Make(
        NodeSettings settings, NodeInfo node, ITransportProvider transport,
        ILoggerFactory logs, FlightRecorder recorder, PartnerRing partnerRing) => new(
        new CcmSettings
        {
            Name = node.Name,
            Self = new(node.SystemId, settings.Pair.Id, node.BootEpoch),
            PartnerSystemId = node.PartnerSystemId,
            PairKey = settings.Pair.Key.ToArray(),
            Persistence = node.Persistence,
            Beat = BeatLimits.For(settings.Node.BeatPeriod),
            Build = typeof(CorePlugin).Assembly.GetName().Version?.ToString() ?? "",
        },
        new WellKnownSettings(
            new(settings.Transport.Address, settings.Transport.Options),
            settings.Transport.Port,
            settings.Transport.MemoryAddress,
            settings.Partner.Address,
            settings.Partner.Port,
            settings.Partner.MemoryAddress),
        transport,
        logs,
        recorder,
        partnerRing);
}
