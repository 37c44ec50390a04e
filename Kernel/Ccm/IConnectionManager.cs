using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Kernel.Ccm;

/// <summary>
/// The cluster connection manager as the rest of the kernel sees it: the core module that keeps the
/// session with the partner. Every member may be called from any thread.
/// </summary>
public interface IConnectionManager
{
    /// <summary>
    /// Maps region 0, opens the well-known port and begins the handshake, on a loop of its own.
    /// </summary>
    void Start();

    /// <summary>Tells the partner, by the status page, how far the boot has come.</summary>
    void SetBootPhase(BootPhase phase);

    /// <summary>
    /// Admits a client: its needs are checked against the limits together with everybody else's,
    /// then its regions are mapped. Nothing of the client has been called but its needs.
    /// </summary>
    /// <returns>
    /// Why it is not admitted; null when it is, and <paramref name="services"/> is set.
    /// </returns>
    Refusal? Admit(
        string name, IClient client, ClientNeeds needs, IReactor reactor,
        out IClientServices? services);

    /// <summary>
    /// The client's start has completed: partner ready may be raised from now on.
    /// </summary>
    void Started(string name);

    /// <summary>
    /// Takes the client out of the session at once: its ports are closed and its regions revoked,
    /// but it keeps its memory, its name and its room, for code of it may run still.
    /// </summary>
    void Leave(string name, string why);

    /// <summary>
    /// Takes the client out: its ports are closed, its regions revoked and unmapped; other clients
    /// do not notice. Completes when nothing of it is used any more.
    /// </summary>
    Task RemoveAsync(string name, string why);

    /// <summary>The partner as it is known now.</summary>
    PartnerView Partner { get; }

    /// <summary>Everything status says of the session.</summary>
    CcmStatus Status { get; }

    /// <summary>What the transport says of itself; only after <see cref="Start"/>.</summary>
    TransportTraits Traits { get; }

    /// <summary>
    /// Declares a stop to the partner, ends the session, closes the well-known port and ends the
    /// loop.
    /// </summary>
    Task StopAsync(string why);
}

/// <summary>The session part of the status document.</summary>
/// <param name="State">Connecting, Connected, Exchanging, Ready, Refused, Stopped.</param>
/// <param name="Step">The handshake's state.</param>
/// <param name="Session">Id of the session; null when there is none.</param>
/// <param name="Reason">What it waits for, or why the last session ended.</param>
/// <param name="Refusal">What was refused of or by the partner; null when nothing was.</param>
/// <param name="Clients">Clients known to the connection manager.</param>
/// <param name="Partner">The partner.</param>
/// <param name="Sessions">How many sessions became ready since boot.</param>
/// <param name="HandshakeTook">
/// From the first read of the last session that became ready to its being ready.
/// </param>
/// <param name="Path">The way to the partner in use; empty while there is none.</param>
public sealed record CcmStatus(
    string State,
    string Step,
    SessionId? Session,
    string Reason,
    Refusal? Refusal,
    IReadOnlyList<CcmClientStatus> Clients,
    PartnerView Partner,
    long Sessions,
    TimeSpan HandshakeTook,
    string Path);

/// <summary>One client in the status document.</summary>
/// <param name="Name">Its name.</param>
/// <param name="State">Starting, WaitingForSession, WaitingForTwin, Ready.</param>
/// <param name="Ports">Ports it asked for.</param>
/// <param name="MemoryBytes">Memory it asked for.</param>
/// <param name="Reason">Why it and its twin do not meet; empty when they may.</param>
public sealed record CcmClientStatus(
    string Name, string State, int Ports, long MemoryBytes, string Reason = "");
