using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Management.Node;
using StorageOs.Management.Web;

namespace StorageOs.Management;

/// <summary>
/// Serves the API from start to stop, and exchanges with its twin by what address a browser
/// reaches each: a page whose node dies goes on with the other's.
/// </summary>
internal sealed class ManagementClient : IClient, IStatusReporter
{
    private const string Port = "words";
    private const string Region = "page";
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);
    private readonly ManagementSettings settings;
    private readonly IReactor reactor;
    private readonly ILoggerFactory logs;
    private readonly NodeView view;
    private readonly Completion[] completions = new Completion[1];
    private IClientServices services = null!;
    private IDisposable? watch;
    private WebServer? server;

    public ManagementClient(
        NodeInfo node, INodeOperations operations, IReactor reactor, IConfiguration configuration,
        ILoggerFactory logs)
    {
        (this.reactor, this.logs) = (reactor, logs);
        settings = ManagementSettings.Read(configuration, node.DataDirectory);
        view = new NodeView(node, settings.Url, operations);
    }

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new(
        "management",
        new VersionRange(1, 1),
        [new PortNeed(Port, PostsInFlightMax: 1, PortClass.Control)],
        [new RegionNeed(Region, Size.Page, RemoteAccess.Write)]);

    /// <inheritdoc/>
    public string Section => "management";

    /// <inheritdoc/>
    public async ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        server = await WebServer.StartAsync(settings, view, logs, stopping);
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        IRegion page = services.Region(Region);
        AddressPage.Write(page.Bytes, settings.Url);
        IPort port = grant.Ports[Port];
        _ = port.TryPostWrite(
            1, page, AddressPage.OwnAt, grant.Memory[Region], AddressPage.TwinsAt,
            AddressPage.Bytes);
        watch = reactor.Every(LookAgain, () => Listen(port));
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        watch?.Dispose();
        services.Region(Region).Bytes.Clear();
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        watch?.Dispose();
        if (server is not null)
        {
            await server.DisposeAsync();
        }
    }

    /// <inheritdoc/>
    public JsonNode Report() => new JsonObject
    {
        ["url"] = settings.Url,
        ["socket"] = settings.Socket,
        ["partnerUrl"] = view.PartnerUrl,
        ["certificateSecondsLeft"] = settings.Certificate is { } certificate
            ? (long)(certificate.Ends - DateTimeOffset.UtcNow).TotalSeconds : null,
    };

    private void Listen(IPort port)
    {
        _ = port.Poll(completions);
        if (AddressPage.Read(services.Region(Region).Bytes) is { } told)
        {
            view.PartnerUrl = told.Length == 0 ? null : told;
            watch?.Dispose(); // Told once a session.
        }
    }
}
