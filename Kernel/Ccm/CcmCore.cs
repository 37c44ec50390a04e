// The cluster connection manager as a pure step: state and event in, effects out; no I/O, clock,
// lock or task. This file keeps the steps up to Connected and what ends a session; CcmCore.Exchange
// has what two connected nodes say to each other, CcmCore.Clients what is done for clients.
//
//   Closed -> Opening -> R1 -> W1 -> R2 -> W2 -> AwaitConfirmed      read, write, read, write
//     -> PeerInfo -> Proof -> ClientInfo -> Ports -> AwaitReady -> Ready
//
// Both nodes run the same steps at the same time. Whatever fails before Ready or after leads to
// Closed, and from there to a new attempt, for ever.
using Stateless;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Ccm;

/// <summary>The pure core of the connection manager. Used by one thread.</summary>
internal sealed partial class CcmCore
{
    private static readonly TimeSpan AttemptDelayFirst = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan AttemptDelayCap = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan RefusedDelay = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan RewriteDelay = TimeSpan.FromMilliseconds(50);
    private const int TornReadsMax = 1000;

    private readonly CcmSettings settings;
    private readonly IRandomSource random;
    private readonly StateMachine<HandshakeState, Trigger> fsm;
    private readonly Backoff backoff;
    private readonly BeatDetector beat;
    private List<CcmEffect> effects = [];
    private Instant now;
    private Instant openAt;
    private Instant firstReadAt;
    private Instant rewriteAt;
    private uint attempt;
    private uint operation;
    private uint tag;
    private int tornReads;
    private BootPhase bootPhase = BootPhase.Connecting;
    private HandshakePhase phase;
    private InboxWord inbox;
    private Identity partner;
    private uint partnerAttempt;
    private StatusWord partnerStatus;
    private bool readPending;

    /// <summary>Makes a core at rest; the first tick opens the first attempt.</summary>
    public CcmCore(
        CcmSettings settings, IRandomSource random,
        StateMachine<HandshakeState, Trigger>? table = null)
    {
        fsm = table ?? HandshakeTable.Build();
        this.settings = settings;
        this.random = random;
        backoff = new(AttemptDelayFirst, AttemptDelayCap, random);
        beat = new(settings.Beat);
        fsm.OnTransitioned(
            t => effects.Add(new CcmEffect.Moved(t.Source, t.Trigger, t.Destination)));
    }

    /// <summary>Where the handshake stands.</summary>
    public HandshakeState State => fsm.State;

    /// <summary>The session, from Connected to its end.</summary>
    public SessionId? Session { get; private set; }

    /// <summary>How the last session ended.</summary>
    public SessionEnd? LastEnd { get; private set; }

    /// <summary>What was refused last; null once a session is ready.</summary>
    public Refusal? Refusal { get; private set; }

    /// <summary>What the last failed step or the wait is about, for people.</summary>
    public string Detail { get; private set; } = "not started";

    /// <summary>Sessions that became ready.</summary>
    public long SessionsReady { get; private set; }

    /// <summary>
    /// From the first read of the last session that became ready to its being ready.
    /// </summary>
    public TimeSpan HandshakeTook { get; private set; }

    /// <summary>The partner's boot epoch; 0 when never read.</summary>
    public ulong PartnerEpoch => partner.BootEpoch;

    /// <summary>The partner's boot phase as last read.</summary>
    public BootPhase PartnerPhase => partnerStatus.Boot;

    /// <summary>The detector's view of the partner's beat.</summary>
    public BeatDetector Beat => beat;

    /// <summary>When the last session's loss was found, measured from the last beat seen.</summary>
    public TimeSpan DetectedAfter { get; private set; }

