using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
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
    private const int ConnectionsMax = 100;
    private const string MetricsPath = "/metrics";
    private readonly WebApplication app;
    private readonly Gate gate;
    private readonly Feed feed;
    private readonly MetricsExport metrics;
    private readonly string? socket;

    private WebServer(
        WebApplication app, Gate gate, Feed feed, MetricsExport metrics, string? socket) =>
        (this.app, this.gate, this.feed, this.metrics, this.socket) =
            (app, gate, feed, metrics, socket);

    /// <summary>Listens, and serves.</summary>
    /// <exception cref="RefusedException">It cannot listen where it is to.</exception>
    public static async Task<WebServer> StartAsync(
        ManagementSettings settings, NodeView view, ILoggerFactory logs,
        CancellationToken stopping)
    {
        ILogger log = logs.CreateLogger("management");
        MetricsExport metrics = new(view, settings.Otlp, log);
        Feed feed = new(view, metrics.Rates, log);
        Gate gate = new(
            settings.Tokens is { } path ? new TokenFile(path, log) : null,
            settings.RequestsPerSecond);
        WebApplication app = Build(settings, logs);
        WebServer server = new(app, gate, feed, metrics, settings.Socket);
        try
        {
            server.Compose(view, log);
            RemoveStale(settings.Socket);
            await app.StartAsync(stopping);
            Protect(settings.Socket);
            log.LogInformation(
                "the API is at {Where}",
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
        await feed.DisposeAsync(); // Ends the streams, for which the server would wait.
        await app.StopAsync(new CancellationToken(canceled: true));
        await app.DisposeAsync();
        await metrics.DisposeAsync();
        gate.Dispose();
        if (socket is not null)
        {
            File.Delete(socket);
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
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => Configure(kestrel, settings));
        return builder.Build();
    }

    private static void Configure(KestrelServerOptions kestrel, ManagementSettings settings)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = RequestBytesMax;
        kestrel.Limits.MaxConcurrentConnections = ConnectionsMax;
        if (settings.Socket is { } path)
        {
            kestrel.ListenUnixSocket(path);
        }

        if (settings.Listen is { } address)
        {
            kestrel.Listen(address, listen =>
            {
                if (settings.Certificate is { } certificate)
                {
                    listen.UseHttps(certificate);
                }
            });
        }
    }

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
        Api.Map(app, view, feed, new Actions(view, log));
    }

    private async Task RefreshAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Path == MetricsPath)
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
        catch (SocketException nobody)
            when (nobody.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }

        throw new RefusedException(new(
            $"management: socket {path}", "a path of this node's own",
            "another process, which answers there", "correct plugins:settings:management:socket"));
    }

    private static void Protect(string? path)
    {
        if (path is not null)
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }
}
