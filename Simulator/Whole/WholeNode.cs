// One node: the product's connection manager, log, volumes and failover monitor on one reactor, and
// under them memory and disks of a machine that can be stopped, killed and cut off from its power
// at any point. What a boot holds dies with it; what a machine holds survives it as hardware would.
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;
using StorageOs.FailoverMonitor.Edge;
using StorageOs.Kernel.Ccm;
using StorageOs.NvramMirror;
using StorageOs.Volumes;

namespace StorageOs.Simulator.Whole;

/// <summary>A node of a simulated pair.</summary>
internal sealed class WholeNode : IDisposable
{
    private readonly WholePair pair;
    private readonly Dictionary<string, byte[]> nvram = [];
    private readonly Dictionary<string, DiskBytes> disks = [];
    private readonly IConfiguration settings;
    private readonly List<OnItsWay> onTheirWay = [];
    private readonly string[] told = new string[GroupId.Count];
    private ulong boots;
    private ulong machineBoots = 1;
    private int pointsLeft = -1; // To the point at which it dies; negative: none is chosen.
    private bool inCallback;
    private bool isStopping;
    private Instant clockBase = new(1_000_000_000_000);
    private long clockSince;
    private double clockRate = 1;
    private long managerDue = long.MaxValue;
    private long reactorDue = long.MaxValue;
    private NodeTransport? transport;

    /// <summary>Makes a node that is switched off.</summary>
    public WholeNode(WholePair pair, ulong id)
    {
        (this.pair, Id) = (pair, id);
        settings = pair.Configuration;
        DiskDelayMax = pair.Shape.DiskDelayMax;
    }

    /// <summary>The world.</summary>
    public World World => pair.World;

    /// <summary>Its system id: 1 or 2.</summary>
    public ulong Id { get; }

    /// <summary>Its name.</summary>
    public string Name => Id == 1 ? "a" : "b";

    /// <summary>Whether its process runs.</summary>
    public bool IsUp { get; private set; }

    /// <summary>The number of its boot.</summary>
    public ulong Boots => boots;

    /// <summary>This boot's reactor.</summary>
    public NodeReactor Reactor { get; private set; } = null!;

    /// <summary>This boot's connection manager.</summary>
    public ConnectionManager Manager { get; private set; } = null!;

    /// <summary>This boot's logs.</summary>
    public MirrorClient Mirror { get; private set; } = null!;

    /// <summary>This boot's volumes.</summary>
    public VolumesClient Volumes { get; private set; } = null!;

    /// <summary>This boot's monitor.</summary>
    public MonitorClient Monitor { get; private set; } = null!;

    /// <summary>Whether its clients have started.</summary>
    public bool HasStarted { get; private set; }

    /// <summary>Its process makes no turn before this.</summary>
    public long PausedUntil { get; set; }

    /// <summary>Its storage reactor alone makes no turn before this.</summary>
    public long ReactorPausedUntil { get; set; }

    /// <summary>Whether its process stands.</summary>
    public bool IsPaused => World.Now < PausedUntil;

    /// <summary>A revocation does nothing, and a probe shows it.</summary>
    public bool RevokeFails { get; set; }

    /// <summary>What its disk says to a write.</summary>
    public DiskResult DiskState { get; set; }

    /// <summary>The most nanoseconds that a disk operation takes.</summary>
    public long DiskDelayMax { get; set; }

    /// <summary>Whether its disk has done its work some time before it says so.</summary>
    public bool DiskAnswersLate => pair.Shape.DiskAnswersLate;

    /// <summary>One read in so many is not at hand.</summary>
    public int UncachedOneIn { get; set; } = 3;

    /// <summary>The time on its clock.</summary>
    public Instant Local => new(
        clockBase.Nanoseconds + (long)((World.Now - clockSince) * clockRate));

    /// <summary>The node with the other id.</summary>
    public WholeNode Partner => pair.Nodes[2 - (int)Id];

    /// <summary>Changes how fast its clock goes, and where it is.</summary>
    public void SetClock(double rate, TimeSpan jump)
    {
        clockBase = Local + jump;
        clockSince = World.Now;
        clockRate = rate;
        WakeReactor();
    }

