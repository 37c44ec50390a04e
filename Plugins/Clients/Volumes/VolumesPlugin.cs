using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Services;
using StorageOs.Volumes.Traces;

namespace StorageOs.Volumes;

/// <summary>Entry of the plugin: the pair's volumes over the mirrored logs.</summary>
public sealed class VolumesPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        registry.Services.AddSingleton<VolumesClient>();
        registry.Services.AddSingleton<IClient>(p => p.GetRequiredService<VolumesClient>());
        registry.Services.AddSingleton<IVolumes>(p => p.GetRequiredService<VolumesClient>());
        registry.Services.AddSingleton<IStatusReporter>(p => p.GetRequiredService<VolumesClient>());
        registry.Services.AddSingleton<IOperatorCommand, ScrubCommand>();
        registry.Services.AddSingleton<IOperatorCommand, TraceCommand>();
        registry.Provide<IVolumes>();
    }
}
