using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>Entry of the plugin: one client that keeps both groups' mirrored logs.</summary>
public sealed class NvramMirrorPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        registry.Services.AddSingleton(services =>
        {
            MirrorClient client = ActivatorUtilities.CreateInstance<MirrorClient>(services);
            LevelCheck.Require(client.Needs, services.GetRequiredService<NodeInfo>());
            return client;
        });
        registry.Services.AddSingleton<IClient>(p => p.GetRequiredService<MirrorClient>());
        registry.Services.AddSingleton<IMirroredLogs>(p => p.GetRequiredService<MirrorClient>());
        registry.Services.AddSingleton<IStatusReporter>(p => p.GetRequiredService<MirrorClient>());
        registry.Provide<IMirroredLogs>();
    }
}
