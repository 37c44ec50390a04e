using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace Greeter;

public sealed class GreeterPlugin : IPlugin
{
    public void Register(IPluginRegistry registry) =>
        registry.Services.AddSingleton<IClient, GreeterClient>();
}

/// <summary>Writes a greeting into its twin's memory and reads the twin's out of its own.</summary>
public sealed class GreeterClient(NodeInfo node, IReactor reactor, ILogger<GreeterClient> log)
    : IClient
{
    // The twin writes into the first half of our page; the second is what we say.
    private const int Half = Size.Page / 2;

    private IClientServices services = null!;
    private IDisposable? watch;

    public ClientNeeds Needs { get; } = new(
        "greeter",
        new VersionRange(1, 1),
        [new PortNeed("words", PostsInFlightMax: 1)],
        [new RegionNeed("page", Size.Page, RemoteAccess.Write)]);

    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        return ValueTask.CompletedTask;
    }

    public void PartnerReady(ClientGrant grant)
    {
        IRegion page = services.Region("page");
        Span<byte> ours = page.Bytes[Half..];
        ours.Clear();
        Encoding.UTF8.GetBytes($"hello from {node.Name}", ours);
        grant.Ports["words"].TryPostWrite(1, page, Half, grant.Memory["page"], 0, 256);
        log.LogInformation("ready: {Partner} is there", node.PartnerName);
        watch = reactor.Every(TimeSpan.FromMilliseconds(50), () => Listen(grant.Ports["words"]));
    }

    public void PartnerLost(SessionId session, SessionEnd end)
    {
        watch?.Dispose();
        services.Region("page").Bytes.Clear();
        log.LogInformation("lost: {Reason}, {Detail}", end.Reason, end.Detail);
    }

    public ValueTask StopAsync(CancellationToken deadline)
    {
        watch?.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Listen(IPort port)
    {
        port.Poll(new Completion[1]);
        ReadOnlySpan<byte> heard = services.Region("page").Bytes[..Half];
        int end = heard.IndexOf((byte)0);
        if (end > 0)
        {
            log.LogInformation("heard: {Greeting}", Encoding.UTF8.GetString(heard[..end]));
            watch?.Dispose();
        }
    }
}
