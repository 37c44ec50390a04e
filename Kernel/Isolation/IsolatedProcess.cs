using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Isolation;

// One thread starts the process, reads what it says and waits for its end: the process asks the
// system to be killed with its parent, and to the system that is this thread (prctl(2),
// PR_SET_PDEATHSIG).

/// <summary>
/// The process of one plugin, as its node has it: started, talked to, killed. What it says is
/// handled on the plugin's reactor in the node.
/// </summary>
internal sealed class IsolatedProcess : IAsyncDisposable
{
    /// <summary>The kernel's command that is such a process.</summary>
    internal const string Command = "plugin-process";

    private static readonly TimeSpan ConnectLook = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan AnswerLook = TimeSpan.FromMilliseconds(1);
    private readonly PluginManifest manifest;
    private readonly IReactor reactor;
    private readonly IsolationSettings settings;
    private readonly ILoggerFactory logs;
    private readonly ConcurrentQueue<LineCall> asked = new();
    private readonly ManualResetEventSlim heard = new();
    private readonly TaskCompletionSource<Line> connected =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource ended =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Process? process;
    private Socket? bell;
    private volatile string? reason;
    private volatile bool isEnding;

    /// <summary>Starts the process; nothing of the plugin is in it yet.</summary>
    internal IsolatedProcess(
        PluginManifest manifest, IReactor reactor, IsolationSettings settings, ILoggerFactory logs)
    {
        (this.manifest, this.reactor) = (manifest, reactor);
        (this.settings, this.logs) = (settings, logs);
        new Thread(Run) { IsBackground = true, Name = $"{manifest.Id} process" }.Start();
    }

    /// <summary>Its number; 0 before it was started.</summary>
    internal int Id { get; private set; }

    /// <summary>Handles a call of the process; on the plugin's reactor.</summary>
    internal Func<LineCall, ValueTask<JsonNode?>> Handle { get; set; } = static call =>
        throw new PluginProcessException(
            $"{call.What} cannot be asked for before everything is constructed; StartAsync can");

    /// <summary>
    /// Called again and again while somebody waits for an answer on the reactor's thread.
    /// </summary>
    internal Action Meanwhile { get; set; } = static () => { };

    /// <summary>The socket that its wake-ups come over, once it is connected.</summary>
    internal Socket Bell => bell!;

    /// <summary>Waits until it is connected. Any thread but the reactor's.</summary>
    /// <exception cref="PluginProcessException">It ended before that.</exception>
    internal void AwaitConnected() => connected.Task.GetAwaiter().GetResult();

    /// <summary>Asks it for something; completes on whatever context awaits.</summary>
    /// <exception cref="RefusedException">It refuses.</exception>
    /// <exception cref="PluginProcessException">It failed, or has ended.</exception>
    internal async Task<JsonNode?> CallAsync<TBody>(string what, TBody body)
    {
        Line line = LineNow();
        try
        {
            return await line.CallAsync(what, Line.Pack(body)).ConfigureAwait(false);
        }
        catch (PluginProcessException) when (line.HasEnded)
        {
            await ended.Task.ConfigureAwait(false);
            throw new PluginProcessException(WhyEnded);
        }
    }

    /// <summary>
    /// Asks it for something that a callback cannot return without, and waits, while what it asks
    /// for in turn is done. Reactor thread only.
    /// </summary>
    /// <exception cref="PluginProcessException">It has ended, or took too long.</exception>
    internal JsonNode? Call<TBody>(string what, TBody body)
    {
        Line line = LineNow();
        Task<JsonNode?> answer = line.CallAsync(what, Line.Pack(body));
        for (long from = Stopwatch.GetTimestamp(); !answer.IsCompleted;)
        {
            if (Stopwatch.GetElapsedTime(from) > settings.CallbackTimeMax)
            {
                Kill(TooLong);
            }

            heard.Wait(AnswerLook);
            heard.Reset();
            TakeAsked();
            Meanwhile();
        }

        return answer.IsFaulted && line.HasEnded ? throw Gone() : answer.GetAwaiter().GetResult();
    }

    /// <summary>Why it is not there any more; known soon after its line has ended.</summary>
    internal PluginProcessException Gone()
    {
        ended.Task.Wait();
        return new(WhyEnded);
    }

    /// <summary>Tells it something. Any thread.</summary>
    internal void Tell<TBody>(string what, TBody body) => LineNow().Tell(what, Line.Pack(body));

    /// <summary>Wakes it, when it has gone to sleep over a port.</summary>
    internal void Wake()
    {
        try
        {
            _ = bell!.Send([1], SocketFlags.None, out SocketError _);
        }
        catch (ObjectDisposedException)
        {
            // It has ended, and whoever waits for it is told so.
        }
    }

    /// <summary>How long a callback of it may take.</summary>
    internal TimeSpan CallbackTimeMax => settings.CallbackTimeMax;

    /// <summary>What is said of a process that does not answer.</summary>
    internal string TooLong =>
        $"a callback has not returned for {settings.CallbackTimeMax.TotalSeconds} s";

