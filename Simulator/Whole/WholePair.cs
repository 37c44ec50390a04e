// A whole pair in one thread: two nodes of the product's own modules, a witness, clients, and what
// goes wrong. First faults and clients, then the faults end and the pair must come to rest in sync;
// then one node is killed, and the other must have everything.
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Kernel.Ccm;
using StorageOs.NvramMirror;

namespace StorageOs.Simulator.Whole;

/// <summary>What a run came to.</summary>
/// <param name="Seed">Its seed.</param>
/// <param name="Violation">What must not happen and did; null when nothing.</param>
/// <param name="Step">The event in which it was seen.</param>
/// <param name="Steps">Events carried out.</param>
/// <param name="Time">Virtual time that has passed.</param>
/// <param name="Trace">Hash of all that happened.</param>
/// <param name="Operations">Operations of clients that were answered.</param>
/// <param name="Faults">Faults that were injected.</param>
/// <param name="Swaps">Changes of the register.</param>
/// <param name="NeedsForce">A group was left to the operator's word.</param>
/// <param name="Told">The end of the story, when it was asked for.</param>
internal sealed record WholeOutcome(
    ulong Seed, string? Violation, long Step, long Steps, TimeSpan Time, ulong Trace,
    long Operations, long Faults, long Swaps, bool NeedsForce, IReadOnlyList<string> Told);

/// <summary>A pair under simulation.</summary>
internal sealed class WholePair
{
    /// <summary>The pair both nodes belong to.</summary>
    public static readonly Guid PairId = new("2c5e4f60-8d31-4b6e-9a57-0c1d2e3f4a5b");

    private const int FinalReadBytes = 256 * Size.KiB;
    private const long SettleMax = 300 * World.Second;
    private const long NoticeMax = 3 * World.Second;

    private readonly SimulatedClient[] clients;
    private readonly FaultInjector faults;
    private readonly ulong seed;

    /// <summary>Makes a pair whose nodes are switched off.</summary>
    public WholePair(
        ulong seed, FaultKinds kinds, bool telling = false, PairShape? shape = null)
    {
        this.seed = seed;
        Shape = shape ?? PairShape.Of(seed);
        Configuration = SettingsOf(Shape);
        World = new(seed) { Telling = telling };
        Fabric = new(World)
        {
            DelayMax = World.Random.Pick(2_000L, 50_000, 500_000, 5_000_000, 20_000_000),
            AtOnceOneIn = World.Random.Pick(0, 0, 1, 2, 10),
            OneSided = !World.Random.OneIn(4),
            OutlivesPorts = World.Random.OneIn(2),
            TellsExits = World.Random.OneIn(2) | Shape.Witnesses == 0,
            KnowsExits = Shape.Witnesses == 0,
        };
        Registers =
            [.. Enumerable.Range(0, Shape.Witnesses).Select(_ => new SimulatedRegister(World))];
        Beat = BeatLimits.For(TimeSpan.FromMilliseconds(World.Random.Pick(10, 20, 50)));
        TimerGrain = World.Millisecond * World.Random.Pick(5, 10, 20);
        TurnDelayMax = World.Random.Pick(1_000L, 50_000, 1_000_000);
        ThinkMax = World.Millisecond * World.Random.Pick(100, 300, 900) / Shape.Haste;
        Nodes = [new(this, 1), new(this, 2)];
        clients = [.. Enumerable.Range(0, 6).Select(i => new SimulatedClient(
            this, i % 2, i < 2 ? PairShape.LongPatience : Shape.Patience))];
        faults = new(this, (Shape.ChoosesFaults ? SomeOf(kinds) : kinds) & ~Shape.Never);
    }

    /// <summary>Time, choices, and what happened.</summary>
    public World World { get; }

    /// <summary>The way between the nodes.</summary>
    public Fabric Fabric { get; }

    /// <summary>The witnesses; the register begins in the first and may move to the next.</summary>
    public IReadOnlyList<SimulatedRegister> Registers { get; }

    /// <summary>Both nodes, by id.</summary>
    public WholeNode[] Nodes { get; }

    /// <summary>What the clients saw.</summary>
    public History History { get; } = new();

    /// <summary>Memory of this run.</summary>
    public MemoryPool Memory { get; } = new();

    /// <summary>The pair's key.</summary>
    public byte[] Key { get; } = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    /// <summary>What the pair and its clients are like.</summary>
    public PairShape Shape { get; }

    /// <summary>Settings of the plugins.</summary>
    public IConfiguration Configuration { get; }

    /// <summary>Terms of the beat detectors.</summary>
    public BeatLimits Beat { get; }

    /// <summary>The most nanoseconds between a wake and the turn.</summary>
    public long TurnDelayMax { get; }

    /// <summary>The least nanoseconds between two turns for timers alone.</summary>
    public long TimerGrain { get; }

    /// <summary>The most nanoseconds between two operations of a client.</summary>
    public long ThinkMax { get; }

    /// <summary>Whether clients begin nothing new.</summary>
    public bool ClientsRest { get; private set; }