    /// <summary>
    /// Takes one event; what is to be done is appended to <paramref name="output"/>, in order.
    /// </summary>
    public void Step(CcmEvent input, Instant at, List<CcmEffect> output)
    {
        (effects, now) = (output, at);
        switch (input)
        {
            case CcmEvent.Tick: OnTick(); break;
            case CcmEvent.PortConnected e when e.Attempt == attempt: OnPortConnected(); break;
            case CcmEvent.PortFailed e when e.Attempt == attempt: OnPortFailed(e); break;
            case CcmEvent.FirstReadDone e when e.Operation == operation: OnFirstRead(e.Head); break;
            case CcmEvent.SecondReadDone e when e.Operation == operation: OnSecondRead(e); break;
            case CcmEvent.InboxWritten e when e.Operation == operation: OnInboxWritten(); break;
            case CcmEvent.RecordRead e when e.Operation == recordOperation:
                OnRecordRead(e.Slot);
                break;
            case CcmEvent.ReconnectAsked e:
                EndSession(new(SessionEndReason.LocalStop, e.Why));
                break;
            case CcmEvent.BootReached e: OnBootReached(e.Phase); break;
            case CcmEvent.StopAsked e: OnStop(e.Why); break;
            default: OnClientEvent(input); break;
        }
    }

    /// <summary>
    /// The words read on each turn while watched: status, beat, consumed. Allocates nothing when
    /// all is well.
    /// </summary>
    public void StepStatus(
        ulong status, ulong beatCount, ulong consumed, Instant at, List<CcmEffect> output)
    {
        (effects, now) = (output, at);
        partnerStatus = StatusWord.Unpack(status);
        bool stands = beat.Observe(beatCount, now);
        if (State == HandshakeState.Watching)
        {
            if (!stands && beat.LastMove == now)
            {
                Leave(Trigger.BeatMoved, "the partner's beat moves again");
            }

            return;
        }

        if (Session is null)
        {
            CheckPartnerAttempt();
            return;
        }

        WatchSession(stands);
        if (Session is not null)
        {
            OnConsumed(consumed);
        }
    }

    /// <summary>
    /// The words asked for on an earlier turn are not there yet. Allocates nothing when all is
    /// well.
    /// </summary>
    public void StepUnanswered(Instant at, List<CcmEffect> output)
    {
        (effects, now) = (output, at);
        if (Session is not null && beat.Unanswered(now))
        {
            EndStill();
        }
    }

    /// <summary>
    /// Our inbox word as it stands; to be told whenever it changed, and again is harmless.
    /// </summary>
    public void StepInbox(ulong word, Instant at, List<CcmEffect> output)
    {
        (effects, now) = (output, at);
        inbox = InboxWord.Unpack(word);
        OnInbox();
    }

    private bool Fire(Trigger trigger)
    {
        if (!fsm.CanFire(trigger))
        {
            return false;
        }

        fsm.Fire(trigger);
        return true;
    }

    private void OnTick()
    {
        switch (State)
        {
            case HandshakeState.Closed or HandshakeState.Refused when now >= openAt:
                Open();
                break;
            case HandshakeState.FirstRead when !readPending:
                ReadFirst();
                break;
            case HandshakeState.SecondRead when !readPending:
                ReadSecond();
                break;
            case HandshakeState.AwaitConfirmed when now >= rewriteAt:
                rewriteAt = now + RewriteDelay;
                effects.Add(new CcmEffect.WriteInbox(++operation, new(tag, InboxWord.Confirmed)));
                break;
            default:
                if (Session is not null && now >= rewriteAt)
                {
                    Rewrite();
                }

                break;
        }
    }

    private void Open()
    {
        attempt = (attempt + 1) % StatusWord.AttemptModulus;
        attempt = attempt == 0 ? 1 : attempt;
        (tag, phase, inbox, readPending, tornReads) = (0, HandshakePhase.None, default, false, 0);
        bool afterRefusal = State == HandshakeState.Refused;
        if (Fire(Trigger.OpenDue))
        {
            if (afterRefusal)
            {
                effects.Add(new CcmEffect.ClosePort());
            }

            Detail = "connecting the well-known port";
            PublishStatus();
            effects.Add(new CcmEffect.OpenPort(attempt));
        }
    }

    private void OnPortConnected()
    {
        if (Fire(Trigger.PortConnected))
        {
            Detail = "reading the partner's boot status";
            firstReadAt = now;
            ReadFirst();
        }
    }

    private void ReadFirst()
    {
        readPending = true;
        effects.Add(new CcmEffect.FirstRead(++operation));
    }

