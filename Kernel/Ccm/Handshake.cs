// The handshake's states and legal moves, and nothing else: the one place that says what may follow
// what. docs/handshake.mmd is generated from this table.
using Stateless;

namespace StorageOs.Kernel.Ccm;

/// <summary>Where the connection to the partner stands.</summary>
public enum HandshakeState
{
    /// <summary>No port; waiting for the next attempt's time. Leaves by OpenDue.</summary>
    Closed,

    /// <summary>
    /// The well-known port is being connected. Leaves by PortConnected or PortFailed.
    /// </summary>
    Opening,

    /// <summary>
    /// R1: reading the partner's identity and boot status at its preset address. Leaves by
    /// StatusRead.
    /// </summary>
    FirstRead,

    /// <summary>W1: writing Seen into the partner's inbox. Leaves by SeenWritten.</summary>
    FirstWrite,

    /// <summary>
    /// R2: our word is in the partner's inbox; reading until its status says the same. Leaves by
    /// SeenBoth or EpochChanged.
    /// </summary>
    SecondRead,

    /// <summary>
    /// W2: writing Confirmed into the partner's inbox. Leaves by ConfirmedWritten.
    /// </summary>
    SecondWrite,

    /// <summary>
    /// Waiting for the partner's Confirmed in our inbox. Leaves by PartnerConfirmed or
    /// EpochChanged.
    /// </summary>
    AwaitConfirmed,

    /// <summary>
    /// Connected: our peer info is published, reading the partner's. Leaves by PeerInfoAgreed.
    /// </summary>
    PeerInfo,

    /// <summary>
    /// Our proof of the pair key is published, checking the partner's. Leaves by ProofAccepted.
    /// </summary>
    Proof,

    /// <summary>
    /// What our clients need is published, reading what the partner's need. Leaves by
    /// ClientInfoReceived.
    /// </summary>
    ClientInfo,

    /// <summary>
    /// Ports and memory of the clients on both nodes are being created. Leaves by PortsCreated.
    /// </summary>
    Ports,

    /// <summary>
    /// The partner has been told that we are ready; waiting for its word. Leaves by PartnerIsReady.
    /// </summary>
    AwaitReady,

    /// <summary>Both are ready and the clients have been told.</summary>
    Ready,

    /// <summary>
    /// The session ended because the partner's beat stands still; its page is still read. Leaves by
    /// BeatMoved.
    /// </summary>
    Watching,

    /// <summary>The partner was refused; tried again slowly. Leaves by OpenDue.</summary>
    Refused,

    /// <summary>This node stops.</summary>
    Stopped,
}

/// <summary>What moves the handshake.</summary>
public enum Trigger
{
    /// <summary>The delay before the next attempt is over.</summary>
    OpenDue,

    /// <summary>The well-known port is connected.</summary>
    PortConnected,

    /// <summary>R1 succeeded and the page is the configured partner's.</summary>
    StatusRead,

    /// <summary>W1 succeeded.</summary>
    SeenWritten,

    /// <summary>R2 found our word in place and the partner's status at Seen with our tag.</summary>
    SeenBoth,

    /// <summary>W2 succeeded.</summary>
    ConfirmedWritten,

    /// <summary>Our inbox holds Confirmed with our tag.</summary>
    PartnerConfirmed,

    /// <summary>
    /// The partner is in another boot or attempt than the tag says, on the same port.
    /// </summary>
    EpochChanged,

    /// <summary>Versions overlap, and the partner is the configured one.</summary>
    PeerInfoAgreed,

    /// <summary>The partner knows the pair key.</summary>
    ProofAccepted,

    /// <summary>The first edition of the partner's client info is here.</summary>
    ClientInfoReceived,

    /// <summary>Every client both nodes have is connected on our side.</summary>
    PortsCreated,

    /// <summary>The partner says the same.</summary>
    PartnerIsReady,

    /// <summary>The port or an operation on it failed, or a session ended.</summary>
    PortFailed,

    /// <summary>The partner's beat stood still past its limit.</summary>
    BeatStood,

    /// <summary>The beat of a partner that stood still moves again.</summary>
    BeatMoved,

