using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// What a module registers with: services of its own, the host's gifts already in.
/// </summary>
internal sealed class PluginRegistry : IPluginRegistry
{
    private readonly HashSet<Type> provided = [];

    internal PluginRegistry(
        IConfiguration section, NodeInfo node, IReactor reactor, ILoggerFactory logs,
        Func<IHandoverVetoes> vetoes)
    {
        Services.AddSingleton(logs);
        Services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        Services.AddSingleton(section);
        Services.AddSingleton(node);
        Services.AddSingleton(reactor);
        // By a factory: what the container makes it disposes, and the module's vetoes with it.
        Services.AddSingleton(_ => vetoes());
    }

    /// <inheritdoc/>
    public IServiceCollection Services { get; } = new ServiceCollection();

    /// <inheritdoc/>
    public void Provide<TService>()
        where TService : class => provided.Add(typeof(TService));

    /// <summary>
    /// Says what is wrong between what was registered and what the manifest says.
    /// </summary>
    internal Refusal? Check(PluginManifest manifest)
    {
        string subject = $"plugin {manifest.Id}";
        if (provided.Except(manifest.Provides).FirstOrDefault() is { } unlisted)
        {
            return new Refusal(
                subject, $"{unlisted.Name} under \"provides\" in its manifest", "no such entry");
        }

        Type? missing = manifest.Provides.FirstOrDefault(
            service => Services.All(entry => entry.ServiceType != service));
        return missing is null
            ? null
            : new Refusal(subject, $"a registered {missing.Name}, as its manifest says", "none");
    }
}
