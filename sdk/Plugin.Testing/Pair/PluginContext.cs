using System.Reflection;
using System.Runtime.Loader;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>
/// A load context as the host makes one for a client: what the plugin brings is its own, what the
/// host supplies is shared.
/// </summary>
internal sealed class PluginContext(string assembly)
    : AssemblyLoadContext(Path.GetFileName(assembly), isCollectible: true)
{
    private static readonly string[] Shared =
    [
        "StorageOs.Contracts", "Microsoft.Extensions.Configuration.Abstractions",
        "Microsoft.Extensions.DependencyInjection.Abstractions",
        "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.Primitives",
    ];

    /// <summary>Makes the plugin of that type.</summary>
    public IPlugin Make(string type) =>
        (IPlugin)Activator.CreateInstance(LoadFromAssemblyPath(assembly).GetType(type)!)!;

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        string beside = Path.Combine(
            Path.GetDirectoryName(assembly)!, assemblyName.Name + ".dll");
        return Shared.Contains(assemblyName.Name) || !File.Exists(beside)
            ? null
            : LoadFromAssemblyPath(beside);
    }
}
