using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Services;

namespace StorageOs.Witness.Etcd;

/// <summary>
/// Registers the witness that keeps its register in etcd; <see cref="EtcdSettings"/> has what can
/// be set. Nothing is connected before the first read, so a node boots whether etcd runs or not.
/// </summary>
public sealed class EtcdWitnessPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry.Services.AddSingleton<IWitness>(services => new EtcdWitness(
            EtcdSettings.Read(services.GetRequiredService<IConfiguration>())));
        registry.Provide<IWitness>();
    }
}
