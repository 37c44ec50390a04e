// The connection manager's edge: one thread that owns the core, feeds it and carries out what it
// asks for. The only reader of the clock and the only place of I/O of this module. Its beat is
// moved by a thread that the collector cannot stop, on credit that each turn here renews: a beat
// that stands still means a process that does, or a manager that has hung for as long as the
// credit.
using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Loop;
using StorageOs.Kernel.Loop.Interop;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Ccm;

/// <summary>Preset values of both nodes, by the transport's types as text.</summary>
/// <param name="Transport">What the transport is opened with.</param>
/// <param name="LocalPort">Our well-known port number.</param>
/// <param name="LocalMemoryAddress">Preset address of our status page.</param>
/// <param name="PartnerAddress">The partner's hardware address.</param>
/// <param name="PartnerPort">The partner's well-known port number.</param>
/// <param name="PartnerMemoryAddress">Preset address of the partner's status page.</param>
internal sealed record WellKnownSettings(
    TransportSettings Transport,
    uint LocalPort,
    ulong LocalMemoryAddress,
    string PartnerAddress,
    uint PartnerPort,
    ulong PartnerMemoryAddress);

/// <summary>Runs the core on a thread of its own.</summary>
internal sealed partial class ConnectionManager : IConnectionManager, IDisposable
{
    private static readonly TimeSpan BeatCredit = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan DeclareWait = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan ViewPeriod = TimeSpan.FromMilliseconds(100);

    private readonly CcmSettings settings;
    private readonly WellKnownSettings wellKnown;
    private readonly ITransportProvider provider;
    private readonly ILogger log;
    private readonly CcmCore core;
    private readonly ConcurrentQueue<CcmEvent> inbox = new();

    // A transport's own thread may still ring while the transport is closing; see Doorbell.
    private readonly Doorbell? bell;

    private readonly List<CcmEffect> effects = [];
    private readonly Thread? thread;
    private readonly Action wake;
    private readonly TaskCompletionSource ended =
        new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ITransport? transport;
    private volatile CcmStatus? status;
    private volatile bool stopping;
    private Instant viewDue;
    private bool newsTaken;
    private Glance glance;
    private Figures figures;

    /// <summary>
    /// Makes a manager at rest. With a recorder the partner can read this node's events, and its
    /// own are followed into <paramref name="partnerRing"/>.
    /// </summary>
    public ConnectionManager(
        CcmSettings settings, WellKnownSettings wellKnown, ITransportProvider provider,
        ILoggerFactory logs, FlightRecorder? recorder = null, PartnerRing? partnerRing = null)
    {
        (this.recorder, this.partnerRing) = (recorder, partnerRing);
        this.settings = settings;
        this.wellKnown = wellKnown;
        this.provider = provider;
        log = logs.CreateLogger("core");
        core = new(settings, new MachineRandom());
        bell = new();
        wake = bell.Ring;
        thread = new(Run) { Name = "ccm", IsBackground = true };
    }

    /// <summary>
    /// Makes one without a thread: whoever simulates a node gives it its turns and moves its beat.
    /// </summary>
    /// <param name="settings">Preset values.</param>
    /// <param name="wellKnown">Preset addresses.</param>
    /// <param name="provider">Opens the transport.</param>
    /// <param name="logs">Where it tells what it does.</param>
    /// <param name="random">Where its random choices come from.</param>
    /// <param name="wake">Called when a turn is due before its time.</param>
    public ConnectionManager(
        CcmSettings settings, WellKnownSettings wellKnown, ITransportProvider provider,
        ILoggerFactory logs, IRandomSource random, Action wake)
    {
        (this.settings, this.wellKnown, this.provider) = (settings, wellKnown, provider);
        log = logs.CreateLogger("core");
        core = new(settings, random);
        this.wake = wake;
    }

    /// <inheritdoc/>
    public CcmStatus Status => status ?? BuildStatus();

    /// <inheritdoc/>
    public PartnerView Partner => Status.Partner;

    /// <inheritdoc/>
    public TransportTraits Traits => transport!.Traits;

    /// <inheritdoc/>
    public void Start()
    {
        transport = provider.Open(wellKnown.Transport, Wake);
        MapRegionZero();
        log.LogInformation(
            "region 0 mapped at {Address:x}; beginning the handshake",
            wellKnown.LocalMemoryAddress);
        thread?.Start();
    }

