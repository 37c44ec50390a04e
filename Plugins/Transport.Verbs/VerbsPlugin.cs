using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Verbs;

/// <summary>The plugin's entry: one transport provider.</summary>
public sealed class VerbsPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry) =>
        registry.Services.AddSingleton<ITransportProvider>(
            services => new VerbsProvider(services.GetRequiredService<NodeInfo>().Persistence));
}
