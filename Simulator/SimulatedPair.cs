// Two connection managers in one thread from one seed, in virtual time. The network is a reliable
// connection between two attempts: operations of one node execute at the partner in order after a
// random delay and complete after another; a lost operation fails the connection, before or
// after it
// took effect. Completions may also be delivered twice, and an inbox write may strike again long
// after its connection is gone.
using System.Text;
using Stateless;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Simulator;

/// <summary>What goes wrong, as chances of one in so many (0: never).</summary>
public sealed record PairFaults
{
    /// <summary>An operation is lost and its connection fails.</summary>
    public int LoseOneIn { get; init; }

    /// <summary>A completion is delivered twice.</summary>
    public int RepeatOneIn { get; init; }

    /// <summary>An inbox write strikes again later, whatever has happened meanwhile.</summary>
    public int StrikeAgainOneIn { get; init; }

    /// <summary>In each millisecond: a node reboots.</summary>
    public int RebootOneIn { get; init; }

    /// <summary>In each millisecond: a node makes no turn for a while.</summary>
    public int PauseOneIn { get; init; }

    /// <summary>In each millisecond: a client is loaded or leaves on some node.</summary>
    public int ClientChangeOneIn { get; init; }

    /// <summary>The most microseconds an operation or its completion takes.</summary>
    public int DelayMicrosecondsMax { get; init; } = 400;
}

/// <summary>A pair under simulation.</summary>
internal sealed class SimulatedPair
{
    /// <summary>The pair both nodes belong to.</summary>
    public static readonly Guid PairId = new("6f8d8a04-52b7-4a5c-9d0a-1f2e3d4c5b6a");

    /// <summary>
    /// Terms of the detector: virtual time has no jitter, so the product's floor is ample from
    /// the start.
    /// </summary>
    public static readonly BeatLimits Beat = BeatLimits.Default with { SettleTime = TimeSpan.Zero };

    private static readonly TimeSpan TurnPeriod = TimeSpan.FromMilliseconds(1);
    private readonly PriorityQueue<Action, (long At, long Order)> queue = new();
    private readonly Random random;
    private readonly PairFaults faults;
    private readonly StringBuilder transcript = new();
    private readonly Dictionary<SimulatedNode, long> lastArrival = [];
    private long order;
    private long connection;
    private bool connected;

    public SimulatedPair(
        ulong seed, PairFaults? faults = null, byte[]? keyOfB = null,
        Func<StateMachine<HandshakeState, Trigger>>? table = null,
        Func<SimulatedNode, CcmEffect, bool>? mutant = null)
    {
        random = new Random((int)(seed ^ (seed >> 32)));
        this.faults = faults ?? new();
        (Table, Mutant) = (table, mutant);
        byte[] key = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
        A = new(this, "a", 1, 2, key);
        B = new(this, "b", 2, 1, keyOfB ?? key);
    }

    public SimulatedNode A { get; }

    public SimulatedNode B { get; }

    public Instant Now { get; private set; }

    /// <summary>Until when reads of the partner's words are not answered, nor fail.</summary>
    public Instant SilentUntil { get; set; }

    /// <summary>Handshake table to use in place of the product's.</summary>
    public Func<StateMachine<HandshakeState, Trigger>>? Table { get; }

    /// <summary>Sees each effect first; false drops it: how planted bugs are planted.</summary>
    public Func<SimulatedNode, CcmEffect, bool>? Mutant { get; }

    /// <summary>What happened, line by line, readable.</summary>
    public string Transcript => transcript.ToString();

    public bool BothReady =>
        A.Core.State == HandshakeState.Ready && B.Core.State == HandshakeState.Ready
        && A.Core.Session == B.Core.Session;

    public static ClientNeeds Client(string name) => new(
        name, new(1, 1), [new("port", 8)], [new("memory", 4096,
            Contracts.Transports.RemoteAccess.Write)]);

    public IRandomSource RandomOf(SimulatedNode node) => new Seeded(random.Next());

    public void Note(SimulatedNode node, string what) =>
        transcript.Append($"{Now.Nanoseconds / 1000,8} us  {node.Name}  ").Append(what).Append(
            '\n');

    public void Start(SimulatedNode node, params ClientNeeds[] clients)
    {
        node.Boot(clients);
        if (!started.Add(node))
        {
            return;
        }

        Schedule(TimeSpan.Zero, () => TurnOf(node));
    }

