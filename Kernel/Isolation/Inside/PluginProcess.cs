using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Isolation.Interop;
using StorageOs.Kernel.Loop;
using LoopLibc = StorageOs.Kernel.Loop.Interop.Libc;

namespace StorageOs.Kernel.Isolation.Inside;

/// <summary>
/// A process that runs one plugin, with the plugin's own reactor in it. It lives no longer than the
/// node that has started it, and ends at once when the plugin throws: the node is told why.
/// </summary>
internal sealed class PluginProcess : IDisposable
{
    private readonly Line line;
    private readonly Socket bell;
    private Reactor? reactor;
    private ModuleReactor view = null!;
    private ServiceProvider? services;
    private InsideClient[] clients = [];
    private IStatusReporter[] reporters = [];
    private IOperatorCommand[] commands = [];
    private readonly Dictionary<long, CancellationTokenSource> runs = [];

    private PluginProcess(string sockets)
    {
        line = new Line(Connect(Path.Combine(sockets, "line")), Take);
        bell = Connect(Path.Combine(sockets, "bell"));
        bell.Blocking = false;
        AppDomain.CurrentDomain.UnhandledException += (_, thrown) =>
            Fault((Exception)thrown.ExceptionObject);
    }

    /// <summary>Runs until the node says so, or is gone.</summary>
    /// <param name="sockets">Folder of the sockets that the node listens on.</param>
    /// <param name="node">The node's process.</param>
    /// <returns>Whether it was that node's at all.</returns>
    internal static bool Run(string sockets, int node)
    {
        // Of this very thread, which therefore stays until the end.
        _ = Libc.prctl(Libc.PR_SET_PDEATHSIG, LoopLibc.SIGKILL);
        if (Libc.getppid() != node)
        {
            return false; // It has gone before that was asked for.
        }

        // A person's Ctrl-C and a service manager's stop mean the node, which stops this one.
        PosixSignalRegistration[] ignored =
        [
            .. new[]
            {
                PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT,
            }.Select(static signal => PosixSignalRegistration.Create(
                signal, static context => context.Cancel = true)),
        ];
        BeFirstToGo();
        using PluginProcess process = new(sockets);
        process.line.Read();
        GC.KeepAlive(ignored);
        Die(); // The node is gone: nothing that still runs here may touch its memory.
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        line.Dispose();
        bell.Dispose();
        Array.ForEach(clients, static client => client.Dispose());
        services?.Dispose();
        reactor?.Dispose();
    }

    /// <summary>Tells the node why, and ends.</summary>
    internal void Fault(Exception failure)
    {
        line.Tell(Ask.Fault, McMasterPluginLoader.Shown(failure));
        Die();
    }

    /// <summary>Wakes the node's end of the ports.</summary>
    internal void Wake() => _ = bell.Send([1], SocketFlags.None, out SocketError _);

    private static void Die() => _ = LoopLibc.kill(Environment.ProcessId, LoopLibc.SIGKILL);

