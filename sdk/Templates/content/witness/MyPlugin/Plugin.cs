using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace MySpace;

/// <summary>What the plugin consists of; named in plugin.json.</summary>
public sealed class Plugin : IPlugin
{
    public void Register(IPluginRegistry registry)
    {
        registry.Services.AddSingleton<IWitness>(static services =>
            Open(services.GetRequiredService<IConfiguration>()["directory"]));
        registry.Provide<IWitness>();
    }

    private static DirectoryWitness Open(string? directory) =>
        string.IsNullOrWhiteSpace(directory)
            ? throw new RefusedException(new Refusal(
                "my-plugin: directory", "a directory that both nodes reach", "nothing",
                "set `directory` in the section of my-plugin"))
            : new DirectoryWitness(directory);
}
