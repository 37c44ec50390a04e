using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Transport;

/// <summary>A transport's plugin, loaded as a node loads it but without a node.</summary>
internal sealed class LoadedTransport : IAsyncDisposable
{
    private readonly ReactorPool reactors;
    private readonly Module module;

    private LoadedTransport(ReactorPool reactors, Module module, ITransportProvider provider)
    {
        (this.reactors, this.module) = (reactors, module);
        Provider = provider;
    }

    /// <summary>What it offers.</summary>
    internal ITransportProvider Provider { get; }

    /// <summary>Finds and loads it.</summary>
    /// <exception cref="RefusedException">There is none of that id, or it is no good.</exception>
    internal static async Task<LoadedTransport> LoadAsync(
        string name, IReadOnlyList<string> directories)
    {
        ReactorPool reactors = new();
        try
        {
            (Module module, ITransportProvider provider) = await TransportLoading.LoadAsync(
                name, PluginCatalog.Find(directories), directories, options: null,
                Factory(reactors),
                (_, fault) => throw new InvalidOperationException($"transport {name}", fault));
            return new(reactors, module, provider);
        }
        catch (RefusedException)
        {
            reactors.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (module.Services is { } services)
        {
            await services.DisposeAsync();
        }

        module.Code?.Dispose();
        reactors.Dispose();
    }

    private static ModuleFactory Factory(ReactorPool reactors)
    {
        NodeInfo nobody = new(
            "check", "check", 1, 2, 1, Path.GetTempPath(), Path.GetTempPath(),
            PersistenceLevel.Process)
        {
            MachineBootId = "",
        };
        PluginSettings settings = new(
            [], [], new ConfigurationBuilder().Build(), Limits.RegistrationTimeUsual);
        return new(
            new McMasterPluginLoader(), reactors, nobody, settings, NullLoggerFactory.Instance);
    }
}
