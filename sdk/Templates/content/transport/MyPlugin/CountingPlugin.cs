using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Loopback;

namespace MySpace;

/// <summary>The plugin's entry: a provider, and its count as a section of status.</summary>
public sealed class CountingPlugin : IPlugin
{
    public void Register(IPluginRegistry registry) => registry.Services
        .AddSingleton<Counts>()
        .AddSingleton<IStatusReporter>(services => services.GetRequiredService<Counts>())
        .AddSingleton<ITransportProvider>(services => new CountingProvider(
            new LoopbackProvider(), services.GetRequiredService<Counts>()));
}
