using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Witness.File;

/// <summary>
/// Registers the witness that keeps its register in a directory (setting <c>directory</c>).
/// </summary>
public sealed class FileWitnessPlugin : IPlugin
{
    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        registry.Services.AddSingleton<IWitness>(services =>
            Open(services.GetRequiredService<IConfiguration>()["directory"]));
        registry.Provide<IWitness>();
    }

    private static FileWitness Open(string? directory)
    {
        if (string.IsNullOrWhiteSpace(directory))
        {
            throw new RefusedException(new Refusal(
                "witness-file: directory", "a directory that both nodes reach", "nothing",
                "set `directory` in the section of witness-file"));
        }

        return new FileWitness(Path.GetFullPath(directory));
    }
}
