using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Plugin.Testing;

/// <summary>What both nodes of a <see cref="ClientPair"/> give to the client.</summary>
public sealed class ClientPairOptions
{
    /// <summary>The plugin's section of the configuration.</summary>
    public IReadOnlyDictionary<string, string?> Settings { get; init; } =
        new Dictionary<string, string?>();

    /// <summary>
    /// Adds doubles of the services that the plugin requires of others, for one boot of a node.
    /// </summary>
    public Action<IServiceCollection, NodeInfo>? Services { get; init; }
}
