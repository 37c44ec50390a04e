// Two nodes of one client in virtual time, without a kernel: what the client is given is what its
// contract says and no more. One seed is one run, as long as the client uses no threads of its own;
// where it does, the pair waits for what they post.
using System.Diagnostics;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Transports;
using StorageOs.Plugin.Testing.Pair;

namespace StorageOs.Plugin.Testing;

/// <summary>
/// Runs a client on two nodes, which can crash, pause, restart and stop. What the client does
/// against its contract is kept as a fault, and <see cref="Check"/> fails with it. Used by one
/// thread.
/// </summary>
public sealed class ClientPair : IDisposable
{
    /// <summary>How long a node waits for a client's stop.</summary>
    public static readonly TimeSpan StopTimeMax = TimeSpan.FromSeconds(5);

    /// <summary>How long a node may stand still before its partner ends the session.</summary>
    public static readonly TimeSpan BeatLimit = TimeSpan.FromMilliseconds(20);

    // How long a node waits beyond that for the call to come back.
    internal static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(1);

    // How long what the client does on other threads is waited for, in real time: for the next
    // that it posts, and in one wait for all that it posts.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PatienceForAll = TimeSpan.FromSeconds(30);
    private const long NoticeMax = 5 * VirtualTime.Millisecond;

    // How long a port may be closed by the partner alone: its word that it has closed one by
    // intent, or leaves, takes its time.
    private const long ClosedPortPatience = 1000 * VirtualTime.Millisecond;
    private const int LinesKept = 100;
    private readonly Func<IPlugin> plugin;
    private readonly ulong seed;
    private readonly string directory;
    private readonly List<PairBoot> boots = [];
    private readonly List<string> faults = [];
    private readonly Queue<string> story = new();
    private readonly Dictionary<string, int> changes = [];
    private readonly ManualResetEventSlim outside = new();
    private readonly bool atOnce;
    private uint attempts;
    private ulong lastNumber;
    private bool connectIsDue;

    /// <summary>Makes both nodes; neither is started.</summary>
    /// <param name="plugin">Makes the plugin, once for each boot.</param>
    /// <param name="seed">What follows from chance follows from it.</param>
    /// <param name="options">What the client is given; null: nothing of its own.</param>
    public ClientPair(Func<IPlugin> plugin, ulong seed, ClientPairOptions? options = null)
    {
        (this.plugin, this.seed, Options) = (plugin, seed, options ?? new());
        atOnce = seed % 2 == 0;
        Time = new(seed);
        directory = Directory.CreateTempSubdirectory("storageos-pair-").FullName;
        First = NewNode("a", 1);
        Second = NewNode("b", 2);
    }

    /// <summary>Node a.</summary>
    public ClientNode First { get; }

    /// <summary>Node b.</summary>
    public ClientNode Second { get; }

    /// <summary>Virtual time since the start.</summary>
    public TimeSpan Now => TimeSpan.FromTicks(Time.Now / 100);

    /// <summary>What the client has done against its contract.</summary>
    public IReadOnlyList<string> Faults => faults;

    internal VirtualTime Time { get; }

    internal ClientPairOptions Options { get; }

    /// <summary>
    /// Whether an exit is told from a lost link, as by an operating system: in half of all seeds.
    /// </summary>
    internal bool TellsExits => seed / 2 % 2 == 0;

    /// <summary>Starts both nodes and waits until both are ready.</summary>
    public void Start()
    {
        First.Start();
        Second.Start();
        AwaitReady();
    }

    /// <summary>Waits until both clients were told that their partner is ready.</summary>
    public void AwaitReady() => RunUntil(
        () => First.IsReady && Second.IsReady, TimeSpan.FromSeconds(60), "both to be ready");

    /// <summary>Lets time pass.</summary>
    public void Run(TimeSpan time)
    {
        long until = Time.Now + (time.Ticks * 100);
        do
        {
            TakeOutside();
        }
        while (Time.Step(until));
        Time.Pass(until);
    }

    /// <summary>Lets time pass until something holds, and fails when it does not.</summary>
    public void RunUntil(Func<bool> condition, TimeSpan limit, string what)
    {
        ArgumentNullException.ThrowIfNull(condition);
        long until = Time.Now + (limit.Ticks * 100);
        long? waitsSince = null;
        while (!condition())
        {
            outside.Reset(); // Before the look: what is posted after it is waited for and heard.
            TakeOutside();
            if (Time.Step(until))
            {
                continue;
            }

            waitsSince ??= Stopwatch.GetTimestamp();
            if (Stopwatch.GetElapsedTime(waitsSince.Value) > PatienceForAll
                || !outside.Wait(Patience))
            {
                Fault(null, $"did not come within {limit}: {what}");
                Check();
            }

            // Time ran ahead of the other threads: what they have posted has its own.
            until = Time.Now + (limit.Ticks * 100);
        }
    }

    /// <summary>Ends the session, as a lost link does; the nodes find each other again.</summary>
    public void Disconnect()
    {
        if (First.Boot is { } boot)
        {
            EndSession(boot, new(SessionEndReason.EndpointGone, "the link is lost"));
        }
    }

