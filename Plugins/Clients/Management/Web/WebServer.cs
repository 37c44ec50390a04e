using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using StorageOs.Contracts.Runtime;
using StorageOs.Management.Metrics;
using StorageOs.Management.Node;

namespace StorageOs.Management.Web;

/// <summary>The HTTP server, from start to stop.</summary>
internal sealed class WebServer : IAsyncDisposable
{
    private const int RequestBytesMax = 64 << 10;
    private const int ConnectionsMax = 256;
    private const int ConnectionsOfOneMax = 64; // Of each address.
    private static readonly TimeSpan StopTimeMax = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan IdleTimeMax = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan HeadersTimeMax = TimeSpan.FromSeconds(5);
    private const string MetricsPath = "/metrics";
    private readonly WebApplication app;
    private readonly Gate gate;
    private readonly Feed feed;
    private readonly MetricsExport metrics;
    private readonly TracesExport? traces;
    private readonly string? socket;
    private bool isBound;

    private WebServer(
        WebApplication app, Gate gate, Feed feed, MetricsExport metrics, TracesExport? traces,
        string? socket) =>
        (this.app, this.gate, this.feed, this.metrics, this.traces, this.socket) =
            (app, gate, feed, metrics, traces, socket);

    /// <summary>Listens, and serves.</summary>
    /// <exception cref="RefusedException">It cannot listen where it is to.</exception>
    public static async Task<WebServer> StartAsync(
        ManagementSettings settings, NodeView view, ILoggerFactory logs,
        CancellationToken stopping)
    {
        ILogger log = logs.CreateLogger("management");
        MetricsExport metrics = new(view, settings.Otlp, log);
        TracesExport? traces = settings.OtlpTraces is { } collector
            ? new(view.Name, collector, log) : null;
        Feed feed = new(view, metrics.Rates, log);
        Gate gate = new(
            settings.Tokens is { } path ? new TokenFile(path, log) : null,
            settings.RequestsPerSecond);
        WebApplication app = Build(settings, logs);
        WebServer server = new(app, gate, feed, metrics, traces, settings.Socket);
        try
        {
            server.Compose(view, log);
            RemoveStale(settings.Socket);
            await app.StartAsync(stopping);
            server.isBound = true;
            ManagementEvents.Listens.Raise(
                log,
                string.Join(" and ", new[] { settings.Url, settings.Socket }.OfType<string>()));
            return server;
        }
        catch (Exception failure)
        {
            await server.DisposeAsync();
            throw failure is IOException or SocketException or UnauthorizedAccessException
                ? new RefusedException(
                    new(
                        "management", $"to listen at {settings.Listen} {settings.Socket}",
                        failure.Message, "correct plugins:settings:management"), failure)
                : failure;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await feed.DisposeAsync(); // Ends the streams, for which the server would wait.
        }
        finally
        {
            using CancellationTokenSource soon = new(StopTimeMax);
            await app.StopAsync(soon.Token);
            await app.DisposeAsync();
            if (isBound && socket is not null)
            {
                File.Delete(socket);
            }

            await metrics.DisposeAsync();
            await (traces?.DisposeAsync() ?? default);
            gate.Dispose();
        }
    }

