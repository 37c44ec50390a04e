using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;

namespace MySpace;

/// <summary>What the plugin consists of; named in plugin.json.</summary>
public sealed class Plugin : IPlugin
{
    public void Register(IPluginRegistry registry) =>
        registry.Services.AddSingleton<IClient, GreetingClient>();
}
