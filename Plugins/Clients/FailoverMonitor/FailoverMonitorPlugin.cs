using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Edge;

namespace StorageOs.FailoverMonitor;

/// <summary>
/// Registers the failover monitor: who owns which group, and what happens when a node is lost.
/// </summary>
public sealed class FailoverMonitorPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        IServiceCollection services = registry.Services;
        services.AddSingleton(
            provider => MonitorSettings.Read(provider.GetRequiredService<IConfiguration>()));
        services.AddSingleton(provider => ActivatorUtilities.CreateInstance<MonitorClient>(
            provider,
            Witnesses.Choose(provider, provider.GetRequiredService<MonitorSettings>())
                is { } witness ? [witness] : []));
        services.AddSingleton<IClient>(provider => provider.GetRequiredService<MonitorClient>());
        services.AddSingleton<IOwnership>(provider => provider.GetRequiredService<MonitorClient>());
        services.AddSingleton<IStatusReporter, OwnershipStatus>();
        services.AddSingleton<IOperatorCommand, TakeoverCommand>();
        services.AddSingleton<IOperatorCommand, MoveWitnessCommand>();
        registry.Provide<IOwnership>();
    }
}
