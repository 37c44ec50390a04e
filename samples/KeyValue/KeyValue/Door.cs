using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;

namespace Sample.KeyValue;

/// <summary>
/// The Unix socket on which applications talk to the map. Reads and writes on threads of the pool,
/// and has every command run on the reactor; whatever an application sends ends its own connection
/// at most.
/// </summary>
internal sealed class Door
{
    public const int ConnectionsMax = 64;
    private readonly CancellationTokenSource closing = new();
    private readonly Commands commands;
    private readonly IReactor reactor;
    private readonly ILogger logger;
    private readonly Socket listener;
    private readonly string path;
    private readonly SemaphoreSlim free = new(ConnectionsMax);
    private readonly Task accepting;

    private Door(
        string path, Commands commands, IReactor reactor, ILogger logger, Socket listener)
    {
        (this.path, this.commands, this.reactor) = (path, commands, reactor);
        (this.logger, this.listener) = (logger, listener);
        accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Opens it, for the node's user alone.</summary>
    /// <exception cref="RefusedException">Something else is at the path, or nothing can be.
    /// </exception>
    public static Door Open(string path, Commands commands, IReactor reactor, ILogger logger)
    {
        Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > 0 })
            {
                throw new IOException("a file that is no socket is there");
            }

            File.Delete(path); // Of an earlier life of this node.
            listener.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen(ConnectionsMax);
            return new(path, commands, reactor, logger, listener);
        }
        catch (Exception wrong) when (wrong is IOException or SocketException
            or UnauthorizedAccessException or ArgumentException)
        {
            listener.Dispose();
            throw new RefusedException(
                new($"socket {path}", "a path of at most 107 bytes, for a socket of our own",
                    wrong.Message, "correct the setting socket"), wrong);
        }
    }

    /// <summary>Ends it and every connection.</summary>
    public async Task CloseAsync()
    {
        await closing.CancelAsync();
        listener.Dispose();
        await accepting;
        for (int connection = 0; connection < ConnectionsMax; connection++)
        {
            await free.WaitAsync();
        }

        File.Delete(path);
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                await free.WaitAsync(closing.Token);
                Socket socket;
                try
                {
                    socket = await listener.AcceptAsync(closing.Token);
                }
                catch
                {
                    _ = free.Release();
                    throw;
                }

                _ = Task.Run(() => ServeAsync(socket));
            }
        }
        catch (Exception end) when (end is OperationCanceledException or ObjectDisposedException)
        {
            // Closed.
        }
        catch (SocketException failed)
        {
            // The client ends by name, as it does for whatever is thrown on its reactor.
            reactor.Post(static error => throw new IOException(
                $"the socket takes no connections: {((Exception)error!).Message}"), failed);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            try
            {
                await TalkAsync(socket);
            }
            catch (Exception end) when (end is OperationCanceledException or SocketException
                or ObjectDisposedException)
            {
                logger.LogDebug("a connection has ended: {Why}", end.Message);
            }
        }

        _ = free.Release();
    }

    private async Task TalkAsync(Socket socket)
    {
        byte[] buffer = new byte[Resp.CommandBytesMax + Frame.BytesMax];
        int filled = 0;
        string? wrong = null;
        while (wrong is null)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(filled), closing.Token);
            if (count == 0)
            {
                return;
            }

            filled += count;
            (List<string[]> all, int taken) = Cut(buffer.AsSpan(0, filled), out wrong);
            buffer.AsSpan(taken, filled - taken).CopyTo(buffer);
            filled -= taken;
            foreach (byte[] answer in await RunAsync(all))
            {
                await SendAsync(socket, answer);
            }
        }

        await SendAsync(socket, Resp.Error($"ERR Protocol error: {wrong}"));
    }

    private static (List<string[]> Commands, int Taken) Cut(
        ReadOnlySpan<byte> bytes, out string? wrong)
    {
        List<string[]> all = [];
        int taken = 0;
        while ((wrong = Resp.Read(bytes[taken..], out string[]? words, out int length)) is null
            && words is not null)
        {
            taken += length;
            if (words.Length > 0)
            {
                all.Add(words);
            }
        }

        return (all, taken);
    }

    /// <summary>All that came at once runs at once, and is answered in its order.</summary>
    private async Task<byte[][]> RunAsync(List<string[]> all)
    {
        TaskCompletionSource<byte[]>[] answers =
        [
            .. all.Select(static _ => new TaskCompletionSource<byte[]>(
                TaskCreationOptions.RunContinuationsAsynchronously)),
        ];
        reactor.Post(
            _ =>
            {
                for (int at = 0; at < all.Count; at++)
                {
                    commands.Run(all[at], answers[at].SetResult);
                }
            },
            null);
        return await Task.WhenAll(answers.Select(static answer => answer.Task))
            .WaitAsync(closing.Token);
    }

    private async Task SendAsync(Socket socket, ReadOnlyMemory<byte> answer)
    {
        while (!answer.IsEmpty)
        {
            answer = answer[await socket.SendAsync(answer, closing.Token)..];
        }
    }
}