    /// <summary>A number from 0 to below a limit, which follows from the seed.</summary>
    public int Below(int limit) => (int)Time.Below(limit);

    /// <summary>Fails when the client has done anything against its contract.</summary>
    public void Check()
    {
        if (faults.Count > 0)
        {
            Assert.Fail(
                $"seed {seed}: {string.Join("\n", faults.Distinct())}\n\n"
                + string.Join("\n", story));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        First.Crash();
        Second.Crash();
        boots.ForEach(static boot => boot.Dispose());
        outside.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    internal IPlugin NewPlugin() => plugin();

    internal ulong NewNumber() => ++lastNumber;

    internal void Add(PairBoot boot) => boots.Add(boot);

    // Any thread.
    internal void NoteOutside() => outside.Set();

    internal void Tell(ClientNode? node, string line, bool isLog = false)
    {
        lock (story)
        {
            if (isLog)
            {
                node!.Took(line);
            }

            story.Enqueue($"{Time.Now / 1e6,12:0.000} ms  {node?.Name ?? "-"}  {line}");
            if (story.Count > LinesKept)
            {
                _ = story.Dequeue();
            }
        }
    }

    internal void Fault(ClientNode? node, string what)
    {
        Tell(node, "FAULT " + what);
        lock (faults)
        {
            faults.Add(node is null ? what : $"client on {node.Name} {what}");
        }
    }

    internal PartnerView ViewOf(PairBoot of)
    {
        ClientNode other = Other(of.Node);
        PartnerCondition condition = other.Boot is not { } boot ? PartnerCondition.Dead
            : Time.Now < boot.Reactor.PausedUntil ? PartnerCondition.Stuck
            : boot.HasStarted ? PartnerCondition.Serving
            : PartnerCondition.Booting;
        BootSession? session = of.Session;
        return new(
            condition, other.HasStarted ? BootPhase.Serving : BootPhase.Recovering, other.Epoch,
            session?.End is null ? session?.Id : null, of.LastEnd, TimeSpan.Zero, BeatLimit,
            of.DetectedAfter);
    }

    /// <summary>Begins a session soon, if one can.</summary>
    internal void Consider()
    {
        if (!connectIsDue)
        {
            connectIsDue = true;
            Time.After(VirtualTime.Millisecond + Time.Below(NoticeMax), Connect);
        }
    }

    /// <summary>A session ends for one node at once and for the other when it notices.</summary>
    internal void EndSession(PairBoot here, SessionEnd end)
    {
        if (here.Session is not { End: null } session)
        {
            return;
        }

        here.Lose(end, TimeSpan.Zero);
        Notice(here.Node, session.Id, SessionEndReason.PartnerRestarted, "a new attempt");
    }

    internal void NodeDied(PairBoot boot)
    {
        if (boot.Session is { } session)
        {
            Notice(
                boot.Node, session.Id,
                TellsExits ? SessionEndReason.PartnerExited : SessionEndReason.EndpointGone,
                "its process has ended");
        }
    }

    internal void NodeStopped(PairBoot boot)
    {
        if (boot.Session is { } session)
        {
            Notice(boot.Node, session.Id, SessionEndReason.DeclaredStop, "it stops");
        }
    }

    internal void Pause(PairBoot boot, long time)
    {
        long until = Time.Now + time;
        boot.Reactor.PausedUntil = Math.Max(until, boot.Reactor.PausedUntil);
        Time.After(time, Consider);
        if (time <= BeatLimit.Ticks * 100 || boot.Session is not { End: null } session)
        {
            return;
        }

        Time.After(BeatLimit.Ticks * 100, () =>
        {
            if (Other(boot.Node).Boot is { } partner && partner.Session?.Id == session.Id)
            {
                partner.Lose(
                    new(SessionEndReason.BeatStill, $"{boot.Node.Name}'s beat"), BeatLimit);
            }
        });
        Time.After(time, () =>
        {
            if (boot.Session == session && !boot.Reactor.Ended)
            {
                boot.Lose(
                    new(SessionEndReason.PartnerRestarted, "it gave this node up"), TimeSpan.Zero);
            }
        });
    }

    /// <summary>
    /// A port that failed ends the session, for no other path can take it over; one that the
    /// partner has closed alone does so after a while. By then who has said why was heard.
    /// </summary>
    internal void PortFailed(PairBoot boot, BootSession session, PairPort port)
    {
        PortState state = port.State;
        long patience = state == PortState.ClosedByPartner ? ClosedPortPatience : NoticeMax;
        Time.After(patience + Time.Below(NoticeMax), () =>
        {
            if (boot.Session == session && session.Ports.GetValueOrDefault(port.Name) == port
                && port.State == state && !boot.Reactor.Ended)
            {
                EndSession(
                    boot, new(SessionEndReason.EndpointGone, $"port {port.Name}: {state}"));
            }
        });
    }

    /// <summary>Opens a port of a session anew, on both nodes, unless that is overtaken.</summary>
    internal int OpenPort(SessionId id, string name)
    {
        int change = Change(id, name);
        Time.After(1 + Time.Below(NoticeMax), () =>
        {
            if (changes[name] == change && Both(id) is { } both)
            {
                (PairPort a, PairPort b) = Link(both.First, both.Second, name);
                both.First.PortOpened(both.First.Session!, a, change);
                both.Second.PortOpened(both.Second.Session!, b, change);
            }
        });
        return change;
    }

    internal void ClosePort(SessionId id, string name)
    {
        int change = Change(id, name);
        if (Both(id) is { } both)
        {
            both.First.PortClosed(both.First.Session!, name, change);
            both.Second.PortClosed(both.Second.Session!, name, change);
        }
    }

    /// <summary>Tells the twin of memory while the session stands, in the order of it.</summary>
    internal void TellTwin(PairBoot from, SessionId id, string region, IRemoteMemory? memory)
    {
        from.WordArrives = Math.Max(from.WordArrives, Time.Now + 1 + Time.Below(NoticeMax));
        Time.After(from.WordArrives - Time.Now, () =>
        {
            if (Both(id) is { } both)
            {
                PairBoot twin = both.First == from ? both.Second : both.First;
                twin.MemoryChanged(twin.Session!, region, memory);
            }
        });
    }

    private ClientNode NewNode(string name, ulong id) =>
        new(this, name, id, Directory.CreateDirectory(Path.Combine(directory, name)).FullName);

    private ClientNode Other(ClientNode node) => node == First ? Second : First;

    private void TakeOutside()
    {
        foreach (PairBoot boot in boots)
        {
            boot.Reactor.TakeOutside();
        }
    }

    private void Notice(ClientNode from, SessionId id, SessionEndReason reason, string detail)
    {
        long delay = 1 + Time.Below(NoticeMax);
        Time.After(delay, () =>
        {
            if (Other(from).Boot is { } partner && partner.Session?.Id == id)
            {
                partner.Lose(new(reason, detail), TimeSpan.FromTicks(delay / 100));
            }
        });
    }

    private void Connect()
    {
        connectIsDue = false;
        if (First.Boot is not { CanConnect: true } a || Second.Boot is not { CanConnect: true } b
            || Differ(a.Needs!, b.Needs!))
        {
            return;
        }

        attempts++;
        SessionId id = new(First.Epoch, Second.Epoch, attempts, attempts);
        ushort version = a.Needs!.Versions.HighestCommon(b.Needs!.Versions)!.Value;
        BootSession atA = a.Prepare(id, Second.Epoch, version);
        BootSession atB = b.Prepare(id, First.Epoch, version);
        foreach (PortNeed need in a.Needs.Ports)
        {
            _ = Link(a, b, need.Name);
        }

        foreach ((string name, IRemoteMemory memory) in a.OfferAll())
        {
            atB.Memory[name] = memory;
        }

        foreach ((string name, IRemoteMemory memory) in b.OfferAll())
        {
            atA.Memory[name] = memory;
        }

        a.AlertReady();
        b.AlertReady();
    }

    private bool Differ(ClientNeeds a, ClientNeeds b)
    {
        bool same = a.Name == b.Name && a.Versions.HighestCommon(b.Versions) is not null
            && a.Ports.SequenceEqual(b.Ports)
            && a.Regions.Select(Seen).SequenceEqual(b.Regions.Select(Seen));
        if (!same)
        {
            Fault(null, $"the twins need different things: {a} and {b}");
        }

        return !same;

        static (string, int, RemoteAccess, bool) Seen(RegionNeed need) =>
            (need.Name, need.Bytes, need.Access, need.OfferedOnRequest);
    }

    private (PairPort, PairPort) Link(PairBoot a, PairBoot b, string name)
    {
        (PairPort atA, PairPort atB) = (NewPort(a, name), NewPort(b, name));
        (atA.Peer, atB.Peer) = (atB, atA);
        a.Session!.Open(atA);
        b.Session!.Open(atB);
        return (atA, atB);
    }

    private PairPort NewPort(PairBoot boot, string name)
    {
        PortNeed need = boot.Needs!.Ports.First(need => need.Name == name);
        return atOnce ? new PairPort(boot, need) : new PairChannelPort(boot, need);
    }

    /// <summary>Closes a port where it is; later changes overtake earlier ones.</summary>
    private int Change(SessionId id, string name)
    {
        changes[name] = changes.GetValueOrDefault(name) + 1;
        foreach (PairBoot boot in new[] { First.Boot, Second.Boot }.OfType<PairBoot>())
        {
            if (boot.Session is { End: null } session && session.Id == id)
            {
                session.Ports[name].Dispose();
            }
        }

        return changes[name];
    }

    private (PairBoot First, PairBoot Second)? Both(SessionId id) =>
        First.Boot is { Session: { End: null } one } a && one.Id == id
        && Second.Boot is { Session: { End: null } other } b && other.Id == id
            ? (a, b)
            : null;
}
