using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace StorageOs.Hosting;

/// <summary>Puts a node into a host.</summary>
public static class StorageOsServiceCollectionExtensions
{
    /// <summary>
    /// Adds a node that boots when the host starts and stops in good order with it, and
    /// <see cref="IStorageOsNode"/> to see how it fares. The host does not wait for the boot and
    /// never ends because of the node, but for a broken invariant of the kernel, which ends the
    /// process. One node to a process.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Says what the node is made of.</param>
    public static IServiceCollection AddStorageOs(
        this IServiceCollection services, Action<StorageOsOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        StorageOsOptions options = new();
        configure?.Invoke(options);
        return services
            .AddSingleton(provider => ActivatorUtilities.CreateInstance<NodeService>(
                provider, options))
            .AddSingleton<IStorageOsNode>(static provider =>
                provider.GetRequiredService<NodeService>())
            .AddSingleton<IHostedService>(static provider =>
                provider.GetRequiredService<NodeService>());
    }
}
