using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Contracts.Clients;

/// <summary>
/// A cluster client: a peer process on each node that declares ports and memory, is told when the
/// partner is ready and when it is lost, and asks the cluster connection manager for services in
/// between. Every member is called on the client's own reactor; one client's delay holds up no
/// other.
/// </summary>
/// <remarks>
/// Order of calls: <see cref="StartAsync"/>; any number of (<see cref="PartnerReady"/>, port and
/// memory changes, <see cref="PartnerLost"/>), ready and lost once per session each and in turn;
/// <see cref="StopAsync"/>. Partner ready is held back until the start has completed.
/// An exception out of any member ends this client by name, with its part of the session.
/// </remarks>
public interface IClient
{
    /// <summary>
    /// What the client needs. Read once, before <see cref="StartAsync"/>; must be constant.
    /// </summary>
    ClientNeeds Needs { get; }

    /// <summary>
    /// Starts the client. Its regions are mapped, the partner may or may not be there. May take as
    /// long as it likes; the node's session does not wait for it.
    /// </summary>
    ValueTask StartAsync(IClientServices services, CancellationToken stopping);

    /// <summary>
    /// The partner runs this client, too, and both nodes are ready. What is granted is valid until
    /// the session's loss.
    /// </summary>
    void PartnerReady(ClientGrant grant);

    /// <summary>
    /// The session has ended; every port of it is closed, every post has completed or will with an
    /// error, and the partner's rights to the client's regions are revoked.
    /// </summary>
    void PartnerLost(SessionId session, SessionEnd end);

    /// <summary>
    /// A port of the running session was opened anew, or closed (null), by either twin. Told to
    /// both; to the one that asked before its <see cref="IClientServices.OpenPortAsync"/>
    /// completes.
    /// </summary>
    void PortChanged(string port, IPort? replacement)
    {
    }

    /// <summary>
    /// The twin offered a region that is <see cref="RegionNeed.OfferedOnRequest"/>, or withdrew it
    /// (null).
    /// </summary>
    void MemoryChanged(string region, IRemoteMemory? memory)
    {
    }

    /// <summary>
    /// Stops the client: after it completes, nothing of it may run. Ports and regions are taken
    /// back afterwards.
    /// </summary>
    /// <param name="deadline">Set when the node will wait no longer.</param>
    ValueTask StopAsync(CancellationToken deadline);
}

/// <summary>
/// What a client needs; both twins must ask for the same ports and regions, else the client waits.
/// </summary>
/// <param name="Name">Name of the client, the same on both nodes.</param>
/// <param name="Versions">Interface versions that its twin may have.</param>
/// <param name="Ports">Its ports to its twin.</param>
/// <param name="Regions">Memory it exposes to its twin.</param>
/// <param name="Critical">
/// Whether the partner should be told that this node is degraded without it.
/// </param>
public sealed record ClientNeeds(
    string Name,
    VersionRange Versions,
    IReadOnlyList<PortNeed> Ports,
    IReadOnlyList<RegionNeed> Regions,
    bool Critical = false);

/// <summary>A range of versions, both ends included.</summary>
public readonly record struct VersionRange(ushort Min, ushort Max)
{
    /// <summary>The highest version in both ranges; null when there is none.</summary>
    public ushort? HighestCommon(VersionRange other)
    {
        ushort high = Math.Min(Max, other.Max);
        return high >= Math.Max(Min, other.Min) ? high : null;
    }

    /// <inheritdoc/>
    public override string ToString() => Min == Max ? $"{Min}" : $"{Min} to {Max}";
}

/// <summary>One agreed connection of two boots. Ends once, is never revived.</summary>
/// <param name="LowEpoch">Boot epoch of the node with the lower system id.</param>
/// <param name="HighEpoch">Boot epoch of the other.</param>
/// <param name="LowAttempt">Attempt of the node with the lower system id.</param>
/// <param name="HighAttempt">Attempt of the other.</param>
public readonly record struct SessionId(
    ulong LowEpoch, ulong HighEpoch, uint LowAttempt, uint HighAttempt)
{
    /// <inheritdoc/>
    public override string ToString() => $"{LowEpoch:x}.{LowAttempt}-{HighEpoch:x}.{HighAttempt}";
}

/// <summary>Why a session ended.</summary>
/// <param name="Reason">The kind of end.</param>
/// <param name="Detail">What was seen, for people.</param>
public sealed record SessionEnd(SessionEndReason Reason, string Detail);

/// <summary>The ways in which a session ends.</summary>
public enum SessionEndReason
{
    /// <summary>The partner said that it stops, after it shut its read path.</summary>
    DeclaredStop,

    /// <summary>The partner said that it is failing.</summary>
    DeclaredPanic,

    /// <summary>
    /// The partner's endpoint is gone: its process has ended, its card or link says so.
    /// </summary>
    EndpointGone,

    /// <summary>The partner's memory answers but its beat stands still.</summary>
    BeatStill,

    /// <summary>The partner restarted or began a new attempt without a word.</summary>
    PartnerRestarted,

    /// <summary>Something the partner said was refused.</summary>
    Refused,

    /// <summary>We stop, or a client asked for a reconnect.</summary>
    LocalStop,

    /// <summary>
    /// The session stands, but the partner no longer runs this client (or the same load of it).
    /// </summary>
    TwinLeft,

    /// <summary>
    /// The operating system says that the partner's process has ended, or it says so itself as the
    /// last thing it does (<see cref="Transports.IPort.PartnerExited"/>). A link that is lost, a
    /// card that fails or a process that is stopped never ends a session for this reason.
    /// </summary>
    PartnerExited,
}

/// <summary>What a client has in one session.</summary>
/// <param name="Session">The session.</param>
/// <param name="PartnerEpoch">The partner's boot epoch.</param>
/// <param name="Version">Highest interface version both twins have.</param>
/// <param name="Ports">Open ports by name; the client's until the session's loss.</param>
/// <param name="Memory">The twin's regions by name, but for those offered on request.</param>
public sealed record ClientGrant(
    SessionId Session,
    ulong PartnerEpoch,
    ushort Version,
    IReadOnlyDictionary<string, IPort> Ports,
    IReadOnlyDictionary<string, IRemoteMemory> Memory)
{
    /// <summary>
    /// Alike on both nodes, and another each time that the two clients meet within one session,
    /// which they do anew when either has left and come back. Memory keeps what it held: what was
    /// written in an earlier meeting is told from this one's by session and meeting together.
    /// </summary>
    public ulong Meeting { get; init; }
}
