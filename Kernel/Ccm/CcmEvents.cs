// What the connection manager's core is told and what it asks for. Both are plain values; the loop
// (ConnectionManager) or the simulator stands between them and the world. Operations on the partner
// carry a number: an answer whose number is not awaited any more is ignored, so late and repeated
// answers are harmless.
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

/// <summary>Something that happened.</summary>
internal abstract record CcmEvent
{
    /// <summary>Time has passed; sent on every turn of the loop.</summary>
    public sealed record Tick : CcmEvent
    {
        /// <summary>The one instance, for ticks are frequent.</summary>
        public static Tick Instance { get; } = new();
    }

    /// <summary>The well-known port of this attempt is connected.</summary>
    public sealed record PortConnected(uint Attempt) : CcmEvent;

    /// <summary>
    /// The well-known port of this attempt, or a port of the session, failed; the refusal when the
    /// transport would not even try.
    /// </summary>
    public sealed record PortFailed(
        uint Attempt, SessionEndReason Reason, string Detail, Refusal? Refusal = null) : CcmEvent;

    /// <summary>R1 answered with the head of the partner's page.</summary>
    public sealed record FirstReadDone(uint Operation, ReadOnlyMemory<byte> Head) : CcmEvent;

    /// <summary>R2 answered with the head of the partner's page and its inbox word.</summary>
    public sealed record SecondReadDone(
        uint Operation, ReadOnlyMemory<byte> Head, ulong Inbox) : CcmEvent;

    /// <summary>A write into the partner's inbox completed.</summary>
    public sealed record InboxWritten(uint Operation) : CcmEvent;

    /// <summary>A slot of the partner's outbox, as it was read.</summary>
    public sealed record RecordRead(uint Operation, ReadOnlyMemory<byte> Slot) : CcmEvent;

    /// <summary>A client was admitted; its regions are mapped.</summary>
    public sealed record ClientAdmitted(string Name, ClientNeeds Needs) : CcmEvent;

    /// <summary>A client's start has completed.</summary>
    public sealed record ClientStarted(string Name) : CcmEvent;

    /// <summary>A client is taken out.</summary>
    public sealed record ClientRemoved(string Name, string Why) : CcmEvent;

    /// <summary>
    /// After a removal: whatever of the client was to be dropped has been asked for.
    /// </summary>
    public sealed record ClientGone(string Name) : CcmEvent;

    /// <summary>Our end of a client's ports and its offers are made.</summary>
    public sealed record ClientPrepared(
        string Name, SessionId Session, byte[][] Ports, RegionOffer[] Regions) : CcmEvent;

    /// <summary>A client's ports are connected to the partner's ends.</summary>
    public sealed record ClientConnected(string Name, SessionId Session) : CcmEvent;

    /// <summary>After a drop, the client holds nothing of an earlier grant any more.</summary>
    public sealed record ClientReclaimed(string Name) : CcmEvent;

    /// <summary>
    /// A client asks to open (again) or to close one of its ports; requests only grow.
    /// </summary>
    public sealed record PortAsked(string Client, string Port, bool Open, ulong Request)
        : CcmEvent;

    /// <summary>Our new end of a re-opened port.</summary>
    public sealed record PortPrepared(string Client, string Port, uint Generation, byte[] Address)
        : CcmEvent;

    /// <summary>Our end of a re-opened port could not be made or connected.</summary>
    public sealed record PortRefused(string Client, string Port, uint Generation, Refusal Refusal)
        : CcmEvent;

    /// <summary>A client offered (or withdrew: null) a region during this session.</summary>
    public sealed record RegionOffered(
        string Client, string Region, SessionId Session, RemoteRegion? Offer) : CcmEvent;

    /// <summary>A client wants the session to start over.</summary>
    public sealed record ReconnectAsked(string Why) : CcmEvent;

    /// <summary>The node's boot has come so far; Stopping and Panicked end the session.</summary>
    public sealed record BootReached(BootPhase Phase) : CcmEvent;

