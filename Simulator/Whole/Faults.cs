using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.Volumes;

namespace StorageOs.Simulator.Whole;

/// <summary>What may go wrong in a run.</summary>
[Flags]
internal enum FaultKinds
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The link is cut, or gets slow.</summary>
    Network = 1,

    /// <summary>A process is killed, at any await and any write to disk.</summary>
    Kill = 2,

    /// <summary>A process, or one of its threads, makes no turn.</summary>
    Pause = 4,

    /// <summary>A machine loses its power: unsynced writes are torn or lost.</summary>
    Power = 8,

    /// <summary>A disk is slow, full or fails.</summary>
    Disk = 16,

    /// <summary>A bit of a log's memory turns over.</summary>
    Rot = 32,

    /// <summary>A clock jumps, or goes at another rate.</summary>
    Clock = 64,

    /// <summary>The witness is down, slow, or loses requests and answers.</summary>
    Witness = 128,

    /// <summary>An operator moves a group, or stops a node in good order.</summary>
    Operator = 256,

    /// <summary>A revocation does nothing, as its probe shows.</summary>
    Revoke = 512,

    /// <summary>All of them.</summary>
    All = 1023,
}

/// <summary>Makes things go wrong at times that the seed chooses.</summary>
internal sealed class FaultInjector(WholePair pair, FaultKinds kinds)
{
    private readonly FaultKinds[] enabled =
        [.. Enum.GetValues<FaultKinds>().Where(kind =>
            kind is not (FaultKinds.None or FaultKinds.All) && kinds.HasFlag(kind))];

    private bool stopped;

    // A node whose copy may be lost is the pair's one loss until both are in sync again: two at
    // once are a loss of data that no pair survives.
    private WholeNode? impaired;

    private World World => pair.World;

    private SeededRandom Random => pair.World.Random;

    /// <summary>What went wrong so far.</summary>
    public long Count { get; private set; }

    /// <summary>The mean time between two faults.</summary>
    public long Mean { get; } = World.Second * pair.World.Random.Pick(1, 1, 2, 3, 5) / 2;

    /// <summary>Begins.</summary>
    public void Start()
    {
        if (enabled.Length > 0)
        {
            Next();
        }
    }

    /// <summary>Nothing goes wrong any more, and what is wrong is put right.</summary>
    public void StopAndHeal()
    {
        stopped = true;
        pair.Fabric.Heal();
        foreach (SimulatedRegister register in pair.Registers)
        {
            (register.IsDown, register.LoseOneIn) = (false, 0);
            register.DelayMax = World.Millisecond;
        }

        foreach (WholeNode node in pair.Nodes)
        {
            HealNode(node);
            if (!node.IsUp)
            {
                node.Boot();
            }
        }
    }

    /// <summary>The node whose memory may be rotten where nobody has read since.</summary>
    public WholeNode? Rotten { get; private set; }

    private void HealNode(WholeNode node)
    {
        node.DiskState = DiskResult.Ok;
        node.DiskDelayMax = pair.Shape.DiskDelayMax;
        node.RevokeFails = false;
        node.SetClock(1, TimeSpan.Zero);
        node.DieAtPoint(-1);
        node.DiesWhenAnswered = false;
    }

    private void Next() => World.After(Random.Below(2 * Mean), () =>
    {
        if (!stopped)
        {
            Count++;
            Inject(Random.Pick<FaultKinds>(enabled), pair.Nodes[Random.Below(2)]);
            if (Random.OneIn(3))
            {
                // Soon after it another: what is dangerous lies between two.
                World.After(Random.Below(Random.Pick(10, 300) * World.Millisecond), () =>
                {
                    if (!stopped)
                    {
                        Inject(Random.Pick<FaultKinds>(enabled), pair.Nodes[Random.Below(2)]);
                    }
                });
            }

            Next();
        }
    });

    private void Inject(FaultKinds kind, WholeNode node)
    {
        World.Tell($"fault: {kind} at {node.Name}");
        switch (kind)
        {
            case FaultKinds.Network: Network(); break;
            case FaultKinds.Kill: Kill(node); break;
            case FaultKinds.Pause: Pause(node); break;
            case FaultKinds.Power: LosePower(node); break;
            case FaultKinds.Disk: BreakDisk(node); break;
            case FaultKinds.Rot: Rot(node); break;
            case FaultKinds.Clock: Turn(node); break;
            case FaultKinds.Witness: Witness(); break;
            case FaultKinds.Operator: Operate(node); break;
            case FaultKinds.Revoke: FailRevoke(node); break;
            default: throw new InvariantException($"no fault: {kind}");
        }
    }

    /// <summary>Puts something right after a while; a length that the seed chooses.</summary>
    private void Later(Action heal, long mean = 2 * World.Second) =>
        World.After(1 + Random.Below(2 * (Random.OneIn(5) ? mean * 5 : mean)), () =>
        {
            if (!stopped)
            {
                heal();
            }
        });

    private void Network()
    {
        if (Random.OneIn(2))
        {
            pair.Fabric.Cut(
                World.Millisecond * Random.Pick(1, 50), World.Millisecond * Random.Pick(1, 2000));
            Later(pair.Fabric.Heal);
        }
        else
        {
            pair.Fabric.SlowFactor = Random.Pick(10, 100, 2000);
            Later(() => pair.Fabric.SlowFactor = 1);
            if (Random.OneIn(2) && kinds.HasFlag(FaultKinds.Kill))
            {
                WholeNode node = pair.Nodes[Random.Below(2)];
                node.DiesWhenAnswered = true;
                BootLater(node);
            }
        }
    }