    /// <summary>Whether this is still that boot of the node.</summary>
    public bool IsIn(ulong boot) => IsUp && boots == boot;

    /// <summary>Starts the process.</summary>
    public void Boot()
    {
        Invariant.Require(!IsUp);
        boots++;
        isStopping = false;
        (IsUp, HasStarted, pointsLeft, PausedUntil, ReactorPausedUntil) = (true, false, -1, 0, 0);
        (managerDue, reactorDue) = (long.MaxValue, long.MaxValue);
        World.Tell($"{Name} boots ({boots})");
        ulong boot = boots;
        Reactor = new(this, boot);
        transport = new(pair.Fabric, this, boot);
        NodeInfo info = new(
            Name, Partner.Name, Id, 3 - Id, (Id << 32) + boot, "/data", "/nvram",
            pair.Shape.Persistence)
        {
            MachineBootId = $"{Name}{machineBoots}",
        };
        MakeManager(info);
        MakeClients(info, boot);
        Guard(Manager.Start);
        Manager.SetBootPhase(BootPhase.Recovering);
        WakeManager();
        World.After(World.Random.Below(20 * World.Millisecond), () => Start(boot, 0));
    }

    /// <summary>The process is gone at once.</summary>
    public void Kill(string why, bool told = true)
    {
        if (!IsUp)
        {
            return;
        }

        World.Tell($"{Name} is killed: {why}");
        IsUp = false;
        if (inCallback)
        {
            // Whatever the dead code writes while it is unwound reaches nobody.
            foreach (string path in nvram.Keys.ToArray())
            {
                byte[] kept = NewMemory(nvram[path].Length);
                nvram[path].CopyTo(kept, 0);
                nvram[path] = kept;
            }
        }

        transport!.Die(told && pair.Fabric.TellsExits);
        pair.BootEnded(this);
    }

    /// <inheritdoc/>
    public void Dispose() => transport?.Dispose();

    /// <summary>Tells what this node does with a group, when it has changed.</summary>
    public void TellState(GroupId group)
    {
        GroupOwnership now = Monitor.Of(group);
        LogSummary log = Mirror.Log(group).Summary;
        string state = $"{Name} {group}: {Mirror.Log(group).Role} {now.State}; {now.Why}"
            + (log.Forgot ? $"; forgot: {log.ForgotWhy}" : "");
        if (told[group.Value] != state)
        {
            told[group.Value] = state;
            World.Tell(state);
        }
    }

    /// <summary>Stops in good order: clients, then a word to the partner, then the end.</summary>
    public void StopInOrder()
    {
        ulong boot = boots;
        isStopping = true;
        Reactor.Post(
            _ =>
            {
                foreach (IClient client in (IClient[])[Monitor, Volumes, Mirror])
                {
                    Invariant.Require(client.StopAsync(default).AsTask().IsCompletedSuccessfully);
                }

                HasStarted = false;
                Manager.SetBootPhase(BootPhase.Stopping);
                World.After(World.Random.Below(200 * World.Millisecond), () =>
                {
                    if (IsIn(boot))
                    {
                        Kill("stopped in good order");
                    }
                });
            },
            null);
    }

    /// <summary>The machine loses its power; whatever was not durable may be gone.</summary>
    public void LosePower()
    {
        Kill("power", told: false);
        machineBoots++;
        foreach (string path in disks.Keys.Order())
        {
            disks[path].LosePower(World.Random);
        }

        if (pair.Shape.Persistence == PersistenceLevel.Process)
        {
            foreach (byte[] memory in nvram.Values)
            {
                Array.Clear(memory);
            }

            return;
        }

        // What the card had answered for and no processor has seen yet: each there or not.
        for (int i = onTheirWay.Count - 1; i >= 0; i--)
        {
            if (World.Random.OneIn(2))
            {
                onTheirWay[i].Undo(nvram);
            }
        }

        onTheirWay.Clear();
    }

