using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Kernel.Hosting;

// Each plugin is brought up by a task of its own that waits for the plugins it takes services
// from: one that hangs, in its constructor or in its start, holds up those that hang on it and no
// others. But what is not of the system is given names and room after what is, so it waits for
// the making of that, which has a limit, though not for its start. A fault ends the plugin and,
// first, those that hang on it.

/// <summary>
/// Brings plugins up, keeps them apart, takes them down. What it knows of each is in
/// <see cref="Modules"/>.
/// </summary>
internal sealed class PluginHost(
    ModuleFactory factory, IConnectionManager manager, ILoggerFactory logs)
{
    private readonly ILogger log = logs.CreateLogger("plugins");
    private readonly List<Module> modules = [];
    private readonly Dictionary<string, Module> commands = [];
    private readonly Dictionary<Module, Task> endings = [];
    private readonly List<Task> notes = [];
    private readonly UnloadWatch unloads = new(logs.CreateLogger("plugins"));
    private readonly Lock gate = new();

    /// <summary>
    /// Notes that a module failed, where it outlives this boot. On no thread in particular.
    /// </summary>
    internal Action<Module, string> NoteFailure { get; init; } = static (_, _) => { };

    /// <summary>How long a plugin waits for those that are made before it.</summary>
    internal TimeSpan AheadTimeMax { get; init; } = Limits.AheadTimeMax;

    /// <summary>Every module there is or was, in order of bringing up. Any thread.</summary>
    internal IReadOnlyList<Module> Modules
    {
        get
        {
            lock (gate)
            {
                return [.. modules];
            }
        }
    }

    /// <summary>Whose code is still in memory although it has ended.</summary>
    internal IReadOnlyList<(string Id, string Version)> Lingering => unloads.Lingering;

    /// <summary>Notes a module that somebody else brought up, or that never will be.</summary>
    internal void Add(Module module)
    {
        lock (gate)
        {
            modules.Add(module);
            _ = TakeNames(module);
        }
    }

    /// <summary>Notes a plugin that is refused before any of it ran.</summary>
    internal void AddRefused(
        PluginKind kind, string id, PluginManifest? manifest, Refusal refusal,
        FindingKind finding = FindingKind.Wrong)
    {
        Module module = new(id, kind, manifest) { Finding = finding };
        Refuse(module, refusal);
        Add(module);
    }

    /// <summary>Notes a plugin that is not loaded because somebody decided so.</summary>
    internal void AddBarred(PluginCandidate candidate)
    {
        Finding bar = candidate.Error!;
        if (bar.Kind != FindingKind.Disabled)
        {
            AddRefused(
                candidate.Manifest?.Kind ?? PluginKind.Client, candidate.Name, candidate.Manifest,
                bar.Refusal, bar.Kind);
            return;
        }

        Module module = new(
            candidate.Name, candidate.Manifest?.Kind ?? PluginKind.Client, candidate.Manifest)
        {
            Finding = bar.Kind,
        };
        module.Advance(ModuleState.NotChosen, bar.Refusal.Actual);
        Add(module);
    }

    /// <summary>
    /// Starts to bring up every plugin. The first task completes when each is admitted or
    /// refused; the second when each has started, failed or was refused, and that may be never.
    /// </summary>
    /// <param name="links">Each after those that it takes services from, unless those run.</param>
    /// <param name="settings">Their settings; null for the node's.</param>
    internal (Task Admitted, Task Started) BringUp(
        IReadOnlyList<PluginLink> links, IConfigurationSection? settings = null)
    {
        Dictionary<PluginManifest, Module> made = Modules
            .Where(static module => module.Manifest is not null && !module.Ended.IsCompleted
                && module.State != ModuleState.NotChosen)
            .ToDictionary(static module => module.Manifest!);
        List<Module> fresh = [];
        foreach (PluginLink link in links)
        {
            if (link.Providers.FirstOrDefault(taken => !made.ContainsKey(taken.Provider))
                is { Provider: { } gone } lacking)
            {
                AddRefused(link.Manifest.Kind, link.Manifest.Id, link.Manifest, new Refusal(
                    $"plugin {link.Manifest.Id}", $"{lacking.Service.Name} of {gone.Id}",
                    $"{gone.Id} has ended meanwhile", "correct that one first"));
                continue;
            }

            Module module = new(link.Manifest.Id, link.Manifest.Kind, link.Manifest)
            {
                Settings = settings,
                Providers =
                    [.. link.Providers.Select(taken => (taken.Service, made[taken.Provider]))],

                // What is before it takes nothing from it, so that none waits for the other.
                Ahead = link.Manifest.Origin == PluginOrigin.System ? []
                    : [.. made.Values.Where(
                        static module => module.Manifest!.Origin == PluginOrigin.System
                            && module.Kind != PluginKind.Transport)],
            };
            made.Add(link.Manifest, module);
            fresh.Add(module);
            Add(module);
        }

        foreach (Module module in fresh)
        {
            Task<Task> bringUp = new(() => BringUpAsync(module));
            module.BroughtUp = bringUp.Unwrap();
            bringUp.Start(TaskScheduler.Default);
        }

        return (
            Task.WhenAll(fresh.Select(module => module.Constructed)),
            Task.WhenAll(fresh.Select(module => module.Started)));
    }

    /// <summary>Ends plugins that hang in a callback, until it is cancelled.</summary>
    internal Task WatchAsync(TimeSpan limit, CancellationToken ends) =>
        new HangWatch(() => Modules, limit, Fault).RunAsync(ends);

    /// <summary>Ends a module whose callback threw or hangs. Any thread.</summary>
    internal void Fault(Module module, Exception failure)
    {
        string why = McMasterPluginLoader.Shown(failure);
        if (!module.End(ModuleState.Failed, why))
        {
            log.LogDebug(failure, "{Module} threw again after its end", module.Id);
            return;
        }

        PluginEvents.Failed.Raise(log, module.Id, why, failure);
        module.View!.Quiet();
        lock (gate)
        {
            notes.Add(Task.Run(() => NoteFailure(module, why)));
        }

        _ = EndAsync(module, why, inOrder: false);
    }

    /// <summary>
    /// Ends one plugin while the others go on: it stops by itself, leaves the session, and is
    /// forgotten. Nobody may take services from it.
    /// </summary>
    internal async Task LeaveAsync(Module module, string why)
    {
        if (!module.Ended.IsCompleted)
        {
            await new ModuleEnding(module, manager, unloads, log).StopToLeaveAsync(why);
        }

        // One that was refused before any of it ran has nothing to take down.
        if (module.View is not null)
        {
            await EndAsync(module, why, inOrder: false);
        }

        lock (gate)
        {
            if (module.Hangs)
            {
                return; // It is shown for as long as it keeps what it has.
            }

            _ = modules.Remove(module);
            _ = endings.Remove(module);
            foreach ((string name, _) in commands.Where(one => one.Value == module).ToArray())
            {
                _ = commands.Remove(name);
            }
        }
    }

    /// <summary>
    /// Stops every plugin, those that take services before those that give them, so that the read
    /// path is shut; then ends the session by <paramref name="endSession"/>, with all clients
    /// still part of it; then takes the plugins down.
    /// </summary>
    internal async Task StopAsync(string why, Func<Task> endSession)
    {
        Module[] plugins = [.. Modules.Where(module => module.Kind != PluginKind.Core
            && module.Kind != PluginKind.Transport).Reverse()];
        Dictionary<Module, Task> stops = [];
        foreach (Module module in plugins)
        {
            Task users = Task.WhenAll(Users(module).Select(
                user => stops.GetValueOrDefault(user, Task.CompletedTask)));
            stops[module] = StopAfterAsync(users, module, why);
        }

        await Task.WhenAll(stops.Values);
        await endSession();
        await Task.WhenAll(plugins.Select(module => EndAsync(module, why, inOrder: true)));
        await Task.WhenAll(Notes());
    }

    private Task[] Notes()
    {
        lock (gate)
        {
            return [.. notes];
        }
    }

    private async Task StopAfterAsync(Task users, Module module, string why)
    {
        await users;
        await new ModuleEnding(module, manager, unloads, log).StopAsync(why);
    }

    private async Task BringUpAsync(Module module)
    {
        try
        {
            await MakeAsync(module);
        }
        catch (OperationCanceledException) when (module.Stopping.IsCancellationRequested)
        {
            log.LogInformation("{Module} was stopped while it started", module.Id);
        }
    }

    private async Task MakeAsync(Module module)
    {
        CancellationToken stopping = module.Stopping.Token;
        foreach ((Type service, Module provider) in module.Providers)
        {
            if (!await provider.Constructed.WaitAsync(stopping))
            {
                RefuseFor(module, service, provider);
                return;
            }
        }

        Refusal? refusal = await factory.MakeAsync(module, Fault);
        if (refusal is null)
        {
            await WaitForAheadAsync(module);
            refusal = Tried(module, "needs that can be checked", () => Check(module));
        }

        if (refusal is not null || !module.Advance(ModuleState.Starting))
        {
            RefuseMade(module, refusal);
            return;
        }

        List<(IClient Client, string Name, IClientServices Services)> admitted = [];
        foreach ((IClient client, ClientNeeds needs) in module.Parts.Clients)
        {
            IClientServices? services = null;
            Refusal? denied = Tried(module, "needs that can be admitted", () => manager.Admit(
                needs.Name, client, needs, module.View!, out services));
            if (denied is not null)
            {
                RefuseMade(module, denied);
                return;
            }

            module.Admitted.Enqueue(needs.Name);
            admitted.Add((client, needs.Name, services!));
        }

        module.Place();
        await StartAsync(module, admitted);
    }

    /// <summary>
    /// Waits for the making of what is to get names and room before a module. All of that has a
    /// limit but for its turn on a thread that hangs, and nobody else waits for one of those.
    /// </summary>
    private async Task WaitForAheadAsync(Module module)
    {
        Task ahead = Task.WhenAll(module.Ahead.Select(static other => other.Placed));
        try
        {
            await ahead.WaitAsync(AheadTimeMax, module.Stopping.Token);
        }
        catch (TimeoutException)
        {
            log.LogWarning(
                "{Module} does not wait any more for {Others}, still made after {Limit} s",
                module.Id, string.Join(", ", module.Ahead
                    .Where(static other => !other.Placed.IsCompleted)
                    .Select(static other => other.Id)), AheadTimeMax.TotalSeconds);
        }
    }

    private async Task StartAsync(
        Module module, List<(IClient Client, string Name, IClientServices Services)> clients)
    {
        foreach ((Type service, Module provider) in module.Providers)
        {
            module.Advance(ModuleState.Starting, $"waits for {provider.Id}");
            if (!await provider.Started.WaitAsync(module.Stopping.Token))
            {
                RefuseFor(module, service, provider);
                return;
            }
        }

        if (!module.Advance(ModuleState.Starting))
        {
            return; // It stops, or has ended.
        }

        try
        {
            CancellationToken stopping = module.Stopping.Token;
            foreach ((IClient client, string name, IClientServices services) in clients)
            {
                stopping.ThrowIfCancellationRequested();
                await module.View!.CallAsync(() => client.StartAsync(services, stopping));
                manager.Started(name);
            }

            if (module.Advance(ModuleState.Running))
            {
                PluginEvents.Runs.Raise(log, module.Id);
            }
        }
        catch (OperationCanceledException) when (module.Stopping.IsCancellationRequested)
        {
            throw;
        }
        catch (RefusedException refused)
        {
            RefuseMade(module, refused.Refusal);
        }
#pragma warning disable CA1031 // A client may throw anything; it ends that client alone.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Fault(module, failure);
        }
    }

    /// <summary>Looks at what a plugin has made: it may be odd in any way.</summary>
    private static Refusal? Tried(Module module, string expected, Func<Refusal?> look)
    {
        try
        {
            return look();
        }
#pragma warning disable CA1031 // Whatever it throws refuses its plugin alone.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return new Refusal(
                $"plugin {module.Id}", expected, McMasterPluginLoader.Shown(failure));
        }
    }

    private Refusal? Check(Module module)
    {
        if (module.Manifest!.Kind == PluginKind.Client && module.Parts.Clients.Count == 0)
        {
            return new Refusal(
                $"plugin {module.Id}", "an IClient among its services", "none",
                "register one, or say another kind in its manifest");
        }

        if (LimitsProblem(module) is { } over)
        {
            return over;
        }

        string? twice;
        lock (gate)
        {
            twice = TakeNames(module);
        }

        return twice is null ? null : new Refusal(
            $"plugin {module.Id}", "commands of its own", $"\"{twice}\", which is taken");
    }

    /// <summary>
    /// Gives a module the names of its commands, all or none: the first that another has.
    /// </summary>
    private string? TakeNames(Module module)
    {
        string[] names = [.. module.Parts.Commands.Select(static command => command.Name)];
        string? twice = names.FirstOrDefault(name => commands.TryGetValue(name, out Module? other)
            && other.State != ModuleState.Refused);
        foreach (string name in twice is null ? names : [])
        {
            commands[name] = module;
        }

        return twice;
    }

    /// <summary>
    /// What its clients ask for over the limits of its manifest. Those were read by whoever
    /// installed it; the kernel's own come later and hold as well.
    /// </summary>
    private static Refusal? LimitsProblem(Module module)
    {
        PluginLimits limits = module.Manifest!.Limits;
        long memory = 0;
        long ports = 0;
        long posts = 0;
        foreach ((IClient _, ClientNeeds needs) in module.Parts.Clients)
        {
            ports += needs.Ports.Count;
            posts += needs.Ports.Sum(static port => port?.PostsInFlightMax ?? 0L);
            memory += needs.Regions.Sum(static region => region?.Bytes ?? 0L);
        }

        string subject = $"plugin {module.Id}";
        return memory > limits.MemoryBytes
            ? new Refusal(
                subject, $"at most {limits.MemoryBytes} bytes of memory, its manifest's limit",
                $"{memory}")
            : ports > limits.Ports
                ? new Refusal(
                    subject, $"at most {limits.Ports} ports, its manifest's limit", $"{ports}")
            : posts > limits.Posts
                ? new Refusal(
                    subject,
                    $"at most {limits.Posts} operations in flight, its manifest's limit",
                    $"{posts}")
                : null;
    }

    private void RefuseFor(Module module, Type service, Module provider) => RefuseMade(
        module,
        new Refusal(
            $"plugin {module.Id}", $"{service.Name} of {provider.Id}",
            $"{provider.Id} is {provider.State.ToString().ToLowerInvariant()}"));

    private void RefuseMade(Module module, Refusal? refusal)
    {
        if (refusal is not null && Refuse(module, refusal))
        {
            _ = EndAsync(module, refusal.ToString(), inOrder: false);
        }
    }

    private bool Refuse(Module module, Refusal refusal)
    {
        bool fresh = module.End(ModuleState.Refused, refusal.ToString(), refusal);
        if (fresh)
        {
            PluginEvents.Refused.Raise(log, module.Id, refusal);
        }

        return fresh;
    }

    private Module[] Users(Module provider) =>
        [.. Modules.Where(module => module.Providers.Any(
            taken => taken.Provider == provider))];

    /// <summary>Takes a module down, once; its users first.</summary>
    private Task EndAsync(Module module, string why, bool inOrder)
    {
        lock (gate)
        {
            if (!endings.TryGetValue(module, out Task? ending))
            {
                ending = Task.Run(() => EndOnceAsync(module, why, inOrder));
                endings.Add(module, ending);
            }

            return ending;
        }
    }

    private async Task EndOnceAsync(Module module, string why, bool inOrder)
    {
        await module.StopEnded; // What stops runs still; each step of that has a limit.
        foreach (Module user in Users(module))
        {
            if (!inOrder)
            {
                user.End(ModuleState.Failed, $"{module.Id}, whose services it uses, has ended");
            }

            await EndAsync(user, why, inOrder);
        }

        await new ModuleEnding(module, manager, unloads, log)
            .FinishAsync(why, leaveSession: !inOrder);
    }
}