    private static WebApplication Build(ManagementSettings settings, ILoggerFactory logs)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new());
        builder.Services.AddSingleton<ILoggerFactory>(new QuietLogs(logs));
        builder.Services.AddRouting();
        builder.Services.AddOpenApi(ApiDocument.Describe);
        builder.Services.Configure<RouteHandlerOptions>(
            static options => options.ThrowOnBadRequest = true);
        builder.Services.AddCors();
        builder.Services.AddSingleton<IHostLifetime, NodesLifetime>();
        builder.Services.ConfigureHttpJsonOptions(static options =>
        {
            // What is misspelt, missing or said twice does nothing, in place of something else.
            options.SerializerOptions.RespectRequiredConstructorParameters = true;
            options.SerializerOptions.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow;
            options.SerializerOptions.AllowDuplicateProperties = false;
        });
        builder.Services.Configure<SocketTransportOptions>(
            static options => options.CreateBoundListenSocket = Bind);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        ILogger log = logs.CreateLogger("management");
        builder.WebHost.ConfigureKestrel(kestrel => Configure(kestrel, settings, log));
        return builder.Build();
    }

    private static void Configure(
        KestrelServerOptions kestrel, ManagementSettings settings, ILogger log)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = RequestBytesMax;
        kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
        kestrel.Limits.KeepAliveTimeout = IdleTimeMax;
        kestrel.Limits.RequestHeadersTimeout = HeadersTimeMax;
        if (settings.Socket is { } path)
        {
            kestrel.ListenUnixSocket(path);
        }

        if (settings.Listen is { } address)
        {
            ConnectionLimit limit = new(ConnectionsOfOneMax);
            kestrel.Listen(address, listen =>
            {
                listen.Use(next => connection => limit.PassAsync(connection, next));
                if (settings.Certificate is { } certificate)
                {
                    listen.UseHttps((_, _, _, _) => ValueTask.FromResult(Prove(certificate, log)),
                        null!);
                }
            });
        }
    }

    private static SslServerAuthenticationOptions Prove(
        ServerCertificate certificate, ILogger log) => new()
        {
            ServerCertificateContext = certificate.Now(log),
            ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
        };

    private void Compose(NodeView view, ILogger log)
    {
        app.Use(static (HttpContext context, RequestDelegate next) =>
        {
            Page.PutHeaders(context.Response.Headers);
            return next(context);
        });

        // Any origin: whoever asks brings a token, which no browser adds by itself, and a page must
        // reach the partner of a node that it no longer can ask.
        app.UseCors(static cors => cors.AllowAnyOrigin().AllowAnyHeader().AllowAnyMethod());
        app.Use(gate.PassAsync);
        app.Use(Answers.RefuseBadAsync);
        app.Use(RefreshAsync);
        app.UseOpenTelemetryPrometheusScrapingEndpoint(
            metrics.Provider, null, MetricsPath, null, null);
        app.UseRouting();
        app.MapOpenApi("/openapi/{documentName}.json");
        Api.Map(app, view, feed, gate, new Actions(view, log));
    }

    private async Task RefreshAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Path.StartsWithSegments(MetricsPath))
        {
            try
            {
                await metrics.RefreshAsync(context.RequestAborted);
            }
            catch (Exception failure) when (failure is RefusedException or TimeoutException)
            {
                await Answers.RefuseAsync(context, StatusCodes.Status503ServiceUnavailable, new(
                    "metrics", "the node's status", failure.Message));
                return;
            }
        }

        await next(context);
    }

    /// <summary>What a node that was killed left behind.</summary>
    private static void RemoveStale(string? path)
    {
        if (path is null || !Path.Exists(path))
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
            File.Delete(path);
            return;
        }
        catch (SocketException failure)
        {
            throw new RefusedException(
                new(
                    $"management: socket {path}", "nothing there, or a socket of a node that ended",
                    failure.Message,
                    "correct plugins:settings:management:socket, or remove what is there"),
                failure);
        }

        throw new RefusedException(new(
            $"management: socket {path}", "a path of this node's own",
            "another process, which answers there", "correct plugins:settings:management:socket"));
    }

    /// <summary>
    /// A socket cannot be opened as a file; whatever can, an empty one too, is somebody's.
    /// </summary>
    private static bool HoldsNothing(string path)
    {
        const int NoSuchDevice = 6; // ENXIO.
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
            return failure.HResult == NoSuchDevice;
        }
    }

    /// <summary>Its owner's alone before anybody can connect.</summary>
    private static Socket Bind(EndPoint at)
    {
        Socket bound = SocketTransportOptions.CreateDefaultBoundListenSocket(at);
        if (at is UnixDomainSocketEndPoint)
        {
            File.SetUnixFileMode($"{at}", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return bound;
    }

    /// <summary>The node's own: the server ends when its plugin does, by no signal.</summary>
    private sealed class NodesLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
