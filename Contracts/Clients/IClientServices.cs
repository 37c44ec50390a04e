using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Contracts.Clients;

/// <summary>
/// What a client may ask of the cluster connection manager at run time. Called on the client's
/// reactor; what takes a word with the partner completes there, too.
/// </summary>
public interface IClientServices
{
    /// <summary>The client's region of that name; mapped before start, kept until stop.</summary>
    IRegion Region(string name);

    /// <summary>The partner as it is known now. Any thread; a fresh value each time.</summary>
    PartnerView Partner { get; }

    /// <summary>
    /// Opens a port of the client's needs anew, with the twin's end: an open one is closed first,
    /// on both sides. Both twins are told by <see cref="IClient.PortChanged"/>. While one is under
    /// way another joins it. The port that it replaces is closed at once: poll that until every
    /// post has completed.
    /// </summary>
    /// <exception cref="RefusedException">
    /// There is no session, or it ended meanwhile; the port was closed meanwhile by either twin, or
    /// could not be made or connected.
    /// </exception>
    ValueTask<IPort> OpenPortAsync(string name, CancellationToken cancellation = default);

    /// <summary>
    /// Closes a port on both sides; of a close and an open at the same moment the close wins.
    /// Nothing happens without a session. The session goes on, and the port can be opened again.
    /// </summary>
    void ClosePort(string name);

    /// <summary>
    /// Offers a region that is <see cref="RegionNeed.OfferedOnRequest"/> to the twin of this
    /// session, under a new key. Nothing happens without a session. It must have been reclaimed
    /// since its last revocation.
    /// </summary>
    /// <exception cref="RefusedException">
    /// The region is none of those, or one without rights for the twin.
    /// </exception>
    void Offer(string region);

    /// <summary>
    /// Revokes the twin's access to a region at once; see <see cref="IRegion.Revoke"/>. The twin is
    /// told of one that is <see cref="RegionNeed.OfferedOnRequest"/>, as far as it can be. To be
    /// followed by <see cref="IRegion.Reclaim"/>.
    /// </summary>
    void Withdraw(string region);

    /// <summary>
    /// Ends the session and starts over at the first read. Nothing happens without a session.
    /// </summary>
    void Reconnect(string why);
}

/// <summary>What a node knows of its partner, by one-sided reads and its own ports alone.</summary>
/// <param name="Condition">Whether it is there, and well.</param>
/// <param name="BootPhase">How far its boot has come; meaningless when it does not answer.</param>
/// <param name="Epoch">Its boot epoch; 0 when never seen.</param>
/// <param name="Session">The session; null when there is none.</param>
/// <param name="LastEnd">How the last session ended; null when there was none.</param>
/// <param name="LargestBeatGap">The largest gap between two of its beats seen lately.</param>
/// <param name="BeatLimit">How long its beat may stand still before the session ends.</param>
/// <param name="DetectedAfter">
/// From the last beat seen to the end of the last session; zero when there was none.
/// </param>
public sealed record PartnerView(
    PartnerCondition Condition,
    BootPhase BootPhase,
    ulong Epoch,
    SessionId? Session,
    SessionEnd? LastEnd,
    TimeSpan LargestBeatGap,
    TimeSpan BeatLimit,
    TimeSpan DetectedAfter);

/// <summary>Whether the partner is there, and well.</summary>
public enum PartnerCondition
{
    /// <summary>Nothing answers at its address, or it has not been asked yet.</summary>
    Dead,

    /// <summary>Its page answers but its beat stands still.</summary>
    Stuck,

    /// <summary>Its beat moves and it is not serving yet.</summary>
    Booting,

    /// <summary>Its beat moves and it serves.</summary>
    Serving,

    /// <summary>It has declared that it stops.</summary>
    Stopping,
}

/// <summary>
/// How far a node's boot has come; told in its status page. Grows only, but for the last two.
/// </summary>
public enum BootPhase : byte
{
    /// <summary>Region 0 is being set up.</summary>
    None = 0,

    /// <summary>The well-known port is open; no client is loaded.</summary>
    Connecting = 1,

    /// <summary>Client plugins are being loaded.</summary>
    LoadingClients = 2,

    /// <summary>Clients are starting: logs and volumes recover.</summary>
    Recovering = 3,

    /// <summary>Every client has started or was refused.</summary>
    Serving = 4,

    /// <summary>A declared stop: nothing is answered any more.</summary>
    Stopping = 5,

    /// <summary>A declared failure: a broken invariant ended the node.</summary>
    Panicked = 6,
}