    /// <summary>
    /// Something was written from afar to memory that survives a loss of power: it does when the
    /// writer has flushed it, or this node's processor had its turn at it (domain cpu_cache).
    /// </summary>
    public void Landing(PortEnd from, string path, int offset, ReadOnlySpan<byte> bytes)
    {
        if (pair.Shape.Persistence == PersistenceLevel.Power)
        {
            byte[] before = nvram[path].AsSpan(offset, bytes.Length).ToArray();
            onTheirWay.Add(new(from, path, offset, before, bytes.ToArray()));
        }
    }

    /// <summary>A port's earlier writes to this node are durable.</summary>
    public void Flushed(PortEnd from) => onTheirWay.RemoveAll(one => one.From == from);

    /// <summary>What this node's own record says of a group; null: nothing.</summary>
    public RegisterEntry? RecordOf(GroupId group) => ReadRecord(RecordPath(group), group).Entry;

    /// <summary>An operator moves the register of both groups.</summary>
    public void MoveRegister() => Reactor.Post(_ => _ = MoveRegisterAsync(), null);

    private async Task MoveRegisterAsync()
    {
        try
        {
            foreach (GroupId group in GroupId.All)
            {
                string why = await Monitor.Witness!.MoveAsync(group, default);
                World.Tell($"{Name}: {group} to the next witness: {why}");
            }
        }
        catch (InvariantException thrown) when (Killed.Is(thrown))
        {
            World.Mix(0x6b696c6d);
        }
        catch (Exception bug)
        {
            World.Fail($"{Name}: {bug}");
        }
    }

    private static string RecordPath(GroupId group) => $"/data/{RecordFile.Name(group)}";

    private WitnessReading ReadRecord(string path, GroupId group) =>
        RecordFile.ReadingOf(DiskOf(path, NodeFile.Bytes).Current, path, group);

    /// <summary>
    /// The partner's record, once its process is gone: not before, for it has the lock.
    /// </summary>
    private Task<(WitnessReading Reading, bool Runs)> ReadPartner(
        ulong boot, string path, GroupId group)
    {
        TaskCompletionSource<(WitnessReading, bool)> reply = new();
        World.After(1 + World.Random.Below(10 * World.Millisecond), () =>
        {
            (WitnessReading, bool) found = Partner.IsUp
                ? (new(ReadOutcome.Unavailable, null, "locked"), true)
                : (Partner.ReadRecord(path, group), false);
            Awake(boot, () => Reactor.Post(_ => reply.SetResult(found), null));
        });
        return reply.Task;
    }

    private sealed record OnItsWay(
        PortEnd From, string Path, int Offset, byte[] Before, byte[] Bytes)
    {
        public void Undo(Dictionary<string, byte[]> nvram)
        {
            Span<byte> now = nvram[Path].AsSpan(Offset, Bytes.Length);
            if (now.SequenceEqual(Bytes))
            {
                Before.CopyTo(now);
            }
        }
    }

    /// <summary>A bit of a log's copy turns over.</summary>
    public void Rot()
    {
        byte[] memory = nvram[$"/nvram/log{World.Random.Below(GroupId.Count)}.nvram"];
        int used = memory.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
        if (used > 0)
        {
            memory[World.Random.Below(used)] ^= (byte)(1 << World.Random.Below(8));
        }
    }

    /// <summary>Whether its end is decided and has not come.</summary>
    public bool IsToDie => pointsLeft > 0 || isStopping || DiesWhenAnswered;

    /// <summary>It dies with the next answer that a client hears from it.</summary>
    public bool DiesWhenAnswered { get; set; }

    /// <summary>A client has heard an answer.</summary>
    public void Answered()
    {
        if (DiesWhenAnswered)
        {
            DiesWhenAnswered = false;
            DieAtPoint(1);
        }
    }

    /// <summary>The process is to die at the n-th point from here on.</summary>
    public void DieAtPoint(int points) => pointsLeft = points;

    /// <summary>A point at which a process may be found dead.</summary>
    public void Point(ulong boot)
    {
        if (!IsIn(boot))
        {
            throw Killed.Here();
        }

        if (pointsLeft > 0 && --pointsLeft == 0)
        {
            pointsLeft = -1;
            Kill("at a chosen point");
            throw Killed.Here();
        }
    }