    private void ReadSecond()
    {
        readPending = true;
        effects.Add(new CcmEffect.SecondRead(++operation));
    }

    private void OnFirstRead(ReadOnlyMemory<byte> head)
    {
        readPending = false;
        if (State != HandshakeState.FirstRead || !TakeHead(head))
        {
            return;
        }

        if (partnerAttempt == 0)
        {
            Detail = "the partner has not begun an attempt";
            return;
        }

        bool low = settings.Role == Wire.PairRole.Low;
        tag = low
            ? SessionTag.Of(settings.Self.BootEpoch, partner.BootEpoch, attempt, partnerAttempt)
            : SessionTag.Of(partner.BootEpoch, settings.Self.BootEpoch, partnerAttempt, attempt);
        if (Fire(Trigger.StatusRead))
        {
            Detail = "writing Seen into the partner's inbox";
            effects.Add(new CcmEffect.WriteInbox(++operation, new(tag, InboxWord.Seen)));
        }
    }

    private void OnInboxWritten()
    {
        if (Fire(Trigger.SeenWritten))
        {
            Detail = "waiting for the partner to have reached us";
            phase = HandshakePhase.Seen;
            PublishStatus();
            ReadSecond();
        }
        else if (Fire(Trigger.ConfirmedWritten))
        {
            Detail = "waiting for the partner's confirmation";
            phase = HandshakePhase.Confirmed;
            PublishStatus();
            beat.Restart(partner.BootEpoch);
            rewriteAt = now + RewriteDelay;
            effects.Add(new CcmEffect.WatchStatus(true));
            OnInbox();
        }
    }

    private void OnSecondRead(CcmEvent.SecondReadDone read)
    {
        readPending = false;
        (ulong epoch, uint theirAttempt) = (partner.BootEpoch, partnerAttempt);
        if (State != HandshakeState.SecondRead || !TakeHead(read.Head))
        {
            return;
        }

        bool same = partner.BootEpoch == epoch && partnerAttempt == theirAttempt;
        if (!same || InboxWord.Unpack(read.Inbox) != new InboxWord(tag, InboxWord.Seen))
        {
            StartOver(
                same ? "our word did not stand in the partner's inbox" : "the partner began anew");
            return;
        }

        // In order but not there yet: read again as it is. A new attempt here never ends (§5).
        bool seen = partnerStatus.Tag == tag && partnerStatus.Handshake >= HandshakePhase.Seen;
        if (seen && Fire(Trigger.SeenBoth))
        {
            Detail = "writing Confirmed into the partner's inbox";
            effects.Add(new CcmEffect.WriteInbox(++operation, new(tag, InboxWord.Confirmed)));
        }
    }

    /// <summary>
    /// Takes identity and status from a page head; false when it must be read again or is refused.
    /// </summary>
    private bool TakeHead(ReadOnlyMemory<byte> head)
    {
        Refusal? refusal = Identity.Read(head.Span, out Identity found);
        if (refusal is null && found.SystemId == settings.Self.SystemId)
        {
            Refuse(new(
                "partner", "another system than this one", $"our own system id {found.SystemId:x}",
                "check the partner's address: it leads back to this node"));
            return false;
        }

        if (refusal is null && found.SystemId != settings.PartnerSystemId)
        {
            Refuse(new("partner", $"system id {settings.PartnerSystemId:x}", $"{found.SystemId:x}",
                "check the partner's address and configured system id"));
            return false;
        }

        if (refusal is not null)
        {
            // A read wider than a word may be torn; what stays wrong is not our partner's page.
            Detail = refusal.ToString();
            if (++tornReads > TornReadsMax)
            {
                Refuse(refusal);
            }

            return false;
        }

        tornReads = 0;
        partner = found;
        partnerStatus = StatusWord.Unpack(
            System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(
                head.Span[StatusPage.StatusOffset..]));
        partnerAttempt = partnerStatus.Attempt;
        return true;
    }

    private void StartOver(string why)
    {
        if (Fire(Trigger.EpochChanged))
        {
            Detail = why;
            phase = HandshakePhase.None;
            PublishStatus();
            effects.Add(new CcmEffect.WatchStatus(false));
        }
    }

