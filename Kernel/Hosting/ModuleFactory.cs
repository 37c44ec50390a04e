using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting.Schema;
using StorageOs.Kernel.Isolation;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Makes a module out of its manifest: code into a load context, services into a collection of
/// the module's own, objects on the module's reactor. Any failure is a refusal by name.
/// </summary>
internal sealed class ModuleFactory(
    IPluginLoader loader,
    ReactorPool reactors,
    NodeInfo node,
    PluginSettings settings,
    ILoggerFactory logs)
{
    private readonly VetoBoard vetoes = new(TimeProvider.System);

    /// <summary>What plugins that may operate the node are given; null without a node.</summary>
    internal INodeOperations? Operations { get; init; }

    /// <summary>Loads, registers and constructs; the providers have been constructed.</summary>
    /// <param name="module">The module; its manifest is good.</param>
    /// <param name="fault">What to do when a callback of the module throws later.</param>
    internal async Task<Refusal?> MakeAsync(Module module, Action<Module, Exception> fault)
    {
        try
        {
            // Of a transport the manifest says what its options are, which TransportLoading has.
            if (module.Kind != PluginKind.Transport
                && SettingsCheck.Of(module.Manifest!.Settings, SettingsOf(module))
                    is [{ } wrong, ..])
            {
                return wrong;
            }

            Place(module, module.Manifest!.Placement, fault);
            PluginRegistry registry = NewRegistry(module);
            if (module.Manifest.Capabilities.Contains(PluginCapability.Operate))
            {
                registry.Services.AddSingleton(Operations ?? throw new RefusedException(
                    new Refusal($"plugin {module.Id}", "a node to operate", "none")));
            }

            foreach ((Type service, Module provider) in module.Providers)
            {
                object provided = provider.Parts.Provided[service];
                registry.Services.AddSingleton(service, provided);
                registry.Services.AddKeyedSingleton(service, provider.Id, provided);
            }

            return await RegisterAsync(module, registry)
                ?? await ConstructWithinAsync(module, registry);
        }
        catch (RefusedException refused)
        {
            return refused.Refusal;
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
    internal PluginRegistry NewRegistry(Module module) => new(
        SettingsOf(module), node, module.View!, LogsOf(module), () => vetoes.Of(module.Id));

    /// <summary>What came with the node may say whatever it has to.</summary>
    private ILoggerFactory LogsOf(Module module)
    {
        if (module.Manifest is not { Origin: PluginOrigin.Store or PluginOrigin.Directory } its)
        {
            return logs;
        }

        module.Logs ??= new PluginLogs(
            logs, module.Id, its.Limits.LogLines ?? Limits.PluginLogLinesUsual);
        return module.Logs;
    }

    private IConfigurationSection SettingsOf(Module module) =>
        module.Settings ?? settings.Settings.GetSection(module.Id);

    /// <summary>Makes what the host looks for in a module's services, on its reactor.</summary>
    internal static Task ConstructAsync(Module module, PluginRegistry registry) =>
        ConstructAsync(module, registry, new TimedStep(), static () => { });

    private static Task ConstructAsync(
        Module module, PluginRegistry registry, TimedStep step, Action begins) =>
        module.View!.CallAsync(async () =>
        {
            begins();
            ServiceProvider services = registry.Services.BuildServiceProvider();
            ModuleParts parts = ModuleParts.None;
            try
            {
                parts = PartsOf(module, services, step);
            }
            finally
            {
                if (step.TryEnd())
                {
                    // After a failure, too: the module's end disposes what was made before it.
                    (module.Services, module.Parts) = (services, parts);
                }
                else
                {
                    // What its code awaits would come back to a reactor that has dropped it.
                    SynchronizationContext.SetSynchronizationContext(null);
                    await services.DisposeAsync();
                }
            }
        });

    /// <summary>
    /// Constructs what the host looks for; nothing of it is asked for more when that took too long.
    /// </summary>
    private static ModuleParts PartsOf(Module module, ServiceProvider services, TimedStep step)
    {
        IClient[] clients = [.. services.GetServices<IClient>()];
        IReadOnlyList<Type> provides = module.Manifest?.Provides ?? [];
        return step.Left
            ? ModuleParts.None
            : new ModuleParts(
                [.. clients.Select(client => Stoppable(module, client))],
                provides.ToDictionary(type => type, services.GetRequiredService),
                [.. services.GetServices<IStatusReporter>()],
                [.. services.GetServices<IOperatorCommand>()
                    .Select(command => (command, NameOf(module, command)))]);
    }

    /// <summary>
    /// A client with what it needs, which is read once, and no interface keeps from being null.
    /// </summary>
    private static (IClient Client, ClientNeeds Needs) Stoppable(Module module, IClient client)
    {
        StoppableClient stoppable = new(client);
        return stoppable.Needs is { Name: not null, Ports: not null, Regions: not null }
            ? (stoppable, stoppable.Needs)
            : throw new RefusedException(new Refusal(
                $"plugin {module.Id}", "needs with a name, ports and regions", "null",
                $"correct Needs of {client.GetType().Name}"));
    }

    /// <summary>A command's name. Read once, so that it is asked of nobody else's turn.</summary>
    private static string NameOf(Module module, IOperatorCommand command) =>
        command.Name is { Length: > 0 } name
            ? name
            : throw new RefusedException(new Refusal(
                $"plugin {module.Id}", "a command with a name", "none",
                $"correct Name of {command.GetType().Name}"));

    /// <summary>
    /// Loads and registers on a thread of its own, which is left when the plugin hangs in it.
    /// </summary>
    private async Task<Refusal?> RegisterAsync(Module module, PluginRegistry registry)
    {
        TimedStep step = new();
        Task work = Task.Factory.StartNew(
            () => Register(module, registry, step), CancellationToken.None,
            TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return await EndsAsync(work, step) ? null : Hung(module, "its constructor and Register");
    }

    /// <summary>
    /// Constructs on the module's reactor, for that is where its services live. A module that hangs
    /// there keeps the thread, and those it shares the reactor with go on with another.
    /// </summary>
    private async Task<Refusal?> ConstructWithinAsync(
        Module module, PluginRegistry registry)
    {
        // Its time begins with its turn: it may wait for one that hangs before it.
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TimedStep step = new();
        Task work = ConstructAsync(module, registry, step, begun.SetResult);
        await begun.Task;
        if (await EndsAsync(work, step))
        {
            return null;
        }

        module.View!.LeaveHanging();
        return Hung(module, "the construction of its services");
    }

    /// <summary>Awaits what a plugin does; false when it takes longer than it may.</summary>
    private async Task<bool> EndsAsync(Task work, TimedStep step)
    {
        if (await Task.WhenAny(work, Task.Delay(settings.RegistrationTimeMax)) != work
            && step.TryLeave())
        {
            return false;
        }

        await work; // For what it threw.
        return true;
    }

    private Refusal Hung(Module module, string what) => new(
        $"plugin {module.Id}",
        $"{what} to return within {settings.RegistrationTimeMax.TotalSeconds} s", "no return",
        "correct the plugin: what takes long belongs into StartAsync; or give it more time by "
        + "plugins.registrationSeconds");

    private ILoadedPlugin Load(Module module)
    {
        PluginManifest manifest = module.Manifest!;
        if (manifest.Isolation != PluginIsolation.Process)
        {
            return loader.Load(manifest);
        }

        string program = IsolationSettings.FindProgram() ?? throw new RefusedException(new Refusal(
            $"plugin {module.Id}", "a kernel's program beside its code, to run it in a process",
            "none", "a program that embeds the kernel cannot run plugins with isolation: process"));
        IsolationSettings isolation = new(
            program, settings.RegistrationTimeMax, settings.CallbackTimeMax);
        return IsolatedPlugin.Start(
            manifest, node, SettingsOf(module), module.View!, isolation, LogsOf(module));
    }

    private void Register(Module module, PluginRegistry registry, TimedStep step)
    {
        ILoadedPlugin code = Load(module);
        bool taken = false;
        try
        {
            if (step.Left)
            {
                return;
            }

            code.Plugin.Register(registry);
            if (registry.Check(module.Manifest!) is { } refusal)
            {
                throw new RefusedException(refusal);
            }

            taken = step.TryEnd();
            if (taken)
            {
                module.Code = code;
            }
        }
        finally
        {
            if (!taken)
            {
                using (code)
                {
                    (code.Plugin as IDisposable)?.Dispose();
                }
            }
        }
    }
}
