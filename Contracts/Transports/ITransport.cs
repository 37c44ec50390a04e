using StorageOs.Contracts.Runtime;

namespace StorageOs.Contracts.Transports;

/// <summary>
/// Moves bytes between this node's memory and the partner's by one-sided reads and writes: the
/// partner's processor takes no part in them where <see cref="TransportTraits.OneSided"/> says so.
/// docs/adr/0001 maps every member to its verbs call.
/// </summary>
/// <remarks>
/// Members here are called on the kernel's loop only, except where a member says otherwise.
/// Failures of the control path throw <see cref="RefusedException"/> naming call, error and remedy.
/// </remarks>
public interface ITransport : IDisposable
{
    /// <summary>What this transport is and can do; constant.</summary>
    TransportTraits Traits { get; }

    /// <summary>
    /// Makes memory that can be offered to the partner. Nothing is reachable by the partner before
    /// <see cref="IRegion.Offer"/>. Contents are zero, or what <see cref="RegionNeed.BackingPath"/>
    /// held.
    /// </summary>
    IRegion Map(RegionNeed need);

    /// <summary>
    /// Starts to bring up the well-known port; returns at once. Progress is made and told by
    /// <see cref="IWellKnownPort.Poll"/>. One at a time: dispose it before opening the next
    /// attempt.
    /// </summary>
    IWellKnownPort OpenWellKnown(WellKnownNeed need);

    /// <summary>Makes a port that has an address to offer but cannot post yet.</summary>
    IPreparedPort Prepare(PortNeed need);

    /// <summary>
    /// Makes memory that the partner has offered reachable by this node's posts. Checks nothing
    /// with the partner: a wrong key shows as <see cref="CompletionStatus.RemoteAccessError"/>.
    /// </summary>
    IRemoteMemory Import(RemoteRegion offer);
}

/// <summary>What a transport is.</summary>
/// <param name="Name">
/// The name in the configuration and in its manifest, such as <c>loopback</c>.
/// </param>
/// <param name="OneSided">
/// Whether operations complete while the partner's process is stopped.
/// </param>
/// <param name="SurvivesPowerLoss">
/// Whether bytes a completed write put into backed memory survive the partner's power loss.
/// </param>
public sealed record TransportTraits(string Name, bool OneSided, bool SurvivesPowerLoss);

/// <summary>
/// What a transport plugin puts into its services: makes the transport from the configuration's
/// transport section. Called once, on the kernel's loop, before any other plugin is loaded.
/// </summary>
public interface ITransportProvider
{
    /// <summary>
    /// Opens the transport.
    /// </summary>
    /// <param name="settings">Addresses and the transport's own settings.</param>
    /// <param name="changed">
    /// To be called, from any thread, when something was noticed that a poll or a
    /// <see cref="IPort.State"/> would tell: a connection came, an endpoint is gone. May be called
    /// too often, must be cheap.
    /// </param>
    /// <exception cref="RefusedException">
    /// A setting is wrong or the machine can't do it.
    /// </exception>
    ITransport Open(TransportSettings settings, Action changed);

    /// <summary>
    /// What this machine has for the transport: devices, their ports and addresses, limits; in the
    /// order a person would read. Opens nothing for good; never throws for what it finds.
    /// </summary>
    IReadOnlyList<TransportFact> Inspect() => [];

    /// <summary>
    /// How two transports on this machine reach each other, so that the conformance suite can run
    /// against the transport itself; null when it cannot be done.
    /// </summary>
    /// <param name="settings">What the node would open it with; changed for the test.</param>
    TransportSelfTest? SelfTest(TransportSettings settings) => null;
}

/// <summary>One thing that a machine has, or lacks, for a transport.</summary>
/// <param name="Subject">What it is, such as <c>rxe0 port 1</c> or <c>memlock limit</c>.</param>
/// <param name="Found">What was found.</param>
/// <param name="Usable">False when the transport cannot work as it is.</param>
/// <param name="Remedy">What to do about it; empty when nothing is wrong.</param>
public sealed record TransportFact(
    string Subject, string Found, bool Usable = true, string Remedy = "");

/// <summary>Two ends of a transport on one machine.</summary>
/// <param name="First">Settings of the end that connects.</param>
/// <param name="FirstPort">Its preset port number.</param>
/// <param name="Second">Settings of the end that listens.</param>
/// <param name="SecondPort">Its preset port number.</param>
/// <param name="UnknownAddress">A well-formed address at which nobody is.</param>
public sealed record TransportSelfTest(
    TransportSettings First,
    uint FirstPort,
    TransportSettings Second,
    uint SecondPort,
    string UnknownAddress);

/// <summary>
/// What a transport is opened with; addresses and port numbers are its own types, as text.
/// </summary>
/// <param name="LocalAddress">
/// This node's preset hardware address, such as <c>fc:010203</c> or an IP or GID.
/// </param>
/// <param name="Options">The transport's own options from the configuration, by name.</param>
public sealed record TransportSettings(
    string LocalAddress, IReadOnlyDictionary<string, string> Options);