    private readonly HashSet<SimulatedNode> started = [];

    /// <summary>Runs for so long; faults happen only while <paramref name="withFaults"/>.</summary>
    public void Run(TimeSpan time, bool withFaults = false)
    {
        Instant end = Now + time;
        injecting = withFaults;
        while (queue.TryPeek(out _, out (long At, long Order) next) && next.At <= end.Nanoseconds)
        {
            Action action = queue.Dequeue();
            Now = new(next.At);
            action();
        }

        Now = end;
        injecting = false;
    }

    private bool injecting;

    /// <summary>
    /// Runs event by event until a condition holds; false when it did not within the time.
    /// </summary>
    public bool RunUntil(Func<bool> condition, TimeSpan limit)
    {
        Instant end = Now + limit;
        while (!condition() && queue.TryPeek(out _, out (long At, long Order) next)
            && next.At <= end.Nanoseconds)
        {
            Action action = queue.Dequeue();
            Now = new(next.At);
            action();
        }

        return condition();
    }

    /// <summary>The link is cut; both notice a little later.</summary>
    public void Cut() => BreakBoth("cut");

    /// <summary>The node loses its power and comes up again at once.</summary>
    public void Reboot(SimulatedNode node, params ClientNeeds[] clients)
    {
        Break("endpoint gone", PartnerOf(node));
        node.Boot(clients);
    }

    public void Opened(SimulatedNode node)
    {
        if (PartnerOf(node).PortOpen && A.PortOpen && B.PortOpen && !connected)
        {
            connected = true;
            long mine = ++connection;
            foreach (SimulatedNode each in new[] { A, B })
            {
                uint attempt = each.Attempt;
                Schedule(Delay(), () => InConnection(mine, () =>
                    each.Deliver(new CcmEvent.PortConnected(attempt))));
            }
        }
    }

    public void Closed(SimulatedNode node) => Break("closed by partner", PartnerOf(node));

    public SimulatedNode PartnerOf(SimulatedNode node) => node == A ? B : A;

    /// <summary>
    /// An answer from the node's own edge, a little later, unless the node rebooted.
    /// </summary>
    public void Later(SimulatedNode node, CcmEvent input)
    {
        ulong epoch = node.Epoch;
        Schedule(Delay(), () => WhenAwake(node, epoch, () => node.Deliver(input)));
    }

    public void BecameReady(SimulatedNode node)
    {
        SessionId session = node.Core.Session!.Value;
        _ = node.ReadySessions.Add(session);
        SimulatedNode partner = PartnerOf(node);
        ulong partnerEpoch = node == A ? session.HighEpoch : session.LowEpoch;
        bool sameBoot = (partnerEpoch & 0xffffffff) == partner.Epoch;
        Invariant.Require(!sameBoot || partner.Core.Session == session
            || partner.Core.LastEnd is not null);
        Invariant.Require(!(partner.Core.State == HandshakeState.Ready && sameBoot)
            || partner.Core.Session == session);
    }

    /// <summary>Takes an operation on the partner's memory.</summary>
    public void Post(SimulatedNode node, CcmEffect operation)
    {
        if (!connected)
        {
            return;
        }

        long mine = connection;
        ulong epoch = node.Epoch;
        if (Chance(faults.LoseOneIn))
        {
            bool lands = random.Next(2) == 0;
            Schedule(Delay(), () =>
            {
                if (lands && mine == connection)
                {
                    _ = Execute(node, operation);
                }

                InConnection(mine, () => BreakBoth("operation lost"));
            });
            return;
        }

        // In order within a connection: never before what was posted earlier.
        long at = Math.Max(lastArrival.GetValueOrDefault(node), (Now + Delay()).Nanoseconds);
        lastArrival[node] = at;
        queue.Enqueue(
            () => InConnection(mine, () => Arrive(node, epoch, mine, operation)), (at, order++));
    }

    private void Arrive(SimulatedNode node, ulong epoch, long mine, CcmEffect operation)
    {
        CcmEvent? answer = Execute(node, operation);
        if (operation is CcmEffect.WriteInbox write && Chance(faults.StrikeAgainOneIn))
        {
            SimulatedNode partner = PartnerOf(node);
            Schedule(TimeSpan.FromMilliseconds(random.Next(30)), () => partner.Inbox =
                write.Word.Packed);
        }

        int times = Chance(faults.RepeatOneIn) ? 2 : 1;
        long at = Math.Max(lastArrival.GetValueOrDefault(node), (Now + Delay()).Nanoseconds);
        for (int i = 0; i < times && answer is not null; i++)
        {
            queue.Enqueue(
                () => InConnection(mine, () => WhenAwake(node, epoch, () => node.Deliver(answer))),
                (at + i, order++));
        }
    }

