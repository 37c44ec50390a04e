using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Sample.ObjectGateway.Core;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway;

/// <summary>
/// The web server: Kestrel alone, without a host around it, on a Unix socket for the node's user.
/// </summary>
internal sealed class Web : IAsyncDisposable
{
    private const int ConnectionsMax = 256;
    private readonly KestrelServer server;

    private Web(KestrelServer server) => this.server = server;

    /// <summary>Opens it.</summary>
    /// <exception cref="RefusedException">Something else is at the path or the address, or nothing
    /// can be.</exception>
    public static async Task<Web> OpenAsync(
        string path, IPEndPoint? address, IHttpApplication<HttpContext> requests,
        ILoggerFactory logs, CancellationToken stopping)
    {
        KestrelServerOptions options = new() { AddServerHeader = false };
        options.Limits.MaxConcurrentConnections = ConnectionsMax;
        options.Limits.MaxRequestBodySize = Entry.BytesMax;
        options.ListenUnixSocket(path);
        if (address is not null)
        {
            options.Listen(address);
        }

        SocketTransportOptions sockets = new() { CreateBoundListenSocket = Bind };
        Warnings quiet = new(logs);
        KestrelServer server = new(
            Options.Create(options), new SocketTransportFactory(Options.Create(sockets), quiet),
            quiet);
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > 0 })
            {
                throw new IOException("a file that is no socket is there");
            }

            File.Delete(path); // Of an earlier life of this node.
            await server.StartAsync(requests, stopping);
            return new(server);
        }
        catch (Exception wrong) when (wrong is IOException or SocketException
            or UnauthorizedAccessException or ArgumentException)
        {
            server.Dispose();
            throw new RefusedException(
                new($"socket {path}" + (address is null ? "" : $" and address {address}"),
                    "a path of at most 107 bytes, and an address that nobody has", wrong.Message,
                    "correct the settings socket and address"), wrong);
        }
    }

    /// <summary>Takes nothing new, and ends what is under way when it does not end by itself.
    /// </summary>
    public async Task CloseAsync(CancellationToken deadline)
    {
        using CancellationTokenSource soon =
            CancellationTokenSource.CreateLinkedTokenSource(deadline);
        soon.CancelAfter(TimeSpan.FromMilliseconds(500));
        await server.StopAsync(soon.Token);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        server.Dispose();
        return ValueTask.CompletedTask;
    }

    private static Socket Bind(EndPoint endpoint)
    {
        if (endpoint is not UnixDomainSocketEndPoint)
        {
            return SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        }

        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(endpoint);
        File.SetUnixFileMode(
            endpoint.ToString()!, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return socket;
    }

    /// <summary>The server's own log, of what people should look at.</summary>
    private sealed class Warnings(ILoggerFactory inner) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) =>
            new Its(inner.CreateLogger(categoryName));

        public void AddProvider(ILoggerProvider provider) => inner.AddProvider(provider);

        public void Dispose()
        {
            // The inner one is the host's.
        }

        private sealed class Its(ILogger inner) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state)
                where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

            public void Log<TState>(
                LogLevel logLevel, EventId eventId, TState state, Exception? exception,
                Func<TState, Exception?, string> formatter)
            {
                if (IsEnabled(logLevel))
                {
                    inner.Log(logLevel, eventId, state, exception, formatter);
                }
            }
        }
    }
}
