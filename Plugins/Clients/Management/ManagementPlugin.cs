using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Management;

/// <summary>The plugin's entry: a client that serves the node's HTTP API and says where.</summary>
public sealed class ManagementPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        registry.Services.AddSingleton<ManagementClient>();
        registry.Services.AddSingleton<IClient>(
            services => services.GetRequiredService<ManagementClient>());
        registry.Services.AddSingleton<IStatusReporter>(
            services => services.GetRequiredService<ManagementClient>());
    }
}
