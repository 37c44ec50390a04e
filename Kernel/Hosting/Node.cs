using System.Diagnostics;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Configuration.Interop;
using StorageOs.Kernel.Hosting.Store;
using StorageOs.Kernel.Isolation;
using StorageOs.Kernel.Loop;
using StorageOs.Kernel.Management;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// One running node. Boots in the order that lets its partner see it first: the transport and the
/// handshake before any client plugin is loaded, and going on however those fare.
/// </summary>
public sealed class Node : IAsyncDisposable
{
    private readonly NodeSettings settings;
    private readonly IReadOnlyList<EmbeddedPlugin> embedded;
    private readonly ILoggerFactory logs;
    private readonly ILogger log;
    private readonly long bootStart = Stopwatch.GetTimestamp();
    private readonly ReactorPool reactors = new();
    private readonly TaskCompletionSource<string> ended =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource settled =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource stopped =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DataLock? dataLock;
    private FlightRecorder? recorder;
    private PartnerRing? partnerRing;
    private PluginSource plugins = null!;
    private ModuleFactory factory = null!;
    private PluginHost host = null!;
    private IConnectionManager manager = null!;
    private readonly List<IAsyncDisposable> management = [];
    private readonly CancellationTokenSource loadingEnds = new();
    private readonly SemaphoreSlim changing = new(1, 1);
    private Task loading = Task.CompletedTask;
    private bool clientsBegun;
    private Watchdog? watchdog;
    private volatile bool faulted;
    private int stopping;
    private int phase;

    private Node(
        NodeSettings settings, IReadOnlyList<EmbeddedPlugin> embedded, ILoggerFactory logs)
    {
        (this.settings, this.embedded, this.logs) = (settings, embedded, logs);
        log = logs.CreateLogger("boot");
    }

    /// <summary>What this node is.</summary>
    public NodeInfo Info { get; private set; } = null!;

    /// <summary>The connection manager.</summary>
    public IConnectionManager Connection => manager;

    /// <summary>Completes when the node is asked to stop, or must, with the reason.</summary>
    public Task<string> StopAsked => ended.Task;

    /// <summary>Completes when every client has started or was refused; may never.</summary>
    public Task Serving => settled.Task;

    /// <summary>Whether the core or the transport failed.</summary>
    public bool Panicked => Phase == BootPhase.Panicked;

    /// <summary>Whether it ends by a fault of its own: somebody should start it again.</summary>
    public bool Failed => Panicked || faulted;

    /// <summary>How far the boot has come.</summary>
    public BootPhase Phase => (BootPhase)Volatile.Read(ref phase);

    internal NodeSettings Settings => settings;

    /// <summary>The connection manager's: what the node stands still without.</summary>
    internal IReactor Reactor { get; private set; } = null!;

    /// <summary>
    /// This node's events and its partner's, as the management socket tells them.
    /// </summary>
    internal JsonObject Events => RecorderDocument.Of(Info, recorder!, partnerRing!);

    /// <summary>Number of the last event of this node, and of its partner, that is known.</summary>
    internal (ulong Own, ulong Partner) Recorded => (recorder!.Recorded, partnerRing!.Recorded);

    internal IReadOnlyList<Module> Modules => host.Modules;

    /// <summary>Whose code is still in memory although it has ended.</summary>
    internal IReadOnlyList<(string Id, string Version)> Lingering => host.Lingering;

