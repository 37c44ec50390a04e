using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Probe;

/// <summary>
/// The session's part: a port, a ring at the partner, and rings for the copies beside.
/// </summary>
internal sealed class ProbeClient(NodeInfo node, IConfiguration settings, IReactor reactor)
    : IClient
{
    /// <summary>
    /// Setting that asks for rings, as large as a log; without it only reconnects are measured.
    /// </summary>
    private const string RingKey = "ringBytes";

    /// <summary>Bytes of what is written over and over.</summary>
    public const int SourceBytes = 64 * Size.KiB;

    /// <summary>Setting that makes the client allocate as fast as it can, for soaks.</summary>
    private const string AllocateKey = "allocate";

    private TaskCompletionSource? ready;
    private volatile bool stopping;

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new(
        "bench-probe",
        new VersionRange(1, 1),
        [new PortNeed("probe", PostsInFlightMax: 64)],
        [
            new RegionNeed("ring", RingOf(settings), RemoteAccess.Read | RemoteAccess.Write),
            Local("source", SourceBytes),
            Local("first", RingOf(settings)),
            Local("second", RingOf(settings)),
        ]);

    /// <summary>Bytes of each ring.</summary>
    public int RingBytes { get; } = RingOf(settings);

    /// <summary>What the kernel does for a client.</summary>
    public IClientServices Services { get; private set; } = null!;

    /// <summary>What this session granted; null without one.</summary>
    public ClientGrant? Grant { get; private set; }

    /// <inheritdoc/>
    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        Services = services;
        Random.Shared.NextBytes(services.Region("source").Bytes);
        if (settings["echo"] is { Length: > 0 } path && node.Name == "b")
        {
            new Thread(() => Echo(path)) { IsBackground = true, Name = "echo" }.Start();
        }

        if (settings["tcpEcho"] is { Length: > 0 } at && node.Name == "b")
        {
            new Thread(() => TcpEcho(at)) { IsBackground = true, Name = "tcp echo" }.Start();
        }

        if (settings[AllocateKey] == "true")
        {
            new Thread(Allocate) { IsBackground = true, Name = "allocates" }.Start();
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        Grant = grant;
        ready?.TrySetResult();
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end) => Grant = null;

    /// <inheritdoc/>
    public ValueTask StopAsync(CancellationToken deadline)
    {
        stopping = true;
        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// Ends the session; answers when the next one is ready, with how long that took.
    /// </summary>
    public async ValueTask<JsonNode?> ReconnectAsync(JsonObject arguments)
    {
        ready = new TaskCompletionSource();
        Instant from = reactor.Now;
        Services.Reconnect("measuring");
        await ready.Task;
        return new JsonObject { ["reconnectMs"] = (reactor.Now - from).TotalMilliseconds };
    }

    private static int RingOf(IConfiguration settings) =>
        settings[RingKey] is { } bytes ? int.Parse(bytes, CultureInfo.InvariantCulture) : Size.Page;

    private static RegionNeed Local(string name, int bytes) =>
        new(name, bytes, RemoteAccess.Read) { OfferedOnRequest = true };

    /// <summary>
    /// A plain server over a UNIX socket: what two processes had to do without a transport.
    /// </summary>
    private void Echo(string path)
    {
        File.Delete(path);
        using Socket listener =
            new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        byte[] bytes = new byte[SourceBytes];
        while (!stopping)
        {
            using Socket caller = listener.Accept();
            for (int got = caller.Receive(bytes); got > 0; got = caller.Receive(bytes))
            {
                caller.Send(bytes.AsSpan(0, got));
            }
        }
    }

    /// <summary>The same over TCP, one thread for each caller.</summary>
    private void TcpEcho(string at)
    {
        IPEndPoint address = IPEndPoint.Parse(at);
        using Socket listener = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(address);
        listener.Listen();
        while (!stopping)
        {
            Socket caller = listener.Accept();
            new Thread(() =>
            {
                using (caller)
                {
                    TcpProbe.Serve(caller);
                }
            })
            {
                IsBackground = true,
                Name = "tcp echo",
            }.Start();
        }
    }

    /// <summary>
    /// Small, large and long-lived objects without a pause: every generation is collected.
    /// </summary>
    private void Allocate()
    {
        List<byte[]> kept = [];
        Random random = new(1);
        while (!stopping)
        {
            byte[] made = new byte[random.Next(64, 200_000)];
            if (random.Next(8) == 0)
            {
                kept.Add(made);
            }

            if (kept.Count > 1_000)
            {
                kept.RemoveRange(0, 900);
            }
        }
    }
}