    private void Kill(WholeNode node)
    {
        if (Random.OneIn(3))
        {
            node.Kill("by itself");
        }
        else if (Random.OneIn(3))
        {
            node.DiesWhenAnswered = true;
        }
        else
        {
            node.DieAtPoint(1 + Random.Below(Random.Pick(20, 400)));
        }

        BootLater(node);
        if (Random.OneIn(6))
        {
            node.Partner.DieAtPoint(1 + Random.Below(200));
            BootLater(node.Partner);
        }
    }

    /// <summary>Boots a node that is to die at some point; after the faults, too.</summary>
    private void BootLater(WholeNode node) =>
        World.After(1 + Random.Below(4 * World.Second), () =>
        {
            if (!node.IsUp)
            {
                node.Boot();
            }
            else if (node.IsToDie)
            {
                BootLater(node); // The point was not reached yet.
            }
        });

    private void Pause(WholeNode node)
    {
        long until = World.Now
            + (World.Millisecond * (1 + Random.Below(Random.Pick(20, 300, 8000))));
        if (Random.OneIn(3))
        {
            node.ReactorPausedUntil = until;
        }
        else
        {
            node.PausedUntil = until;
        }
    }

    private void LosePower(WholeNode node)
    {
        if (pair.Shape.Persistence == PersistenceLevel.Process && !MayImpair(node))
        {
            return;
        }

        node.LosePower();
        BootWithPower(node);
        if (pair.Shape.Persistence == PersistenceLevel.Power && Random.OneIn(2))
        {
            node.Partner.LosePower();
            BootWithPower(node.Partner);
        }
    }

    private void BootWithPower(WholeNode node) => Later(() =>
    {
        if (!node.IsUp)
        {
            node.Boot();
        }
    });

    private void BreakDisk(WholeNode node)
    {
        int how = Random.Below(4);
        if (how == 0)
        {
            node.DiskDelayMax = World.Millisecond * Random.Pick(20, 500);
            Later(() => node.DiskDelayMax = pair.Shape.DiskDelayMax);
            return;
        }

        bool full = how < 3 || !MayImpair(node);
        node.DiskState = full ? DiskResult.NoSpace : DiskResult.Failed;
        Later(() => node.DiskState = DiskResult.Ok);
    }

    private void Rot(WholeNode node)
    {
        // A copy that nobody else can write to was read whole when that began, and is memory like
        // any other from then on.
        bool isReadAgain = !node.IsUp || GroupId.All.All(group =>
            pair.Entry(group)?.Owner != node.Id
            && node.Mirror.Log(group).Role is LogRole.Idle or LogRole.Passive);
        if (isReadAgain && MayImpair(node))
        {
            node.Rot();
            Rotten = node;
        }
    }

    private void Turn(WholeNode node)
    {
        double rate = Random.Pick(0.2, 0.5, 0.9, 1.0, 1.1, 2, 5);
        TimeSpan jump = Random.OneIn(2)
            ? TimeSpan.FromMilliseconds(Random.Below(Random.Pick(100, 10_000, 100_000_000)))
            : TimeSpan.Zero;
        node.SetClock(rate, jump);
    }

    private void Witness()
    {
        SimulatedRegister register = pair.Registers.Count == 1
            ? pair.Registers[0] : pair.Registers[Random.Below(pair.Registers.Count)];
        switch (Random.Below(3))
        {
            case 0:
                register.IsDown = true;
                Later(() => register.IsDown = false);
                break;
            case 1:
                register.DelayMax = World.Millisecond * Random.Pick(20, 200, 1500);
                Later(() => register.DelayMax = World.Millisecond);
                break;
            default:
                register.LoseOneIn = 1 + Random.Below(4);
                Later(() => register.LoseOneIn = 0);
                break;
        }
    }

    private void Operate(WholeNode node)
    {
        if (!node.IsUp || !node.HasStarted)
        {
            return;
        }

        if (Random.OneIn(4))
        {
            node.StopInOrder();
            BootLater(node);
            return;
        }

        if (pair.Registers.Count > 1 && Random.OneIn(3))
        {
            node.MoveRegister();
            return;
        }

        GroupId group = new((byte)Random.Below(GroupId.Count));
        ulong request = Random.Next() | 1;
        node.Reactor.Post(
            _ => node.Monitor.Driver(group)?.Feed(new TakeoverAsked(request)), null);
    }

    private void FailRevoke(WholeNode node)
    {
        node.RevokeFails = true;
        Later(() => node.RevokeFails = false, World.Second / 2);
        if (pair.Shape == PairShape.Impatient)
        {
            // Nothing is revoked but after a loss: of a partner that wakes again and writes on.
            node.Partner.PausedUntil = World.Now
                + (World.Millisecond * (50 + Random.Below(Random.Pick(100, 1000))));
        }
    }

    private bool MayImpair(WholeNode node)
    {
        bool others = GroupId.All.Any(group => pair.Entry(group) is not { } entry
            || entry.Sync == SyncState.New
            || (entry.Sync == SyncState.Stale && entry.StaleNode != node.Id));
        bool otherLost = impaired is { } lost && lost != node && !(IsWhole(lost) && lost != Rotten);
        if (others || otherLost)
        {
            return false;
        }

        impaired = node;
        return true;
    }

    private bool IsWhole(WholeNode node) =>
        node is { IsUp: true, HasStarted: true } && node.DiskState != DiskResult.Failed
        && GroupId.All.All(group =>
            pair.Entry(group) is { Sync: SyncState.InSync }
            && !node.Mirror.Log(group).Summary.Forgot
            && node.Volumes.DiskFault(group) is null);
}