    /// <summary>
    /// Boots a node; returns once the handshake has begun and clients are being loaded.
    /// </summary>
    /// <param name="settings">Its configuration.</param>
    /// <param name="core">The core module; its services hold the connection manager.</param>
    /// <param name="logs">Where it logs to.</param>
    /// <param name="embedded">
    /// Client plugins of the program that the kernel is a part of; null for none.
    /// </param>
    /// <exception cref="RefusedException">
    /// The data is in use, the transport cannot be loaded or opened, or the socket is taken.
    /// </exception>
    public static async Task<Node> BootAsync(
        NodeSettings settings, IPlugin core, ILoggerFactory logs,
        IReadOnlyList<EmbeddedPlugin>? embedded = null)
    {
        Node node = new(settings, embedded ?? [], logs);
        try
        {
            await node.ConnectAsync(core);
            node.loading = node.LoadClientsAsync();
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Asks the node to stop; the work is done by whoever awaits <see cref="StopAsked"/>.
    /// </summary>
    public void AskStop(string why) => ended.TrySetResult(why);

    /// <summary>
    /// Stops the node in good order: clients, then the session, with a word to the partner.
    /// </summary>
    public async Task StopAsync(string why)
    {
        ended.TrySetResult(why);
        if (Interlocked.Exchange(ref stopping, 1) == 1)
        {
            await stopped.Task;
            return;
        }

        KernelEvents.NodeStopping.Raise(log, why);
        try
        {
            await StopAllAsync(why);
        }
        finally
        {
            stopped.SetResult(); // Whoever waits for the end must not do so for ever.
        }
    }

    /// <summary>
    /// Has the node follow its plugin store in what that wants of one plugin. Any thread.
    /// </summary>
    /// <exception cref="RefusedException">The plugin is refused, or the node stops.</exception>
    internal async Task<PluginOutcome> FollowStoreAsync(string id)
    {
        try
        {
            await changing.WaitAsync(loadingEnds.Token);
        }
        catch (Exception ending) when (ending is OperationCanceledException
            or ObjectDisposedException)
        {
            throw new RefusedException(
                new Refusal($"plugin {id}", "a node that goes on", "one that stops"), ending);
        }

        try
        {
            return clientsBegun
                ? await new LivePlugins(settings, plugins, host, log)
                    .FollowAsync(id, loadingEnds.Token)
                : new(null, "no client is loaded yet; it is loaded with them");
        }
        finally
        {
            changing.Release();
        }
    }

    private async Task StopAllAsync(string why)
    {
        await loadingEnds.CancelAsync();
        await loading;
        // For good: nothing is changed any more. What a change has begun ends with the rest.
        if (!await changing.WaitAsync(Limits.ChangeTimeMax))
        {
            log.LogWarning("a change of a plugin has not ended; the node stops without it");
        }

        if (host is not null)
        {
            if (!Panicked)
            {
                Volatile.Write(ref phase, (int)BootPhase.Stopping);
            }

            await host.StopAsync(why, () => StopManagerAsync(why));
        }

        foreach (IAsyncDisposable server in management)
        {
            await server.DisposeAsync();
        }

        watchdog?.Dispose();
        reactors.Dispose();
        loadingEnds.Dispose();
        dataLock?.Dispose();
        KernelEvents.NodeStopped.Raise(log);
        recorder?.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await StopAsync("the node is disposed");

    /// <summary>
    /// Whoever else can write there could lay files in the node's way that they read and change.
    /// </summary>
    private static void MakeNvram(string folder)
    {
        Directory.CreateDirectory(folder);
        uint? owner = Statx.OwnerOf(folder);
        UnixFileMode mode = File.GetUnixFileMode(folder);
        if (owner is { } other && other != 0 && other != Statx.geteuid())
        {
            throw new RefusedException(new Refusal(
                $"folder {folder}", "to be owned by the user of this process", $"owner {other}",
                "remove it, or correct node:nvramDirectory"));
        }

        if (mode.HasFlag(UnixFileMode.OtherWrite) && !mode.HasFlag(UnixFileMode.StickyBit))
        {
            throw new RefusedException(new Refusal(
                $"folder {folder}", "to be written by its owner alone", "rights for everybody",
                $"chmod o-w {folder}"));
        }
    }

    private async Task ConnectAsync(IPlugin core)
    {
        MakeNvram(settings.Node.NvramDirectory);
        if (DataLock.TryTake(settings.Node.DataDirectory, out dataLock) is { } inUse)
        {
            throw new RefusedException(inUse);
        }

        Info = Identify();
        StartRecorder();
        Say(1, $"node {Info.Name}, epoch {Info.BootEpoch:x}, transport {settings.Transport.Name}");
        factory = new ModuleFactory(
            new EmbeddedLoader(embedded, new McMasterPluginLoader()), reactors, Info,
            settings.Plugins, logs)
        {
            Operations = new NodeOperations(new ManagementCommands(this)),
        };
        plugins = PluginSource.Open(embedded, settings.Plugins, log);
        IReadOnlyList<PluginCandidate> found = plugins.Find(transportsAlone: true);
        Module transport = await LoadTransportAsync(found);
        Module ccm = await LoadCoreAsync(core, transport);
        manager = ccm.Services!.GetRequiredService<IConnectionManager>();
        Reactor = ccm.View!;
        ProcessRestarts restarts = new(
            FollowStoreAsync, TimeProvider.System, log, loadingEnds.Token);
        host = new PluginHost(factory, manager, logs)
        {
            AheadTimeMax = TimeSpan.FromTicks(Math.Max(
                Limits.AheadTimeMax.Ticks, settings.Plugins.RegistrationTimeMax.Ticks * 4)),
            NoteFailure = (module, why) =>
            {
                plugins.NoteFailure(module, why);
                restarts.Note(module);
                Escalate(module, why);
            },
        };
        host.Add(ccm);
        host.Add(transport);
        manager.Start();
        ccm.Advance(ModuleState.Running);
        Enter(BootPhase.Connecting);
        Say(1, "well-known port open, handshake begun");
        Note(found);
        StartManagement(ccm.View!);
    }

    /// <summary>
    /// A node that has lost what its users come for serves them worse than its partner: it stops
    /// in good order, and whoever supervises it starts it again.
    /// </summary>
    private void Escalate(Module module, string why)
    {
        if (module.Manifest is { Critical: true })
        {
            PluginEvents.Critical.Raise(log, module.Id, why);
            faulted = true;
            AskStop($"{module.Id} has failed, which is critical: {why}");
        }
    }

    /// <summary>
    /// From here on what is logged is recorded, too. A node that cannot keep it beyond its own
    /// life boots all the same.
    /// </summary>
    private void StartRecorder()
    {
        string path = Path.Combine(Info.NvramDirectory, "events.ring");
        RingFile? file = null;
        try
        {
            file = RingFile.Open(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            KernelEvents.EventsNotKept.Raise(log, path, failure.Message);
        }

        recorder = new FlightRecorder(Info.BootEpoch, TimeProvider.System, file);
        logs.AddProvider(new RecorderLogs(recorder));
        partnerRing = new PartnerRing(Path.Combine(Info.DataDirectory, "partner-ring.bin"), log);
    }

    private void StartManagement(IReactor reactor)
    {
        ManagementCommands commands = new(this);
        ILogger managementLog = logs.CreateLogger("management");
        management.Add(
            ManagementServer.Start(settings.ManagementSocket, commands, managementLog));
        MachineSettings machine = settings.Machine;
        if (machine.Remote is { } remote)
        {
            management.Add(ManagementServer.Start(remote, commands, managementLog));
        }

        if (machine.Console is { } console)
        {
            management.Add(ConsoleStatus.Start(this, console, managementLog));
        }

        if (machine.Watchdog is { } device)
        {
            watchdog = Watchdog.Start(device, reactor, log);
        }
    }

    private NodeInfo Identify() => new(
        settings.Node.Name,
        settings.Partner.Name,
        settings.Node.SystemId,
        settings.Partner.SystemId,
        BootEpoch.Next(settings.Node.DataDirectory, TimeProvider.System),
        settings.Node.DataDirectory,
        settings.Node.NvramDirectory,
        settings.Node.Persistence)
    {
        MachineBootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(),
    };

    private async Task<Module> LoadTransportAsync(IReadOnlyList<PluginCandidate> found)
    {
        (Module transport, ITransportProvider _) = await TransportLoading.LoadAsync(
            settings.Transport.Name, found, settings.Plugins.Directories,
            settings.Transport.Options, factory, Panic);
        transport.Advance(ModuleState.Running);
        return transport;
    }

    private async Task<Module> LoadCoreAsync(IPlugin core, Module transport)
    {
        Module ccm = new("ccm", PluginKind.Core, null);
        factory.Place(ccm, PluginPlacement.Kernel, Panic);
        PluginRegistry registry = factory.NewRegistry(ccm);
        registry.Services.AddSingleton(settings);
        registry.Services.AddSingleton(ccm.Reactor!);
        registry.Services.AddSingleton(recorder!);
        registry.Services.AddSingleton(partnerRing!);
        registry.Services.AddSingleton(
            transport.Services!.GetRequiredService<ITransportProvider>());
        core.Register(registry);
        await ModuleFactory.ConstructAsync(ccm, registry);
        return ccm;
    }

    /// <summary>Lists what was found and will not be brought up.</summary>
    private void Note(IReadOnlyList<PluginCandidate> found)
    {
        foreach (PluginCandidate candidate in found)
        {
            if (candidate.Error is not null)
            {
                host.AddBarred(candidate);
            }
            else if (candidate.Manifest is { Kind: PluginKind.Transport } manifest
                && manifest.Id != settings.Transport.Name)
            {
                Module other = new(manifest.Id, PluginKind.Transport, manifest);
                other.Advance(ModuleState.NotChosen);
                host.Add(other);
            }
        }
    }

    private async Task LoadClientsAsync()
    {
        try
        {
            await WaitForPathsAsync();
            await WaitForPartnerAsync();
            await changing.WaitAsync(loadingEnds.Token);
            try
            {
                LoadClients();
                clientsBegun = true;
            }
            finally
            {
                changing.Release();
            }
        }
        catch (OperationCanceledException)
        {
            Say(2, "stopped before clients were loaded");
        }
#pragma warning disable CA1031 // Nobody else would hear of it; a node without clients is no use.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            log.LogCritical(failure, "clients could not be loaded; the node ends");
            faulted = true;
            AskStop($"clients could not be loaded: {McMasterPluginLoader.Shown(failure)}");
        }
    }

    private async Task WaitForPathsAsync()
    {
        IReadOnlyList<string> paths = settings.Machine.WaitFor;
        if (paths.FirstOrDefault(path => !Path.Exists(path)) is not { } missing)
        {
            return;
        }

        Say(1, $"clients wait for {missing}");
        using PeriodicTimer timer = new(Limits.WaitForPathPeriod);
        while (!paths.All(Path.Exists))
        {
            await timer.WaitForNextTickAsync(loadingEnds.Token);
        }
    }

    private async Task WaitForPartnerAsync()
    {
        TimeSpan limit = settings.Machine.PartnerWait;
        if (limit == TimeSpan.Zero || manager.Status.Session is not null)
        {
            return;
        }

        Say(1, $"clients wait up to {limit.TotalSeconds:0.#} s for {Info.PartnerName}");
        using PeriodicTimer timer = new(Limits.WaitForPathPeriod);
        for (long from = Stopwatch.GetTimestamp(); manager.Status.Session is null;)
        {
            if (Stopwatch.GetElapsedTime(from) > limit)
            {
                Say(1, $"{Info.PartnerName} is not there; going on without it");
                return;
            }

            await timer.WaitForNextTickAsync(loadingEnds.Token);
        }
    }

    private void LoadClients()
    {
        Enter(BootPhase.LoadingClients);
        IReadOnlyList<PluginCandidate> found = plugins.Find(transportsAlone: false);
        Note([.. found.Where(candidate => candidate.Error is not null
            && host.Modules.All(module => module.Id != candidate.Name))]);
        Dictionary<string, PluginManifest> good = found
            .Select(candidate => candidate.Good)
            .Where(manifest => manifest is { Kind: not PluginKind.Transport })
            .ToDictionary(manifest => manifest!.Id, manifest => manifest!);
        List<PluginManifest> wanted = [];
        foreach (string id in Wanted(good))
        {
            if (good.TryGetValue(id, out PluginManifest? manifest))
            {
                wanted.Add(manifest);
            }
            else if (found.All(candidate => candidate.Name != id))
            {
                host.AddRefused(PluginKind.Client, id, null, UnnamedPlugins.Missing(id));
            }
        }

        Dictionary<string, Refusal> refusals = [];
        IReadOnlyList<PluginLink> links = PluginOrder.Of(wanted, refusals);
        foreach ((string id, Refusal refusal) in refusals)
        {
            host.AddRefused(good[id].Kind, id, good[id], refusal);
        }

        Say(2, $"loading {links.Count} plugins");
        (Task admitted, Task started) = host.BringUp(links);
        _ = FollowAsync(admitted, started);
        _ = host.WatchAsync(settings.Plugins.CallbackTimeMax, loadingEnds.Token);
    }

    /// <summary>What is to be loaded; what is left alone is noted.</summary>
    private IEnumerable<string> Wanted(Dictionary<string, PluginManifest> good)
    {
        (IEnumerable<string> wanted, IReadOnlyList<PluginManifest> spare) =
            UnnamedPlugins.WantedOf(good, settings.Plugins);
        foreach (PluginManifest manifest in spare)
        {
            Module module = new(manifest.Id, manifest.Kind, manifest);
            module.Advance(ModuleState.NotChosen, "it has no plugins:settings");
            host.Add(module);
        }

        return wanted;
    }

    private async Task FollowAsync(Task admitted, Task started)
    {
        await admitted;
        Say(3, "clients loaded; logs and volumes recover");
        Enter(BootPhase.Recovering);
        await started;
        Say(4, "serving");
        Enter(BootPhase.Serving);
        settled.TrySetResult();
    }

    private async Task StopManagerAsync(string why)
    {
        try
        {
            await manager.StopAsync(why).WaitAsync(Limits.RemoveTimeMax);
        }
#pragma warning disable CA1031 // The process is to end, whatever the manager says.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            log.LogError(failure, "the connection manager did not stop in good order");
        }
    }

    private void Enter(BootPhase next)
    {
        if (Volatile.Read(ref stopping) == 0 && next > Phase)
        {
            Volatile.Write(ref phase, (int)next);
            manager?.SetBootPhase(next); // None yet when the core fails while it is made.
        }
    }

    private void Say(int step, string what) => KernelEvents.BootStep.Raise(
        log, step, Stopwatch.GetElapsedTime(bootStart).TotalMilliseconds, what);

    // The core and the transport hold the session: without them the node is of no use, and its
    // partner must hear of it.
    private void Panic(Module module, Exception failure)
    {
        if (module.End(ModuleState.Failed, McMasterPluginLoader.Shown(failure)))
        {
            KernelEvents.CoreFailed.Raise(log, module.Id, failure);
            Enter(BootPhase.Panicked);
            AskStop($"{module.Id} failed: {McMasterPluginLoader.Shown(failure)}");
        }
    }
}