    /// <summary>The node stops: nothing is answered any more.</summary>
    public sealed record StopAsked(string Why) : CcmEvent;
}

/// <summary>Something to be done, in order.</summary>
internal abstract record CcmEffect
{
    /// <summary>Clears our inbox, then opens the well-known port.</summary>
    public sealed record OpenPort(uint Attempt) : CcmEffect;

    /// <summary>Closes the well-known port; operations in flight are not awaited.</summary>
    public sealed record ClosePort : CcmEffect;

    /// <summary>Sets our status word.</summary>
    public sealed record PublishStatus(StatusWord Word) : CcmEffect;

    /// <summary>Tells how many of the partner's records we are done with.</summary>
    public sealed record PublishConsumed(ulong Count) : CcmEffect;

    /// <summary>Puts a framed record into its outbox slot.</summary>
    public sealed record PublishRecord(ulong Sequence, byte[] Frame) : CcmEffect;

    /// <summary>R1: one read of the partner's page head.</summary>
    public sealed record FirstRead(uint Operation) : CcmEffect;

    /// <summary>R2: a read of the page head and one of the inbox.</summary>
    public sealed record SecondRead(uint Operation) : CcmEffect;

    /// <summary>W1, W2 and later words.</summary>
    public sealed record WriteInbox(uint Operation, InboxWord Word) : CcmEffect;

    /// <summary>Reads the slot of one of the partner's records.</summary>
    public sealed record ReadRecord(uint Operation, ulong Sequence) : CcmEffect;

    /// <summary>From now on, read the partner's status words on every turn (or no more).</summary>
    public sealed record WatchStatus(bool On) : CcmEffect;

    /// <summary>Make our end of a client's ports and offer its regions.</summary>
    public sealed record PrepareClient(string Name, SessionId Session) : CcmEffect;

    /// <summary>Connect a client's ports to the partner's ends and import its regions.</summary>
    public sealed record ConnectClient(
        string Name, SessionId Session, GrantMessage Theirs) : CcmEffect;

    /// <summary>Tell a client that its partner is ready.</summary>
    public sealed record AlertReady(
        string Name, SessionId Session, ulong PartnerEpoch, ushort Version, ulong Meeting)
        : CcmEffect;

    /// <summary>
    /// Close what a client was granted, revoke its offers, tell it of the loss if it had been told
    /// of the readiness, and answer <see cref="CcmEvent.ClientReclaimed"/>.
    /// </summary>
    public sealed record DropClient(
        string Name, SessionId Session, SessionEnd End, bool Alerted) : CcmEffect;

    /// <summary>Unmap what a removed client had; nothing more will be asked for it.</summary>
    public sealed record ClientGone(string Name) : CcmEffect;

    /// <summary>Make a new end of a port.</summary>
    public sealed record PreparePort(string Client, string Port, uint Generation) : CcmEffect;

    /// <summary>Connect the new end and give it to the client.</summary>
    public sealed record ConnectPort(
        string Client, string Port, uint Generation, ulong Request, byte[] Address) : CcmEffect;

    /// <summary>
    /// Close a client's port at our end and tell the client, and refuse its asks up to the request.
    /// </summary>
    public sealed record CloseClientPort(
        string Client, string Port, ulong Request, Refusal Why) : CcmEffect;

    /// <summary>Give a client memory its twin offered (null: withdrawn).</summary>
    public sealed record ChangeMemory(string Client, string Region, RegionOffer? Offer) : CcmEffect;

    /// <summary>
    /// For log and transcript: the session ended, with its reason; told once per session. A
    /// partner that was never proven may be anybody.
    /// </summary>
    public sealed record SessionEnded(SessionId Session, SessionEnd End, bool PartnerProven)
        : CcmEffect;

    /// <summary>Keep what the partner recorded until the session ended.</summary>
    public sealed record KeepRing : CcmEffect;

    /// <summary>For log and transcript: the handshake moved.</summary>
    public sealed record Moved(HandshakeState From, Trigger By, HandshakeState To) : CcmEffect;
}