    /// <summary>When memory is short, the system takes this process and not the node.</summary>
    private static void BeFirstToGo()
    {
        try
        {
            File.WriteAllText("/proc/self/oom_score_adj", "1000");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"storageos: the node may be ended before its plugin when "
                + $"memory is short: {failure.Message}");
        }
    }

    private static Socket Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    /// <summary>A call of the node; on the thread that reads.</summary>
    private void Take(LineCall call)
    {
        switch (call.What)
        {
            case Ask.Begin:
                // On a thread of its own: what the constructors ask of the node is read here.
                _ = Task.Factory.StartNew(
                    () => call.RunAsync(() => BeginAsync(call.Of<BeginBody>())),
                    CancellationToken.None, TaskCreationOptions.LongRunning,
                    TaskScheduler.Default);
                break;
            case Ask.Resume: clients[call.Of<OneBody>().Client].Resume(); break;
            case Ask.Stopping: clients[call.Of<OneBody>().Client].Stopping(); break;
            case Ask.Deadline: clients[call.Of<OneBody>().Client].Deadline(); break;
            case Ask.Exit: _ = Task.Run(ExitAsync); break;
            default: view.Post(Do, call); break;
        }
    }

    private async ValueTask<JsonNode?> BeginAsync(BeginBody begin)
    {
        reactor = new Reactor(begin.Id);
        view = reactor.View(begin.Id, Fault);
        IConfigurationRoot settings = new ConfigurationBuilder()
            .AddInMemoryCollection(begin.Settings).Build();
        ILoggerFactory logs = LoggerFactory.Create(builder => builder
            .SetMinimumLevel(LogLevel.Trace).AddProvider(new InsideLogs(line)));
        PluginRegistry registry = new(
            settings, begin.Node, view, logs, () => new InsideVetoes(line));

        // Not one that can be unloaded, which code compiled ahead of time could not be in: it goes
        // with this process.
        PluginManifest manifest = new(
            begin.Id, "", PluginKind.Client, begin.Folder, begin.Assembly, begin.Type, [], [],
            PluginPlacement.Storage);
        ILoadedPlugin code = new McMasterPluginLoader().Load(manifest);
        code.Plugin.Register(registry);
        if (registry.Check(manifest) is { } refusal)
        {
            throw new RefusedException(refusal);
        }

        return await view.CallAsync(() => ValueTask.FromResult(Construct(registry)));
    }

    private JsonNode? Construct(PluginRegistry registry)
    {
        services = registry.Services.BuildServiceProvider();
        InsidePorts ports = new(bell, Wake);
        clients = [.. services.GetServices<IClient>().Select((client, number) =>
            new InsideClient(client, number, line, ports))];
        reporters = [.. services.GetServices<IStatusReporter>()];
        commands = [.. services.GetServices<IOperatorCommand>()];
        ports.Watch(view);
        return Line.Pack(new DescribedBody(
            [.. clients.Select(static client => client.Needs)],
            [.. reporters.Select(static reporter => reporter.Section)],
            [.. commands.Select(static command => command.Name)]));
    }

    /// <summary>Does what the node asks; on the plugin's reactor.</summary>
    private async void Do(object? asked)
    {
        LineCall call = (LineCall)asked!;
        try
        {
            JsonNode? answer = await DoAsync(call);
            if (call.What != Ask.Hold) // That one was answered before it was held.
            {
                call.Answer(answer, null, null);
            }
        }
        catch (RefusedException refused) when (call.What is Ask.Start or Ask.Command)
        {
            call.Answer(null, refused.Refusal, null);
        }
        catch (Exception failure) when (call.What is Ask.Report or Ask.Command)
        {
            // A report or a command that fails costs only itself.
            call.Answer(null, null, McMasterPluginLoader.Shown(failure));
        }
    }

    private async ValueTask<JsonNode?> DoAsync(LineCall call)
    {
        switch (call.What)
        {
            case Ask.Ping: return null;
            case Ask.Report:
                string section = call.Of<OneBody>().Name;
                return reporters.First(reporter => reporter.Section == section).Report();
            case Ask.Command: return await RunCommandAsync(call.Of<CommandBody>());
            case Ask.Cancel:
                if (runs.TryGetValue(call.Of<CancelBody>().Run, out CancellationTokenSource? run))
                {
                    await run.CancelAsync();
                }

                return null;
            default:
                await clients[(int)call.Body!["Client"]!].DoAsync(call);
                return null;
        }
    }

    private async Task<JsonNode?> RunCommandAsync(CommandBody asked)
    {
        using CancellationTokenSource gone = new();
        runs[asked.Run] = gone;
        try
        {
            return await commands.First(command => command.Name == asked.Name)
                .RunAsync(asked.Arguments, gone.Token);
        }
        finally
        {
            _ = runs.Remove(asked.Run);
        }
    }

    /// <summary>Disposes what the plugin has, on its reactor, and ends.</summary>
    private async Task ExitAsync()
    {
        if (services is { } disposing)
        {
            try
            {
                await view.CallAsync(disposing.DisposeAsync);
            }
#pragma warning disable CA1031 // Whatever it throws: the process ends by it.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                Fault(failure);
            }
        }

        Die();
    }
}