    /// <summary>Whether a group waits for the operator's word.</summary>
    public bool NeedsForce { get; private set; }

    /// <summary>
    /// A group's entry as it stands: in the one witness that has it alive, or in the later of both
    /// nodes' records where there is none.
    /// </summary>
    public RegisterEntry? Entry(GroupId group)
    {
        if (Registers.Count > 0)
        {
            return Registers.Select(one => one.Entry(group))
                .LastOrDefault(static one => one is { Sync: not SyncState.Moved });
        }

        return Nodes.Select(node => node.RecordOf(group))
            .OrderBy(static one => one?.Term.Value).Last();
    }

    /// <summary>The group of a volume.</summary>
    public static GroupId GroupOf(int volume) => new((byte)volume);

    private FaultKinds SomeOf(FaultKinds kinds) =>
        ((FaultKinds)World.Random.Next() | Shape.Always) & kinds;

    private static IConfiguration SettingsOf(PairShape shape) => new ConfigurationBuilder()
        .AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["logBytes"] = $"{Size.MiB}",
            ["volumes:0:name"] = "vol0",
            ["volumes:0:group"] = "0",
            ["volumes:0:sizeBytes"] = $"{shape.VolumeBytes}",
            ["volumes:1:name"] = "vol1",
            ["volumes:1:group"] = "1",
            ["volumes:1:sizeBytes"] = $"{shape.VolumeBytes}",
        }).Build();

    /// <summary>Runs the whole story.</summary>
    public WholeOutcome Run()
    {
        // Of the world itself there is no context: with one of the caller's, an await that needs
        // none would go on on a thread of the pool.
        SynchronizationContext? callers = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            return Tell();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(callers);
        }
    }

    private WholeOutcome Tell()
    {
        foreach (WholeNode node in Nodes)
        {
            World.After(World.Random.Below(World.Second), node.Boot);
        }

        foreach (SimulatedClient client in clients)
        {
            client.Start();
        }

        World.After(World.Second, faults.Start);
        RunFor((6 + World.Random.Below(12)) * World.Second);
        faults.StopAndHeal();
        Settle();
        if (World.Violation is null && !NeedsForce)
        {
            LoseOneNode();
        }

        if (World.Violation is null && History.Refute() is { } why)
        {
            World.Fail(why);
        }

        WholeOutcome outcome = new(
            seed, World.Violation, World.ViolationStep, World.Steps,
            TimeSpan.FromMicroseconds(World.Now / 1000), World.Trace,
            clients.Sum(static client => client.Answered), faults.Count,
            Registers.Sum(static one => one.Swaps), NeedsForce, [.. World.Told]);
        Memory.ReturnAll();
        return outcome;
    }

    /// <summary>A boot has ended: connections to it are broken.</summary>
    public void BootEnded(WholeNode node)
    {
        foreach (SimulatedClient client in clients)
        {
            client.BootEnded(node);
        }
    }

    /// <summary>Looks at what must hold at every moment, after a turn of a node.</summary>
    public void Look(WholeNode node)
    {
        WholeNode other = node.Partner;
        if (!node.IsUp || !node.HasStarted)
        {
            return;
        }

        foreach (GroupId group in GroupId.All)
        {
            LogRole mine = node.Mirror.Log(group).Role;
            World.Mix((ulong)mine);
            if (World.Telling)
            {
                node.TellState(group);
            }

            if (!other.IsUp || !other.HasStarted)
            {
                continue;
            }

            LogRole theirs = other.Mirror.Log(group).Role;
            if ((AnswersAlone(mine) && AnswersAlone(theirs))
                || (mine == LogRole.Mirrored && theirs == LogRole.Mirrored))
            {
                World.Fail($"{group}: {node.Name} is {mine} and {other.Name} is {theirs}");
            }
        }
    }

    private static bool AnswersAlone(LogRole role) => role is LogRole.Alone or LogRole.Resyncing;

    private void RunFor(long time)
    {
        long end = World.Now + time;
        while (World.Violation is null && World.Step(end))
        {
        }
    }

    private bool RunUntil(Func<bool> holds, long limit)
    {
        long end = World.Now + limit;
        long look = 0;
        while (World.Violation is null && World.Step(end))
        {
            if (World.Now >= look)
            {
                look = World.Now + (50 * World.Millisecond);
                if (holds())
                {
                    return true;
                }
            }
        }

        return World.Violation is null && holds();
    }

    /// <summary>With no fault any more the pair comes to rest: in sync, and all answered.</summary>
    private void Settle()
    {
        RunFor(NoticeMax); // Word of the last faults is still on its way.
        if (!RunUntil(() => IsInSync() || MayNeedForce(), SettleMax / 2))
        {
            World.Fail($"the pair does not come to rest: {Describe()}");
        }

        if (!IsInSync())
        {
            RunFor(NoticeMax);
            NeedsForce = MayNeedForce();
        }

        if (NeedsForce)
        {
            return;
        }

        Await(IsInSync, "the pair does not come to rest");
        ClientsRest = true;
        Await(AreClientsIdle, "clients are not answered");
        Await(() => IsInSync() && IsOnDisk(), "the log is not moved to both disks");
    }

    private void Await(Func<bool> holds, string otherwise)
    {
        if (!RunUntil(holds, SettleMax) && World.Violation is null)
        {
            World.Fail($"{otherwise}: {Describe()}");
        }
    }

    private bool IsOnDisk() => GroupId.All.All(group => Nodes.All(node =>
        node.Mirror.Log(group) is var log && log.Flushed == log.Acknowledged
        && log.Acknowledged == node.Partner.Mirror.Log(group).Acknowledged));

    /// <summary>
    /// S1, L7: an owner that marked its partner and then lost its memory leaves nobody who may
    /// serve; so do two losses at once. The register keeps such a group for the operator's word.
    /// An owner whose disk has failed while its partner was stale waits for a person, too: its log
    /// and the failed disk are all there is.
    /// </summary>
    private bool MayNeedForce() => GroupId.All.Any(group => Nodes.Any(node =>
        node is { IsUp: true, HasStarted: true }
        && (node.Monitor.Of(group).Why.Contains("only force", StringComparison.Ordinal)
            || (node.Volumes.DiskFault(group) is not null
                && Entry(group) is { Sync: SyncState.Stale } entry
                && entry.Owner == node.Id))));

    private bool AreClientsIdle() => clients.All(static client => !client.IsBusy);

    private bool IsInSync() => GroupId.All.All(group =>
        Entry(group) is { Sync: SyncState.InSync } entry
        && Nodes.All(static node => node is { IsUp: true, HasStarted: true, IsToDie: false }
            && node.Manager.Status.State == "Ready")
        && Nodes.All(node => node.Mirror.Log(group).Role
            == (node.Id == entry.Owner ? LogRole.Mirrored : LogRole.Passive)
            && (Registers.Count > 0
                || node.Monitor.Driver(group)?.Core.Known?.Term == entry.Term)));

    private string Describe() => string.Join("; ", GroupId.All.SelectMany(group =>
        Nodes.Where(static node => node.IsUp && node.HasStarted).Select(node =>
            $"{group} {node.Name}: {node.Mirror.Log(group).Role}, {node.Monitor.Of(group).State}, "
            + $"{node.Monitor.Of(group).Why}, {Entry(group)?.Sync}, "
            + $"{node.Mirror.Report()?[group.Value]?.ToJsonString()}")));

    /// <summary>One node dies for good: the other has everything that was acknowledged.</summary>
    private void LoseOneNode()
    {
        CompareDisks();
        WholeNode lost = faults.Rotten ?? Nodes[World.Random.Below(2)];
        lost.Kill("for good");
        bool serves = RunUntil(
            () => GroupId.All.All(group => lost.Partner.Monitor.Of(group).Serves), SettleMax);
        if (!serves)
        {
            World.Fail($"{lost.Partner.Name} does not serve alone: {Describe()}");
            return;
        }

        for (int volume = 0; volume < lost.Partner.Volumes.All.Count; volume++)
        {
            int pieces = (Shape.VolumeBytes + FinalReadBytes - 1) / FinalReadBytes;
            for (int piece = 0; piece < pieces && World.Violation is null; piece++)
            {
                ReadAll(lost.Partner, volume, piece * FinalReadBytes);
            }
        }
    }

    private void CompareDisks()
    {
        foreach (string name in (ReadOnlySpan<string>)["vol0", "vol1"])
        {
            if (!Nodes[0].DiskOf(name, Shape.VolumeBytes).Current.AsSpan()
                .SequenceEqual(Nodes[1].DiskOf(name, Shape.VolumeBytes).Current))
            {
                World.Fail($"the disks of {name} differ");
            }
        }
    }

    private void ReadAll(WholeNode node, int volume, int offset)
    {
        int length = Math.Min(FinalReadBytes, Shape.VolumeBytes - offset);
        FinalRead read = new() { Offset = offset, Length = length, Buffer = new byte[length] };
        long begun = History.Tick();
        node.Reactor.Post(_ => node.Volumes.All[volume].Submit(read), null);
        if (!RunUntil(() => read.Status is not null, SettleMax) || read.Status != VolumeStatus.Ok)
        {
            World.Fail($"volume {volume} can't be read in the end: {read.Status}");
            return;
        }

        for (int at = 0; at < length; at += History.BlockBytes)
        {
            int block = (offset + at) / History.BlockBytes;
            if (History.ValueOf(read.Buffer.Span.Slice(at, History.BlockBytes)) is { } value)
            {
                History.AddRead(volume, block, value, begun);
            }
            else
            {
                World.Fail($"volume {volume} block {block} is torn in the end");
            }
        }
    }

    private sealed class FinalRead : VolumeRequest
    {
        public VolumeStatus? Status { get; private set; }

        public override void Complete(VolumeStatus status) => Status = status;
    }
}
