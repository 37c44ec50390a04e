using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;

namespace StorageOs.NbdExport;

/// <summary>The plugin's entry: one client that also reports its exports.</summary>
public sealed class NbdExportPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        registry.Services.AddSingleton<NbdExportClient>();
        registry.Services.AddSingleton<IClient>(
            services => services.GetRequiredService<NbdExportClient>());
        registry.Services.AddSingleton<IStatusReporter>(
            services => services.GetRequiredService<NbdExportClient>());
    }
}