    /// <summary>Whether the next point is the last: what is written here is cut off.</summary>
    public bool DiesHere(ulong boot) => IsIn(boot) && pointsLeft == 1;

    /// <summary>
    /// Throws when the disk takes nothing: the monitor's memory says so, and waits; the log's facts
    /// are on a disk that does not fail, for a log without them ends its module.
    /// </summary>
    public void RequireRoom(string path)
    {
        if (DiskState != DiskResult.Ok
            && (path.EndsWith(".memory", StringComparison.Ordinal)
                || path.EndsWith(".record", StringComparison.Ordinal)))
        {
            throw new IOException($"simulated: {DiskState}");
        }
    }

    /// <summary>Runs code of this node: killed is not an error, anything else is.</summary>
    public void Guard(Action run)
    {
        bool outer = inCallback;
        inCallback = true;
        try
        {
            run();
        }
        catch (InvariantException thrown) when (Killed.Is(thrown))
        {
            // That is what was wanted.
            World.Mix(0x6b696c6c);
        }
        catch (RefusedException refused)
        {
            // The module ends by name, and an operator starts the node again.
            Kill(refused.Message);
            World.After(World.Second, () =>
            {
                if (!IsUp)
                {
                    Boot();
                }
            });
        }
        catch (Exception bug)
        {
            World.Fail($"{Name}: {bug}");
        }
        finally
        {
            inCallback = outer;
        }
    }

    /// <summary>Runs something of this boot, once its process makes turns.</summary>
    public void Awake(ulong boot, Action action)
    {
        if (IsIn(boot) && IsPaused)
        {
            World.At(PausedUntil, () => Awake(boot, action));
        }
        else if (IsIn(boot))
        {
            action();
        }
    }

    /// <summary>Memory for a region: a backed one has what it had.</summary>
    public byte[] MemoryOf(RegionNeed need)
    {
        int bytes = (need.Bytes + Size.Page - 1) & -Size.Page;
        if (need.BackingPath is not { } path)
        {
            return NewMemory(bytes);
        }

        if (!nvram.TryGetValue(path, out byte[]? memory))
        {
            nvram[path] = memory = NewMemory(bytes);
        }

        return memory;
    }

    /// <summary>Memory that is all zeros.</summary>
    public byte[] NewMemory(int bytes) => pair.Memory.Take(bytes);

    /// <summary>A backed region lies elsewhere now.</summary>
    public void MemoryMoved(ulong boot, RegionNeed need, byte[] memory)
    {
        if (need.BackingPath is { } path && IsIn(boot))
        {
            nvram[path] = memory;
        }
    }

    /// <summary>Bytes of a file of this machine.</summary>
    public DiskBytes DiskOf(string path, int bytes)
    {
        if (!disks.TryGetValue(path, out DiskBytes? disk))
        {
            disks[path] = disk = new(bytes);
        }

        return disk;
    }

    /// <summary>The connection manager has something to take.</summary>
    public void WakeManager() => ManagerBy(World.Now + 1 + World.Random.Below(pair.TurnDelayMax));

    /// <summary>The reactor has something to run.</summary>
    public void WakeReactor() => ReactorBy(World.Now + 1 + World.Random.Below(pair.TurnDelayMax));

    private void MakeManager(NodeInfo info) => Manager = new(
        new CcmSettings
        {
            Name = Name,
            Self = new(Id, WholePair.PairId, info.BootEpoch),
            PartnerSystemId = 3 - Id,
            PairKey = pair.Key,
            Persistence = pair.Shape.Persistence,
            Beat = pair.Beat,
        },
        new WellKnownSettings(
            new(Name, new Dictionary<string, string>()), 1, Id << 40, Partner.Name, 1,
            (3 - Id) << 40),
        transport!, NullLoggerFactory.Instance, new SeededRandom(World.Random.Next()),
        WakeManager);

