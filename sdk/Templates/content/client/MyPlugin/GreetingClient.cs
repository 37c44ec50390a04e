using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace MySpace;

/// <summary>Writes a greeting into its twin's memory and reads the twin's out of its own.</summary>
public sealed class GreetingClient(
    NodeInfo node, IReactor reactor, ILogger<GreetingClient> log) : IClient
{
    // The twin writes into the first half of our page, a length and then a text; the second half
    // is what we say.
    private const int Half = Size.Page / 2;
    private const int Text = sizeof(ulong);

    private IClientServices services = null!;
    private IDisposable? watch;

    public ClientNeeds Needs { get; } = new(
        "my-plugin",
        new VersionRange(1, 1),
        [new PortNeed("words", PostsInFlightMax: 2)],
        [new RegionNeed("page", Size.Page, RemoteAccess.Write)]);

    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        return ValueTask.CompletedTask;
    }

    public void PartnerReady(ClientGrant grant)
    {
        IPort port = grant.Ports["words"];
        IRemoteMemory theirs = grant.Memory["page"];
        IRegion page = services.Region("page");
        int length = Encoding.UTF8.GetBytes($"hello from {node.Name}", page.Bytes[Half..]);

        // Writes of one port become visible in order: who sees the length sees the text.
        port.TryPostWrite(1, page, Half, theirs, Text, length);
        port.TryPostWriteWord(2, (ulong)length, theirs, 0);
        log.LogInformation("ready: {Partner} is there", node.PartnerName);
        watch = reactor.Every(TimeSpan.FromMilliseconds(50), () => Listen(port));
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
        port.Poll(new Completion[2]);
        Span<byte> heard = services.Region("page").Bytes[..Half];
        ulong length = Volatile.Read(ref MemoryMarshal.AsRef<ulong>(heard));
        if (length is > 0 and <= Half - Text)
        {
            string greeting = Encoding.UTF8.GetString(heard.Slice(Text, (int)length));
            log.LogInformation("heard: {Greeting}", greeting);
            watch?.Dispose();
        }
    }
}