    /// <inheritdoc/>
    public void SetBootPhase(BootPhase phase) => Tell(new CcmEvent.BootReached(phase));

    /// <inheritdoc/>
    public void Started(string name) => Tell(new CcmEvent.ClientStarted(name));

    /// <inheritdoc/>
    public async Task StopAsync(string why)
    {
        // Declared first, so that the partner acts on a word and not on silence.
        Tell(new CcmEvent.BootReached(BootPhase.Stopping));
        long deadline = Stopwatch.GetTimestamp();
        using var timer = new PeriodicTimer(settings.Beat.Period);
        while (Status.Session is not null && Stopwatch.GetElapsedTime(deadline) < DeclareWait)
        {
            _ = await timer.WaitForNextTickAsync().ConfigureAwait(false);
        }

        Tell(new CcmEvent.StopAsked(why));
        stopping = true;
        Wake();
        await ended.Task.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        recorder?.Detach();
        transport?.Dispose();
    }

    private static Instant Now() =>
        new((long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency)));

    private void Tell(CcmEvent input)
    {
        inbox.Enqueue(input);
        Wake();
    }

    private void Wake() => wake();

    private void Run()
    {
        try
        {
            if (!RealTimeThread.TryEnter())
            {
                log.LogInformation(
                    "no real-time priority for the beat; busy programs may delay it "
                    + "(CAP_SYS_NICE)");
            }

            using BeatThread beats = new(ref Page.BeatWord, settings.Beat.Period, BeatCredit);
            status = BuildStatus();
            while (!stopping || !inbox.IsEmpty)
            {
                if (bell!.Wait(settings.Beat.Period))
                {
                    ArmChannel(); // Then this turn polls, for completions may have come between.
                }

                beats.Renew();
                Turn(Now());
            }

            CloseWellKnown();
            ended.SetResult();
        }
        catch (InvariantException bug)
        {
            Page.PublishPanic();
            log.LogCritical(bug, "the node ends: a bug of the connection manager");
            Environment.FailFast("connection manager: " + bug.Message, bug);
        }
    }

    /// <summary>
    /// Takes what there is, until there is nothing more. By the one thread that owns the core.
    /// </summary>
    internal void Turn(Instant now)
    {
        bool progress;
        do
        {
            progress = PollPort(now);
            while (inbox.TryDequeue(out CcmEvent? input))
            {
                core.Step(input, now, effects);
                progress = newsTaken = true;
                Carry(now);
            }
        }
        while (progress);
        core.Step(CcmEvent.Tick.Instance, now, effects);
        Carry(now);
        WatchStatus(now);
        Show(now);
    }

    /// <summary>
    /// Makes what is shown of this anew when it would be another. A turn in which only the
    /// partner's beat was seen, which is nearly all of them, allocates nothing.
    /// </summary>
    private void Show(Instant now)
    {
        Glance seen = new(
            core.State, core.PartnerPhase, core.PartnerEpoch, portConnected && !portFailed);
        Figures counted = figures;
        if (now >= viewDue)
        {
            counted = new(
                core.Beat.LargestGap, core.Beat.Limit, core.Detail, port?.Detail ?? "");
            viewDue = now + ViewPeriod;
        }

        if (!newsTaken && seen == glance && counted == figures)
        {
            return;
        }

        (newsTaken, glance, figures) = (false, seen, counted);
        status = BuildStatus();
        NoteCondition(status.Partner.Condition);
    }

    /// <summary>Carries out what the core asked for.</summary>
    private void Carry(Instant now)
    {
        newsTaken |= effects.Count > 0;
        for (int i = 0; i < effects.Count; i++)
        {
            // A client that is told of the loss asks at once what was seen of the partner.
            if (effects[i] is CcmEffect.DropClient)
            {
                status = BuildStatus();
            }

            Do(effects[i], now);
        }

        effects.Clear();
    }

    private void Do(CcmEffect effect, Instant now)
    {
        switch (effect)
        {
            case CcmEffect.OpenPort e: OpenWellKnown(e.Attempt); break;
            case CcmEffect.ClosePort: CloseWellKnown(); break;
            case CcmEffect.PublishStatus e: Page.PublishStatus(e.Word); break;
            case CcmEffect.PublishConsumed e: Page.PublishConsumed(e.Count); break;
            case CcmEffect.PublishRecord e: Page.PublishRecord(e.Sequence, e.Frame); break;
            case CcmEffect.FirstRead e: PostFirstRead(e.Operation); break;
            case CcmEffect.SecondRead e: PostSecondRead(e.Operation); break;
            case CcmEffect.WriteInbox e: PostInboxWord(e.Operation, e.Word); break;
            case CcmEffect.ReadRecord e: PostRecordRead(e.Operation, e.Sequence); break;
            case CcmEffect.WatchStatus e: watching = e.On; break;
            case CcmEffect.Moved e:
                LogMove(e);
                break;
            case CcmEffect.SessionEnded e:
                LogEnd(e);
                break;
            case CcmEffect.KeepRing:
                KeepRing();
                break;
            default: DoForClient(effect, now); break;
        }
    }

    /// <summary>
    /// Attempts go on for ever and are for debugging; what two connected nodes do is told once.
    /// </summary>
    private void LogMove(CcmEffect.Moved move)
    {
        if (recorder is not null)
        {
            recorder.Session = core.Session;
        }

        if (move.To == HandshakeState.Ready)
        {
            ringIsPartners = true; // Which it has proven.
            KernelEvents.SessionReady.Raise(log, core.Session, core.PartnerInfo?.Name);
        }
        else
        {
            bool connected = move.To is >= HandshakeState.PeerInfo and < HandshakeState.Ready;
            log.Log(
                connected ? LogLevel.Information : LogLevel.Debug,
                "handshake: {From} -> {To} by {Trigger}", move.From, move.To, move.By);
        }
    }

    /// <summary>
    /// A stranger's is no event: it may come every second, and the flight recorder keeps few.
    /// </summary>
    private void LogEnd(CcmEffect.SessionEnded ended)
    {
        if (ended.PartnerProven)
        {
            KernelEvents.SessionEnded.Raise(
                log, ended.Session, ended.End.Reason, ended.End.Detail);
        }
        else
        {
            log.LogWarning(
                "session {Session} ended: {Reason}: {Detail}", ended.Session, ended.End.Reason,
                ended.End.Detail);
        }
    }

    private CcmStatus BuildStatus()
    {
        PartnerView partner = new(
            Condition(), core.PartnerPhase, core.PartnerEpoch, core.Session, core.LastEnd,
            core.Beat.LargestGap, core.Beat.Limit, core.DetectedAfter);
        string state = core.State switch
        {
            HandshakeState.Ready => "Ready",
            HandshakeState.Refused => "Refused",
            HandshakeState.Stopped => "Stopped",
            >= HandshakeState.PeerInfo and <= HandshakeState.AwaitReady => "Exchanging",
            _ => "Connecting",
        };
        return new(
            state, core.State.ToString(), core.Session,
            core.State == HandshakeState.Opening && port is not null ? port.Detail : core.Detail,
            core.Refusal, [.. core.ClientStatus], partner, core.SessionsReady,
            core.HandshakeTook, portConnected && !portFailed ? port?.Detail ?? "" : "");
    }

    private PartnerCondition Condition() => core.State switch
    {
        HandshakeState.Closed or HandshakeState.Opening or HandshakeState.Refused
            or HandshakeState.Stopped or HandshakeState.FirstRead => PartnerCondition.Dead,
        HandshakeState.Watching => PartnerCondition.Stuck,
        _ when core.PartnerPhase is BootPhase.Stopping or BootPhase.Panicked =>
            PartnerCondition.Stopping,
        _ => core.PartnerPhase == BootPhase.Serving
            ? PartnerCondition.Serving
            : PartnerCondition.Booting,
    };

    /// <summary>What is shown in the turn it changes in.</summary>
    private readonly record struct Glance(
        HandshakeState State, BootPhase Phase, ulong Epoch, bool Connected);

    /// <summary>What moves without an event, and is shown a little later.</summary>
    private readonly record struct Figures(
        TimeSpan LargestGap, TimeSpan Limit, string Detail, string PortDetail);

    private sealed class MachineRandom : IRandomSource
    {
        public void Fill(Span<byte> bytes) =>
            System.Security.Cryptography.RandomNumberGenerator.Fill(bytes);

        public double NextDouble() => Random.Shared.NextDouble();
    }
}