    private void MakeClients(NodeInfo info, ulong boot)
    {
        NodeFile Open(string path) =>
            new(this, boot, path, DiskOf(path, NodeFile.Bytes));
        NodeFile OpenRecord(string path) =>
            new(this, boot, path, DiskOf(path, NodeFile.RecordBytes));
        Mirror = new(info, settings, Reactor, Open);
        Volumes = new(
            settings, info, Reactor, Mirror,
            (one, _) => new NodeVolumeFile(this, boot, DiskOf(one.Name, (int)one.SizeBytes)),
            _ => new NodeWorker(this, boot), OpenRecord)
        {
            NewDiskId = () => World.Random.Next() | 1, // Never 0, which says none.
        };
        _ = new SimulatedMount(pair, this, Volumes, boot);
        bool alone = pair.Registers.Count == 0;
        MonitorSettings monitor = new(
            TimeSpan.FromSeconds(5), alone, PartnerRecord: alone ? "/data" : null)
        {
            Giveback = pair.Shape.Giveback,
        };
        NodeWitness[] witnesses =
            [.. pair.Registers.Select(one => new NodeWitness(one, this, boot))];
        Monitor = new(
            info, monitor, Reactor, Mirror, Volumes, new NodeLog<MonitorClient>(this),
            alone ? null : new MovableWitness(
                witnesses[0], witnesses.ElementAtOrDefault(1), World.Random.NewId),
            new MonitorSeams(
                Open, World.Random.NewId, Open, (path, group) => ReadPartner(boot, path, group)));
    }

    /// <summary>Starts the clients one after the other, as the host does.</summary>
    private void Start(ulong boot, int number)
    {
        if (!IsIn(boot))
        {
            return;
        }

        IClient[] clients = [Mirror, Volumes, Monitor];
        if (number == clients.Length)
        {
            HasStarted = true;
            Manager.SetBootPhase(BootPhase.Serving);
            return;
        }

        IClient client = clients[number];
        Refusal? refused = Manager.Admit(
            client.Needs.Name, client, client.Needs, Reactor, out IClientServices? services);
        Invariant.Require(refused is null);
        Reactor.Post(
            _ =>
            {
                Task started = client.StartAsync(services!, default).AsTask();
                Invariant.Require(started.IsCompletedSuccessfully);
                Manager.Started(client.Needs.Name);
                World.After(
                    World.Random.Below(5 * World.Millisecond), () => Start(boot, number + 1));
            },
            null);
    }

    private void ManagerBy(long at)
    {
        if (IsUp && at < managerDue)
        {
            managerDue = at;
            ulong boot = boots;
            World.At(at, () => ManagerTurn(boot, at));
        }
    }

    private void ManagerTurn(ulong boot, long at)
    {
        if (!IsIn(boot) || managerDue != at)
        {
            return;
        }

        managerDue = long.MaxValue;
        if (IsPaused)
        {
            ManagerBy(PausedUntil);
            return;
        }

        Guard(() =>
        {
            Manager.Page.BeatWord++;
            Manager.Turn(Local);
        });
        ManagerBy(World.Now + (long)(pair.Beat.Period.TotalNanoseconds / clockRate));
    }

    private void ReactorBy(long at)
    {
        if (IsUp && at < reactorDue)
        {
            reactorDue = at;
            ulong boot = boots;
            World.At(at, () => ReactorTurn(boot, at));
        }
    }

    private void ReactorTurn(ulong boot, long at)
    {
        if (!IsIn(boot) || reactorDue != at)
        {
            return;
        }

        reactorDue = long.MaxValue;
        long still = Math.Max(PausedUntil, ReactorPausedUntil);
        if (World.Now < still)
        {
            ReactorBy(still);
            return;
        }

        onTheirWay.Clear(); // It sees them from here on.
        bool more = false;
        Guard(() => more = Reactor.Turn());
        pair.Look(this);
        if (!IsIn(boot))
        {
            return;
        }

        if (more)
        {
            WakeReactor();
        }

        if (Reactor.NextTimer is { } next)
        {
            long wait = (long)((next - Local).TotalNanoseconds / clockRate);
            ReactorBy(World.Now + Math.Max(wait, pair.TimerGrain));
        }
    }
}