    private void CheckPartnerAttempt()
    {
        if (State == HandshakeState.AwaitConfirmed && partnerStatus.Attempt != partnerAttempt)
        {
            StartOver("the partner began anew");
        }
    }

    private void OnInbox()
    {
        if (inbox.Tag != tag || tag == 0)
        {
            return;
        }

        if (inbox.Level >= InboxWord.Confirmed && Fire(Trigger.PartnerConfirmed))
        {
            BeginSession();
        }

        if (Session is not null)
        {
            ReadNextRecord();
        }
    }

    private void WatchSession(bool stands)
    {
        if (partnerStatus.Boot is BootPhase.Stopping)
        {
            EndSession(new(SessionEndReason.DeclaredStop, "the partner says that it stops"));
        }
        else if (partnerStatus.Boot is BootPhase.Panicked)
        {
            EndSession(new(SessionEndReason.DeclaredPanic, "the partner says that it is failing"));
        }
        else if (partnerStatus.Attempt != partnerAttempt || partnerStatus.Tag != tag)
        {
            EndSession(new(SessionEndReason.PartnerRestarted, "the partner began anew"));
        }
        else if (stands)
        {
            EndStill();
        }
    }

    private void EndStill() => EndSession(new(SessionEndReason.BeatStill,
        $"the partner's beat stood still for more than {beat.Limit.TotalMilliseconds:0.0} ms"));

    private void OnPortFailed(CcmEvent.PortFailed failed)
    {
        Refusal = failed.Refusal ?? Refusal;
        if (Session is not null)
        {
            EndSession(new(failed.Reason, failed.Detail));
        }
        else
        {
            Leave(Trigger.PortFailed, failed.Detail);
        }
    }

    private void Refuse(Refusal refusal)
    {
        Refusal = refusal;
        if (Session is not null)
        {
            EndSession(new(SessionEndReason.Refused, refusal.ToString()));
        }
        else
        {
            Leave(Trigger.PartnerRefused, refusal.ToString());
        }
    }

    private void OnBootReached(BootPhase reached)
    {
        bootPhase = reached;
        PublishStatus();
    }

    private void OnStop(string why)
    {
        bootPhase = BootPhase.Stopping;
        if (Session is not null)
        {
            EndSession(new(SessionEndReason.LocalStop, why), Trigger.StopAsked);
        }
        else
        {
            Leave(Trigger.StopAsked, why);
        }
    }

    /// <summary>
    /// Ends the session, once, with its reason; the clients hear of it, and a new attempt is due.
    /// </summary>
    private void EndSession(SessionEnd end, Trigger? by = null)
    {
        if (Session is not { } ended)
        {
            return;
        }

        Session = null;
        LastEnd = end;
        DetectedAfter = now - beat.LastMove;
        // Recorded before what the clients do about it, which may be on the way at once.
        effects.Add(new CcmEffect.SessionEnded(ended, end, PartnerProven: sealIn is not null));
        DropClients(ended, end);
        ForgetExchange();
        effects.Add(new CcmEffect.KeepRing());
        Leave(by ?? end.Reason switch
        {
            SessionEndReason.BeatStill => Trigger.BeatStood,
            SessionEndReason.Refused => Trigger.PartnerRefused,
            _ => Trigger.PortFailed,
        }, end.Detail);
    }

    /// <summary>
    /// Leaves for a state without a session. Watching keeps the port, to see the beat move again;
    /// Refused keeps it until the next attempt, for the partner must read what it is refused for.
    /// </summary>
    private void Leave(Trigger by, string why)
    {
        if (!Fire(by))
        {
            return;
        }

        Detail = why;
        phase = HandshakePhase.None;
        operation++;
        openAt = now + (State == HandshakeState.Refused ? RefusedDelay : backoff.Next());
        PublishStatus();
        if (State == HandshakeState.Watching)
        {
            return;
        }

        effects.Add(new CcmEffect.WatchStatus(false));
        if (State != HandshakeState.Refused)
        {
            effects.Add(new CcmEffect.ClosePort());
        }
    }

    private void PublishStatus() =>
        effects.Add(new CcmEffect.PublishStatus(new(bootPhase, phase, attempt, tag)));
}
