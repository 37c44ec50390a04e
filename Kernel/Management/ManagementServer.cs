using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Management;

// One request line of JSON, one reply line of JSON, on a Unix socket that only its owner can open,
// or on TCP for who knows a key. Served by the thread pool, never by a reactor: a module that
// hangs hides its own part of the status and nothing else. docs/OPERATIONS.md lists the commands.

/// <summary>Serves a node's management socket.</summary>
internal sealed class ManagementServer : IAsyncDisposable
{
    private static readonly JsonDocumentOptions EachKeyOnce =
        new() { AllowDuplicateProperties = false };

    private const int NoSuchDevice = 6; // ENXIO.
    private static readonly TimeSpan AcceptAgain = TimeSpan.FromMilliseconds(100);
    private readonly Socket listener;
    private readonly string? path;
    private readonly ReadOnlyMemory<byte>? key;
    private readonly ManagementCommands commands;
    private readonly ILogger log;
    private readonly CancellationTokenSource ending = new();
    private readonly SemaphoreSlim room = new(Limits.ManagementConnectionsMax);
    private readonly Task accepting;

    private ManagementServer(
        Socket listener, string? path, ReadOnlyMemory<byte>? key, ManagementCommands commands,
        ILogger log)
    {
        this.listener = listener;
        this.path = path;
        this.key = key;
        this.commands = commands;
        this.log = log;
        accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Opens the Unix socket and serves it.</summary>
    internal static ManagementServer Start(string path, ManagementCommands commands, ILogger log)
    {
        Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            RemoveStale(path);
            listener.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen(Limits.ManagementConnectionsMax);
            return new ManagementServer(listener, path, null, commands, log);
        }
        catch (Exception failure)
            when (failure is SocketException or IOException or UnauthorizedAccessException)
        {
            listener.Dispose();
            throw new RefusedException(
                new Refusal(
                    $"management socket {path}", "a path that can be listened on", failure.Message,
                    "correct management:socket"),
                failure);
        }
    }