    /// <summary>The partner is not acceptable.</summary>
    PartnerRefused,

    /// <summary>This node stops.</summary>
    StopAsked,
}

/// <summary>One legal move.</summary>
internal readonly record struct Move(HandshakeState From, Trigger By, HandshakeState To);

/// <summary>The table.</summary>
internal static class HandshakeTable
{
    private static readonly HandshakeState[] WithPort =
    [
        HandshakeState.Opening, HandshakeState.FirstRead, HandshakeState.FirstWrite,
        HandshakeState.SecondRead, HandshakeState.SecondWrite, HandshakeState.AwaitConfirmed,
        HandshakeState.PeerInfo, HandshakeState.Proof, HandshakeState.ClientInfo,
        HandshakeState.Ports, HandshakeState.AwaitReady, HandshakeState.Ready,
        HandshakeState.Watching,
    ];

    private static readonly HandshakeState[] WithSession =
    [
        HandshakeState.PeerInfo, HandshakeState.Proof, HandshakeState.ClientInfo,
        HandshakeState.Ports, HandshakeState.AwaitReady, HandshakeState.Ready,
    ];

    /// <summary>Every legal move.</summary>
    public static IReadOnlyList<Move> Moves { get; } =
    [
        new(HandshakeState.Closed, Trigger.OpenDue, HandshakeState.Opening),
        new(HandshakeState.Refused, Trigger.OpenDue, HandshakeState.Opening),
        new(HandshakeState.Opening, Trigger.PortConnected, HandshakeState.FirstRead),
        new(HandshakeState.FirstRead, Trigger.StatusRead, HandshakeState.FirstWrite),
        new(HandshakeState.FirstWrite, Trigger.SeenWritten, HandshakeState.SecondRead),
        new(HandshakeState.SecondRead, Trigger.SeenBoth, HandshakeState.SecondWrite),
        new(HandshakeState.SecondRead, Trigger.EpochChanged, HandshakeState.FirstRead),
        new(HandshakeState.SecondWrite, Trigger.ConfirmedWritten, HandshakeState.AwaitConfirmed),
        new(HandshakeState.AwaitConfirmed, Trigger.EpochChanged, HandshakeState.FirstRead),
        new(HandshakeState.AwaitConfirmed, Trigger.PartnerConfirmed, HandshakeState.PeerInfo),
        new(HandshakeState.PeerInfo, Trigger.PeerInfoAgreed, HandshakeState.Proof),
        new(HandshakeState.Proof, Trigger.ProofAccepted, HandshakeState.ClientInfo),
        new(HandshakeState.ClientInfo, Trigger.ClientInfoReceived, HandshakeState.Ports),
        new(HandshakeState.Ports, Trigger.PortsCreated, HandshakeState.AwaitReady),
        new(HandshakeState.AwaitReady, Trigger.PartnerIsReady, HandshakeState.Ready),
        new(HandshakeState.Watching, Trigger.BeatMoved, HandshakeState.Closed),
        .. WithPort.Select(s => new Move(s, Trigger.PortFailed, HandshakeState.Closed)),
        .. WithSession.Select(s => new Move(s, Trigger.BeatStood, HandshakeState.Watching)),
        new(HandshakeState.FirstRead, Trigger.PartnerRefused, HandshakeState.Refused),
        new(HandshakeState.SecondRead, Trigger.PartnerRefused, HandshakeState.Refused),
        .. WithSession.Select(s => new Move(s, Trigger.PartnerRefused, HandshakeState.Refused)),
        .. Enum.GetValues<HandshakeState>().Where(s => s != HandshakeState.Stopped)
            .Select(s => new Move(s, Trigger.StopAsked, HandshakeState.Stopped)),
    ];

    /// <summary>A machine of these moves, in <see cref="HandshakeState.Closed"/>.</summary>
    public static StateMachine<HandshakeState, Trigger> Build(IEnumerable<Move>? moves = null)
    {
        var fsm =
            new StateMachine<HandshakeState, Trigger>(HandshakeState.Closed, FiringMode.Immediate);
        foreach (Move move in moves ?? Moves)
        {
            _ = fsm.Configure(move.From).Permit(move.By, move.To);
        }

        return fsm;
    }
}
