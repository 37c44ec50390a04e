using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Isolation;

/// <summary>
/// A plugin that runs in a process of its own, in place of its code: registers stand-ins for what
/// that process says it consists of.
/// </summary>
internal sealed class IsolatedPlugin : ILoadedPlugin, IPlugin
{
    private readonly PluginManifest manifest;
    private readonly IReactor reactor;
    private readonly IsolatedProcess process;
    private readonly DescribedBody described;
    private readonly string folder;
    private readonly Dictionary<long, IDisposable> vetoes = [];

    private IsolatedPlugin(
        PluginManifest manifest, IReactor reactor, IsolatedProcess process, string folder,
        DescribedBody described)
    {
        (this.manifest, this.reactor, this.process) = (manifest, reactor, process);
        (this.folder, this.described) = (folder, described);
    }

    /// <inheritdoc/>
    public IPlugin Plugin => this;

    /// <inheritdoc/>
    public WeakReference? Code => null; // It went with its process.

    /// <summary>
    /// Starts the process and has it load the plugin. Any thread but the reactor's; takes as long
    /// as the plugin's constructors do.
    /// </summary>
    /// <exception cref="RefusedException">It did not come to say what it consists of.</exception>
    internal static IsolatedPlugin Start(
        PluginManifest manifest, NodeInfo node, IConfigurationSection settings, IReactor reactor,
        IsolationSettings isolation, ILoggerFactory logs)
    {
        string folder = Path.Combine(node.NvramDirectory, "processes", manifest.Id);
        IsolatedProcess process = new(manifest, reactor, isolation, logs);
        try
        {
            Directory.CreateDirectory(folder);
            foreach (string old in Directory.GetFiles(folder))
            {
                File.Delete(old); // Of an earlier life: its plain memory begins with zeros.
            }

            process.AwaitConnected();
            BeginBody begin = new(
                manifest.Id, manifest.Folder, manifest.Assembly, manifest.Type, node,
                settings.AsEnumerable(makePathsRelative: true)
                    .ToDictionary(static one => one.Key, static one => one.Value));
            JsonNode? answer = process.CallAsync(Ask.Begin, begin)
                .WaitAsync(isolation.ConnectTimeMax).GetAwaiter().GetResult();
            return new(manifest, reactor, process, folder, Line.Unpack<DescribedBody>(answer));
        }
        catch (Exception failure) when (failure is PluginProcessException or TimeoutException
            or RefusedException or IOException or UnauthorizedAccessException)
        {
            process.DisposeAsync().AsTask().GetAwaiter().GetResult();
            throw failure as RefusedException ?? new RefusedException(
                new Refusal(
                    $"plugin {manifest.Id}", "a process that says what it consists of",
                    failure is TimeoutException ? "none that answers" : failure.Message),
                failure);
        }
    }

    /// <inheritdoc/>
    public void Register(IPluginRegistry registry)
    {
        PortPump pump = new(reactor, process, folder);
        IServiceCollection services = registry.Services;

        IsolatedClient[] clients = [.. described.Clients.Select((needs, number) =>
            new IsolatedClient(process, pump, number, needs, folder))];

        // By a factory: what the container makes it disposes, in good order, on the reactor.
        services.AddSingleton(provider =>
        {
            IHandoverVetoes board = provider.GetRequiredService<IHandoverVetoes>();
            process.Handle = call => HandleAsync(call, clients, board);
            process.Meanwhile = () => pump.Turn();
            HeartBeat.Begin(process, reactor);
            return process;
        });
        foreach (IsolatedClient client in clients)
        {
            services.AddSingleton<IClient>(provider =>
            {
                _ = provider.GetRequiredService<IsolatedProcess>();
                return client;
            });
        }

        foreach (string section in described.Sections)
        {
            services.AddSingleton<IStatusReporter>(new IsolatedReporter(process, section));
        }

        foreach (string name in described.Commands)
        {
            services.AddSingleton<IOperatorCommand>(new IsolatedCommand(process, name));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        process.DisposeAsync().AsTask().GetAwaiter().GetResult();
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private ValueTask<JsonNode?> HandleAsync(
        LineCall call, IsolatedClient[] clients, IHandoverVetoes board)
    {
        switch (call.What)
        {
            case Ask.Veto:
                VetoBody veto = call.Of<VetoBody>();
                vetoes[veto.Number] = board.Veto(
                    veto.Group is { } group ? new GroupId(group) : null, veto.Why, veto.Remedy);
                return default;
            case Ask.EndVeto:
                if (vetoes.Remove(call.Of<VetoBody>().Number, out IDisposable? ended))
                {
                    ended.Dispose();
                }

                return default;
            case Ask.Vetoes:
                return ValueTask.FromResult(Line.Pack(board.All.Select(KnownVeto.Of).ToArray()));
            default:
                int client = (int?)call.Body?["Client"] ?? -1;
                return client >= 0 && client < clients.Length
                    ? clients[client].HandleAsync(call)
                    : throw new PluginProcessException(
                        $"one of {clients.Length} clients was expected, found number {client}");
        }
    }
}

/// <summary>Looks whether the reactor of a plugin's process still turns.</summary>
internal sealed class HeartBeat
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);
    private readonly IsolatedProcess process;
    private Task answer = Task.CompletedTask;
    private int beats;

    private HeartBeat(IsolatedProcess process) => this.process = process;

    /// <summary>Looks for as long as the plugin's reactor runs its timers.</summary>
    internal static void Begin(IsolatedProcess process, IReactor reactor) =>
        _ = reactor.Every(Period, new HeartBeat(process).Beat);

    private void Beat()
    {
        // Beats, not the clock: what stops the node is no plugin's doing.
        (beats, bool isStuck) = answer.IsCompleted ? (0, false) : (beats + 1, true);
        if (!isStuck)
        {
            answer = process.CallAsync(Ask.Ping, new OneBody(0));
        }
        else if (beats * Period >= process.CallbackTimeMax)
        {
            process.Kill(process.TooLong);
        }
    }
}

/// <summary>A status reporter of an isolated plugin.</summary>
internal sealed class IsolatedReporter(IsolatedProcess process, string section) : IStatusReporter
{
    /// <inheritdoc/>
    public string Section => section;

    /// <inheritdoc/>
    public JsonNode? Report() => process.Call(Ask.Report, new OneBody(0, section));
}

/// <summary>An operator's command of an isolated plugin.</summary>
internal sealed class IsolatedCommand(IsolatedProcess process, string name) : IOperatorCommand
{
    private static long runs;

    /// <inheritdoc/>
    public string Name => name;

    /// <inheritdoc/>
    public async ValueTask<JsonNode?> RunAsync(
        JsonObject arguments, CancellationToken cancellation)
    {
        long run = Interlocked.Increment(ref runs);
        using CancellationTokenRegistration gone = cancellation.Register(
            () => process.Tell(Ask.Cancel, new CancelBody(run)));
        return await process.CallAsync(
            Ask.Command, new CommandBody(name, run, (JsonObject)arguments.DeepClone()));
    }
}