    /// <summary>Listens on TCP, for who proves to know the key.</summary>
    internal static ManagementServer Start(
        RemoteManagement remote, ManagementCommands commands, ILogger log)
    {
        Socket listener = new(
            remote.Address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.SetSocketOption(
                SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            listener.Bind(remote.Address);
            listener.Listen(Limits.ManagementConnectionsMax);
            return new ManagementServer(listener, null, remote.Key, commands, log);
        }
        catch (SocketException failure)
        {
            listener.Dispose();
            throw new RefusedException(
                new Refusal(
                    $"management at {remote.Address}", "an address that can be listened at",
                    failure.Message, "correct management:address"),
                failure);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        listener.Dispose();
        await accepting;
        if (path is not null)
        {
            File.Delete(path);
        }
    }

    private static void RemoveStale(string path)
    {
        if (!Path.Exists(path))
        {
            return;
        }

        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException nobody) when (
            nobody.SocketErrorCode == SocketError.ConnectionRefused && HoldsNothing(path))
        {
            File.Delete(path); // Of a node that was killed.
            return;
        }
        catch (SocketException failure)
        {
            throw new RefusedException(
                new Refusal(
                    $"management socket {path}", "nothing there, or a socket of a node that ended",
                    failure.Message, "correct management:socket, or remove what is there"),
                failure);
        }

        throw new RefusedException(new Refusal(
            $"management socket {path}", "a path of this node's own",
            "another process, which answers there", "correct management:socket"));
    }

    /// <summary>
    /// A socket cannot be opened as a file; whatever can, an empty one too, is somebody's.
    /// </summary>
    private static bool HoldsNothing(string path)
    {
        try
        {
            File.OpenHandle(path).Dispose();
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException failure)
        {
            return failure.HResult == NoSuchDevice; // Not: locked, or on a disk that fails.
        }
    }

    private async Task AcceptAsync()
    {
        while (!ending.IsCancellationRequested)
        {
            try
            {
                await room.WaitAsync(ending.Token);
                Socket connection = await listener.AcceptAsync(ending.Token);
                _ = ServeAsync(connection);
            }
            catch (Exception failure) when (failure is OperationCanceledException
                or ObjectDisposedException || ending.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException failure)
            {
                room.Release();
                log.LogWarning("accepting a management connection: {Failure}", failure.Message);
                await PauseAsync(); // No descriptor is left, and none will be at once.
            }
        }
    }

    private static async Task PauseAsync()
    {
        using PeriodicTimer timer = new(AcceptAgain);
        _ = await timer.WaitForNextTickAsync(CancellationToken.None);
    }

    private async Task ServeAsync(Socket connection)
    {
        try
        {
            using NetworkStream stream = new(connection, ownsSocket: true);
            LineReader lines = new(stream, Limits.ManagementRequestBytesMax);
            if (key is { } secret && !await IsProvenAsync(stream, lines, secret))
            {
                KernelEvents.ManagementRefused.Raise(log, new Refusal(
                    "its caller", "a proof of the key of management:keyFile", "none that holds"));
                return;
            }

            while (!ending.IsCancellationRequested)
            {
                using CancellationTokenSource silence =
                    CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
                silence.CancelAfter(Limits.ManagementSilenceMax);
                if (await lines.ReadAsync(silence.Token) is not { } line)
                {
                    return;
                }

                silence.CancelAfter(Timeout.InfiniteTimeSpan);

                JsonObject reply = await AnswerAsync(line);
                byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(reply);
                silence.CancelAfter(Limits.ManagementSilenceMax);
                await stream.WriteAsync(bytes, silence.Token);
                await stream.WriteAsync("\n"u8.ToArray(), silence.Token);
            }
        }
        catch (RefusedException refused)
        {
            KernelEvents.ManagementRefused.Raise(log, refused.Refusal);
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException
            or SocketException or ObjectDisposedException)
        {
            log.LogDebug("a management connection ended: {Failure}", failure.Message);
        }
        finally
        {
            room.Release();
        }
    }

    private async Task<bool> IsProvenAsync(
        NetworkStream stream, LineReader lines, ReadOnlyMemory<byte> secret)
    {
        using CancellationTokenSource limit =
            CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
        limit.CancelAfter(Limits.ManagementProofTimeMax);
        return await ManagementProof.AskAsync(stream, lines, secret, limit.Token);
    }

    private async Task<JsonObject> AnswerAsync(ReadOnlyMemory<byte> line)
    {
        try
        {
            JsonNode? result = await commands.RunAsync(Parse(line), ending.Token);
            return new JsonObject { ["ok"] = true, ["result"] = result };
        }
        catch (RefusedException refused)
        {
            return Refused(refused.Refusal);
        }
#pragma warning disable CA1031 // A command may throw anything; it is told to whoever asked.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            KernelEvents.CommandFailed.Raise(log, failure);
            return Refused(new Refusal(
                "command", "no failure", McMasterPluginLoader.Shown(failure)));
        }
    }

    /// <summary>A request's line as an object.</summary>
    /// <exception cref="RefusedException">It is anything else.</exception>
    internal static JsonObject Parse(ReadOnlyMemory<byte> line)
    {
        try
        {
            // What is no Unicode shows only when it is taken, and then as another exception.
            if (Utf8.IsValid(line.Span)
                && JsonNode.Parse(line.Span, documentOptions: EachKeyOnce) is JsonObject request)
            {
                return request;
            }
        }
        catch (JsonException wrong)
        {
            throw new RefusedException(
                new Refusal("request", "one line of JSON", wrong.Message), wrong);
        }

        throw new RefusedException(new Refusal("request", "a JSON object", "something else"));
    }

    private static JsonObject Refused(Refusal refusal) =>
        new() { ["ok"] = false, ["refusal"] = StatusDocument.Of(refusal) };
}
