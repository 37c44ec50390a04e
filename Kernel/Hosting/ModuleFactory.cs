using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Makes a module out of its manifest: code into a load context, services into a collection of
/// the module's own, objects on the module's reactor. Any failure is a refusal by name.
/// </summary>
internal sealed class ModuleFactory(
    IPluginLoader loader,
    ReactorPool reactors,
    NodeInfo node,
    IConfiguration settings,
    ILoggerFactory logs)
{
    /// <summary>Loads, registers and constructs; the providers have been constructed.</summary>
    /// <param name="module">The module; its manifest is good.</param>
    /// <param name="fault">What to do when a callback of the module throws later.</param>
    internal async Task<Refusal?> MakeAsync(Module module, Action<Module, Exception> fault)
    {
        try
        {
            Place(module, module.Manifest!.Placement, fault);
            PluginRegistry registry = NewRegistry(module);
            foreach ((Type service, Module provider) in module.Providers)
            {
                registry.Services.AddSingleton(service, provider.Parts.Provided[service]);
            }

            await Task.Run(() => Register(module, registry)).WaitAsync(Limits.RegistrationTimeMax);
            await ConstructAsync(module, registry).WaitAsync(Limits.RegistrationTimeMax);
            return null;
        }
        catch (RefusedException refused)
        {
            return refused.Refusal;
        }
        catch (TimeoutException)
        {
            return new Refusal(
                $"plugin {module.Id}",
                $"to register within {Limits.RegistrationTimeMax.TotalSeconds} s", "no return");
        }
#pragma warning disable CA1031 // A plugin may throw anything; it refuses that plugin alone.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return new Refusal(
                $"plugin {module.Id}", "registration and construction that succeed",
                McMasterPluginLoader.Shown(failure));
        }
    }

    /// <summary>Puts a module on its reactor.</summary>
    internal void Place(
        Module module, PluginPlacement placement, Action<Module, Exception> fault)
    {
        module.Reactor = reactors.For(module.Id, placement);
        module.View = module.Reactor.View(module.Id, failure => fault(module, failure));
    }

    /// <summary>Services that hold what the host gives to each module.</summary>
    internal PluginRegistry NewRegistry(Module module) =>
        new(settings.GetSection(module.Id), node, module.View!, logs);

    /// <summary>Makes what the host looks for in a module's services, on its reactor.</summary>
    internal static Task ConstructAsync(Module module, PluginRegistry registry) =>
        module.View!.CallAsync(() =>
        {
            ServiceProvider services = registry.Services.BuildServiceProvider();
            module.Services = services;
            IReadOnlyList<Type> provides = module.Manifest?.Provides ?? [];
            module.Parts = new ModuleParts(
                [.. services.GetServices<IClient>().Select(client => (client, client.Needs))],
                provides.ToDictionary(type => type, services.GetRequiredService),
                [.. services.GetServices<IStatusReporter>()],
                [.. services.GetServices<IOperatorCommand>()]);
            return ValueTask.CompletedTask;
        });

    private void Register(Module module, PluginRegistry registry)
    {
        module.Code = loader.Load(module.Manifest!);
        module.Code.Plugin.Register(registry);
        if (registry.Check(module.Manifest!) is { } refusal)
        {
            throw new RefusedException(refusal);
        }
    }
}