    private CcmEvent? Execute(SimulatedNode node, CcmEffect operation)
    {
        SimulatedNode partner = PartnerOf(node);
        switch (operation)
        {
            case CcmEffect.FirstRead e:
                return new CcmEvent.FirstReadDone(e.Operation,
                    partner.Page[..StatusPage.HeadBytes].ToArray());
            case CcmEffect.SecondRead e:
                return new CcmEvent.SecondReadDone(
                    e.Operation, partner.Page[..StatusPage.HeadBytes].ToArray(), partner.Inbox);
            case CcmEffect.WriteInbox e:
                partner.Inbox = e.Word.Packed;
                return new CcmEvent.InboxWritten(e.Operation);
            case CcmEffect.ReadRecord e:
                return new CcmEvent.RecordRead(
                    e.Operation, partner.Page.Slice(StatusPage.SlotOffset(e.Sequence),
                        StatusPage.SlotBytes).ToArray());
            default:
                return null;
        }
    }

    private void TurnOf(SimulatedNode node)
    {
        Schedule(TurnPeriod, () => TurnOf(node));
        if (injecting)
        {
            Inject(node);
        }

        if (Now < node.PausedUntil)
        {
            return;
        }

        node.Turn();
        SimulatedNode partner = PartnerOf(node);
        if (node.Watching && connected && partner.Core is not null)
        {
            ulong status = partner.Word(StatusPage.StatusOffset);
            ulong beat = partner.Word(StatusPage.BeatOffset);
            ulong consumed = partner.Word(StatusPage.ConsumedOffset);
            if (Now < SilentUntil)
            {
                node.DeliverNothing();
                return;
            }

            node.DeliverStatus(status, beat, consumed);
        }
    }

    private void Inject(SimulatedNode node)
    {
        if (Chance(faults.RebootOneIn))
        {
            Reboot(node, Client("alpha"), Client(node.Name == "a" ? "only-a" : "beta"));
        }

        if (Chance(faults.PauseOneIn))
        {
            node.PausedUntil = Now + TimeSpan.FromMilliseconds(random.Next(60));
        }

        if (Chance(faults.ClientChangeOneIn))
        {
            node.Unload("beta", "asked");
            node.Load(Client("beta"));
        }
    }

    private void WhenAwake(SimulatedNode node, ulong epoch, Action action)
    {
        if (node.Epoch != epoch)
        {
            return;
        }

        if (Now < node.PausedUntil)
        {
            queue.Enqueue(
                () => WhenAwake(node, epoch, action), (node.PausedUntil.Nanoseconds, order++));
            return;
        }

        action();
    }

    private void Break(string why, params SimulatedNode[] told)
    {
        if (!connected)
        {
            return;
        }

        connected = false;
        lastArrival.Clear();
        SessionEndReason reason = why == "endpoint gone"
            ? SessionEndReason.EndpointGone : SessionEndReason.PartnerRestarted;
        foreach (SimulatedNode node in told)
        {
            uint attempt = node.Attempt;
            ulong epoch = node.Epoch;
            Schedule(Delay(), () => WhenAwake(node, epoch, () =>
                node.Deliver(new CcmEvent.PortFailed(attempt, reason, why))));
        }
    }

    private void BreakBoth(string why) => Break(why, A, B);

    private void InConnection(long mine, Action action)
    {
        if (connected && mine == connection)
        {
            action();
        }
    }

    private bool Chance(int oneIn) => injecting && oneIn > 0 && random.Next(oneIn) == 0;

    private TimeSpan Delay() =>
        TimeSpan.FromMicroseconds(1 + random.Next(faults.DelayMicrosecondsMax));

    private void Schedule(TimeSpan delay, Action action) =>
        queue.Enqueue(action, ((Now + delay).Nanoseconds, order++));

    private sealed class Seeded(int seed) : IRandomSource
    {
        private readonly Random random = new(seed);

        public void Fill(Span<byte> bytes) => random.NextBytes(bytes);

        public double NextDouble() => random.NextDouble();
    }
}
