using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.GuestProbe;

/// <summary>The session's part: a port, and memory at the partner to write to and read from.
/// </summary>
internal sealed class GuestProbeClient : IClient
{
    /// <summary>Bytes of each side's memory.</summary>
    public const int RegionBytes = 64 * Size.KiB;

    /// <summary>Memory whose access is taken away.</summary>
    public const string Fenced = "fenced";

    /// <summary>The port of whoever writes there; it fails with the access.</summary>
    public const string StalePort = "stale";

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new(
        "bench-guest",
        new VersionRange(1, 1),
        [
            new PortNeed("measured", PostsInFlightMax: 16),
            new PortNeed(StalePort, PostsInFlightMax: 4),
        ],
        [
            new RegionNeed("target", RegionBytes, RemoteAccess.Read | RemoteAccess.Write),
            new RegionNeed("source", RegionBytes, RemoteAccess.Read) { OfferedOnRequest = true },
            new RegionNeed(Fenced, Size.Page, RemoteAccess.Write) { OfferedOnRequest = true },
        ]);

    /// <summary>What the kernel does for a client.</summary>
    public IClientServices Services { get; private set; } = null!;

    /// <summary>What this session granted; null without one.</summary>
    public ClientGrant? Grant { get; private set; }

    /// <summary>The partner's, while it gives access.</summary>
    public IRemoteMemory? FencedMemory { get; private set; }

    /// <inheritdoc/>
    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        Services = services;
        Random.Shared.NextBytes(services.Region("source").Bytes);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant) => Grant = grant;

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end) =>
        (Grant, FencedMemory) = (null, null);

    /// <inheritdoc/>
    public void MemoryChanged(string region, IRemoteMemory? memory) =>
        FencedMemory = region == Fenced ? memory : FencedMemory;

    /// <inheritdoc/>
    public ValueTask StopAsync(CancellationToken deadline) => ValueTask.CompletedTask;
}