    /// <summary>Ends it at once. Any thread.</summary>
    internal void Kill(string why)
    {
        reason ??= why;
        try
        {
            process?.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    /// <summary>Has it dispose what it has and end; kills it when that takes too long.</summary>
    public async ValueTask DisposeAsync()
    {
        isEnding = true;
        if (connected.Task.IsCompletedSuccessfully)
        {
            connected.Task.Result.Tell(Ask.Exit, null);
            try
            {
                await ended.Task.WaitAsync(Limits.ClientStopTimeMax / 2);
            }
            catch (TimeoutException)
            {
                logs.CreateLogger("plugins").LogWarning(
                    "{Module}: its process did not end by itself and is killed", manifest.Id);
            }
        }

        Kill("the plugin has ended");
        await ended.Task.WaitAsync(Limits.ClientStopTimeMax);
    }

    private string WhyEnded => reason ?? "its process has ended";

    private Line LineNow() => connected.Task.IsCompletedSuccessfully
        ? connected.Task.Result
        : throw new PluginProcessException("its process is not there");

    private void Run()
    {
        string folder = Directory.CreateTempSubdirectory("storageos-plugin-").FullName;
        try
        {
            using Socket lines = Listen(Path.Combine(folder, "line"));
            using Socket bells = Listen(Path.Combine(folder, "bell"));
            process = Start(folder);
            Id = process.Id;
            using Line line = new(Accept(lines), Take) { Heard = heard.Set };
            bell = Accept(bells);
            bell.Blocking = false;
            Directory.Delete(folder, recursive: true);
            connected.SetResult(line);
            line.Read();
        }
        catch (Exception failure) when (failure is IOException or SocketException
            or UnauthorizedAccessException or System.ComponentModel.Win32Exception
            or PluginProcessException)
        {
            reason ??= $"its process could not be started: {failure.Message}";
        }
        finally
        {
            End();
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }

            bell?.Dispose(); // Waits for who watches it, who may wait for the end above.
        }
    }

    private static Socket Listen(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen(1);
        return socket;
    }

    private Process Start(string folder)
    {
        ProcessStartInfo start = new(
            settings.Program,
            [
                Command, "--sockets", folder,
                "--node", Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
            ]);
        start.Environment["DOTNET_GCHeapHardLimit"] =
            (manifest.Limits.HeapBytes ?? IsolationSettings.HeapBytesUsual)
                .ToString("x", CultureInfo.InvariantCulture);
        return Process.Start(start)!;
    }

    private Socket Accept(Socket listener)
    {
        long from = Stopwatch.GetTimestamp();
        while (!listener.Poll(ConnectLook, SelectMode.SelectRead))
        {
            if (isEnding || process!.HasExited
                || Stopwatch.GetElapsedTime(from) > settings.ConnectTimeMax)
            {
                throw new PluginProcessException("it did not connect to its node");
            }
        }

        return listener.Accept();
    }

    /// <summary>A call of the process; on the thread that reads.</summary>
    private void Take(LineCall call)
    {
        switch (call.What)
        {
            case Ask.Log: Log(call.Of<LogBody>()); break;
            case Ask.Fault: reason ??= $"{call.Body}"; break;
            default:
                asked.Enqueue(call);
                heard.Set();
                reactor.Post(static self => ((IsolatedProcess)self!).TakeAsked(), this);
                break;
        }
    }

    private void TakeAsked()
    {
        while (asked.TryDequeue(out LineCall? call))
        {
            _ = call.RunAsync(() => Handle(call));
        }
    }

    private void Log(LogBody line)
    {
        ILogger log = logs.CreateLogger(line.Category);
        LogLevel level = (LogLevel)Math.Clamp(line.Level, 0, (int)LogLevel.Critical);
#pragma warning disable CA2254 // A text that was made elsewhere; braces in it mean nothing.
        log.Log(
            level, new EventId(line.EventId, line.EventName), line, null,
            static (line, _) => line.Failure is null ? line.Text : $"{line.Text} {line.Failure}");
#pragma warning restore CA2254
    }

    /// <summary>Nothing is heard of it any more: it ends, if it has not yet.</summary>
    private void End()
    {
        string? how = null;
        if (process is { } started)
        {
            if (!started.WaitForExit(ConnectLook * 5))
            {
                reason ??= "it closed its line to the node";
                started.Kill();
                started.WaitForExit();
            }

            how = Describe(started.ExitCode);
            started.Dispose();
        }

        reason ??= $"its process has ended: {how}";
        string why = reason;
        connected.TrySetException(new PluginProcessException(why));
        ended.SetResult();
        if (!isEnding)
        {
            reactor.Post(static why => throw new PluginProcessException((string)why!), why);
        }
    }

    // A process that was ended by a signal has 128 and the signal's number for a code.
    private static string Describe(int code) => code switch
    {
        128 + 6 => "signal 6, abort",
        128 + 9 => "signal 9, killed",
        128 + 11 => "signal 11, a bad access to memory",
        > 128 => $"signal {code - 128}",
        _ => $"exit code {code}",
    };
}

/// <summary>How plugins are run in processes of their own.</summary>
/// <param name="Program">The kernel's program, full path.</param>
/// <param name="ConnectTimeMax">How long a process may take to say that it is there.</param>
/// <param name="CallbackTimeMax">How long a callback may take.</param>
internal sealed record IsolationSettings(
    string Program, TimeSpan ConnectTimeMax, TimeSpan CallbackTimeMax)
{
    /// <summary>Bytes of managed memory that a process may have unless its manifest says.</summary>
    internal const long HeapBytesUsual = 512L * Size.MiB;

    /// <summary>
    /// The kernel's program beside this assembly; null in a program that has none, such as one that
    /// embeds the kernel.
    /// </summary>
    internal static string? FindProgram()
    {
        string beside = Path.Combine(AppContext.BaseDirectory, "StorageOs.Kernel");
        return File.Exists(beside) ? beside : null;
    }
}
