using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.FailoverMonitor.Edge;

namespace StorageOs.Ownership.Tests.Model;

/// <summary>
/// One node: a core, what survives its crash (copy, forgot mark, memory), and a log that obeys the
/// contract's rules. A copy is a set of writes, one bit each.
/// </summary>
internal sealed class ModelNode(ModelPair pair, ulong id)
{
    private readonly Queue<GroupEvent> inbox = new();
    private ulong boot;
    private bool recordFailed;
    private MovableWitness? witness;

    public ulong Id { get; } = id;

    public ModelNode Other => pair.Nodes[Id == 1 ? 1 : 0];

    public GroupCore? Core { get; private set; }

    public DurableMemory Memory { get; private set; } = DurableMemory.Empty;

    /// <summary>S13: what this node's process takes for its record of the register.</summary>
    public RegisterEntry? Entry { get; private set; }

    /// <summary>
    /// S13: what whoever opens its file next finds; a write that failed may stand there.
    /// </summary>
    public RegisterEntry? Durable { get; private set; }

    /// <summary>What is known of the register here, or would be after a boot.</summary>
    public RegisterEntry? Latest => Core is null ? Durable : Entry;

    public ulong Copy { get; set; }

    /// <summary>What stands in this node's copy and was never acknowledged (S7).</summary>
    public ulong Waiting { get; set; }

    public bool Forgot { get; set; } = true;

    /// <summary>L4: the log leaves the partner alone for a while.</summary>
    public bool HeldOff { get; set; }

    public Lsn PartnerFlushed { get; set; }

    /// <summary>L3: this node's disk has failed.</summary>
    public bool DiskFailed { get; set; }

    /// <summary>Lost or found damaged since it was last made anew.</summary>
    public bool Damaged { get; set; } = true;

    public bool HasRecords { get; set; }

    public LogRole Role { get; private set; }

    public SessionId? Session { get; private set; }

    /// <summary>
    /// Session in which this node's copy is offered to the partner; revoked when null.
    /// </summary>
    public SessionId? OfferedIn { get; private set; }

    public bool PartnerFailed { get; private set; }

    /// <summary>What was acknowledged while resyncing and is on its way to the partner.</summary>
    public ulong Late { get; set; }

    public bool PartnerHoldsAll => Role == LogRole.Mirrored && Late == 0;

    public bool Paused { get; set; }

    public bool Holding { get; private set; }

    /// <summary>
    /// Effects that a planted bug takes away or changes; for proving that the harness bites.
    /// </summary>
    public Func<GroupEffect, GroupEffect?> Mutation { get; set; } = static effect => effect;

    /// <summary>Answers that a planted bug falsifies.</summary>
    public Func<GroupEvent, GroupEvent> EventMutation { get; set; } = static input => input;

    /// <summary>What a planted bug makes of the witnesses, the current and the next.</summary>
    public Func<IWitness, bool, IWitness> WitnessMutation { get; set; } =
        static (witness, _) => witness;

    public bool PartnerOffered =>
        Session is not null && Other.Core is not null && Other.OfferedIn == Session;

    /// <summary>
    /// Whether a write could be acknowledged, or a read answered, at this moment (S1, S5).
    /// </summary>
    public bool CanAnswer => Core is not null && Role switch
    {
        LogRole.Alone or LogRole.Resyncing => true,
        LogRole.Mirrored => PartnerOffered && !PartnerFailed,
        _ => false,
    };

    public bool HasWork => inbox.Count > 0;

    public void Start()
    {
        boot++;
        Entry = Durable;
        Role = LogRole.Idle;
        Late = 0;
        HeldOff = DiskFailed = false;
        Paused = false;
        PartnerFailed = false;
        Holding = false;
        Session = null;
        OfferedIn = null;
        inbox.Clear();
        witness = pair.Next is null ? null : new MovableWitness(
            WitnessMutation(new ModelWitness(pair, this, boot, pair.Register), false),
            WitnessMutation(new ModelWitness(pair, this, boot, pair.Next), true),
            pair.NewId);
        Core = new GroupCore(
            new GroupCoreOptions(new GroupId(0), Id, 3 - Id, Id == 1 ? "b" : "a", 1, pair.NewId)
            {
                NoWitness = pair.NoWitness,
            },
            Memory, Forgot, HasRecords, pair.Now);
        pair.Write($"{Name} boots{(Forgot ? ", forgot" : "")}");
        Booted(this);
        Feed(new Tick());
    }

    /// <summary>Whether it still runs what it booted by that number.</summary>
    public bool IsIn(ulong number) => Core is not null && boot == number;

    /// <summary>An operator asks it to move the register.</summary>
    public void Move()
    {
        if (Core is not null && !Paused)
        {
            _ = witness!.MoveAsync(new GroupId(0), default).AsTask();
        }
    }

    /// <summary>What a planted bug tells this node at its boot.</summary>
    public Action<ModelNode> Booted { get; set; } = static _ => { };

    /// <summary>This node's disk is another, with nothing on it.</summary>
    public void ReplaceDisk()
    {
        Memory = DurableMemory.Empty;
        Durable = null;
    }

    public string Name => Id == 1 ? "a" : "b";

    public void Crash()
    {
        pair.Write($"{Name} crashes");
        Core = null;
        OfferedIn = null;
        Session = null;
        Role = LogRole.Idle;
        inbox.Clear();
    }

    public void JoinSession(SessionId session)
    {
        Session = session;
        PartnerFailed = false;
        Post(new SessionUp(session));
    }

    /// <summary>
    /// The session's end as this node sees it. The partner, which may not have seen it, can still
    /// write the copy that was offered: only a fence ends that for sure (S4).
    /// </summary>
    public void LeaveSession(SessionEndReason reason)
    {
        if (Session is SessionId session)
        {
            Session = null;
            FailMirror();
            Post(EventMutation(new SessionLost(session, reason)));
        }
    }

    /// <summary>S5: a beat or write that fails freezes the log at once.</summary>
    public void FailMirror()
    {
        Late = 0;
        if (Role is LogRole.Mirrored or LogRole.Resyncing)
        {
            PartnerFailed = true;
            Role = Role == LogRole.Mirrored ? LogRole.Frozen : LogRole.Alone;
        }
    }

    public void Post(GroupEvent input) => inbox.Enqueue(input);

    public void Run()
    {
        if (Core is not null && !Paused && inbox.TryDequeue(out GroupEvent? input))
        {
            Feed(input);
        }
    }

    public void Look()
    {
        if (Core is null || Paused)
        {
            return;
        }

        if (Role == LogRole.Mirrored && !PartnerOffered)
        {
            FailMirror();
        }

        if (Session is SessionId session && Other.Core is GroupCore theirs
            && Other.Session == session)
        {
            Feed(EventMutation(new ViewArrived(session, theirs.View)));
        }

        Feed(EventMutation(new LogChanged(
            PartnerOffered && !HeldOff, PartnerFailed, PartnerFlushed, PartnerHoldsAll, Forgot,
            DiskFailed)));
    }

    public void Feed(GroupEvent input)
    {
        if (input is not (Tick or ViewArrived or LogChanged or PartnerSeen))
        {
            pair.Write($"  {Name} <- {Transcript.Of(input)}");
        }

        foreach (GroupEffect effect in Core!.Step(input, pair.Now).ToArray())
        {
            if (effect is not (ReadRegister or ReadPartnerRecord or FailoverMonitor.Core.Record))
            {
                pair.Write($"  {Name} -> {Transcript.Of(effect)}");
            }

            if (Mutation(effect) is GroupEffect mutated)
            {
                CarryOut(mutated);
            }
        }

        Holding = Core.HoldsAddress;
        if (recordFailed)
        {
            recordFailed = false;
            Feed(new RecordFailed("disk"));
        }
    }

    private void CarryOut(GroupEffect effect)
    {
        ulong inBoot = boot;
        switch (effect)
        {
            case Swap or ReadRegister or FailoverMonitor.Core.Record when pair.NoWitness:
                CarryOutOwnRegister(effect);
                break;
            case ReadPartnerRecord read:
                pair.Later(() => Answer(inBoot, new PartnerRecordDone(
                    read.Operation, OfDead(), Runs: Other.Core is not null)));
                break;
            case ReadRegister read when witness is not null:
                _ = AnswerAsync(
                    inBoot, witness.ReadAsync(new GroupId(0), default),
                    reading => new ReadDone(read.Operation, reading));
                break;
            case Swap swap when witness is not null:
                Memory = swap.Memory;
                _ = AnswerAsync(
                    inBoot, witness.TrySwapAsync(new GroupId(0), swap.Next, default),
                    outcome => new SwapDone(swap.Operation, outcome));
                break;
            case ReadRegister read:
                pair.Register.Read(r => Answer(inBoot, new ReadDone(read.Operation, r)));
                break;
            case Swap swap:
                Memory = swap.Memory;
                pair.Register.Swap(
                    swap.Next, o => Answer(inBoot, new SwapDone(swap.Operation, o)));
                break;
            case FailoverMonitor.Core.Record record:
                Memory = record.Memory;
                break;
            case Fence fence:
                OfferedIn = null;
                Role = LogRole.Fenced;
                Post(new LogDone(fence.Operation, true));
                break;
            case Push push:
                pair.Later(() => LandPush(inBoot, push));
                break;
            case CopyAll copy:
                pair.Later(() => LandCopy(inBoot, copy));
                break;
            case Drain drain:
                Post(new LogDone(drain.Operation, true));
                break;
            default:
                CarryOutRole(effect);
                break;
        }
    }

    /// <summary>S13: this node's own file, which may fail, and may hold what failed.</summary>
    private void CarryOutOwnRegister(GroupEffect effect)
    {
        bool fails = pair.DiskFails();
        switch (effect)
        {
            case ReadRegister read:
                Post(new ReadDone(read.Operation, Entry is null
                    ? new WitnessReading(ReadOutcome.Missing, null)
                    : new WitnessReading(ReadOutcome.Found, Entry)));
                break;
            case Swap swap when swap.Next.Term <= (Entry?.Term ?? default):
                Post(new SwapDone(swap.Operation, new SwapOutcome(SwapResult.Lost, Entry)));
                break;
            case Swap swap when fails:
                Memory = swap.Memory;
                Durable = pair.DiskFails(often: true) ? swap.Next : Durable;
                Answer(boot, new SwapDone(
                    swap.Operation, new SwapOutcome(SwapResult.Undecided, Entry, "disk")));
                break;
            case Swap swap:
                Memory = swap.Memory;
                Entry = Durable = swap.Next;
                Post(new SwapDone(swap.Operation, new SwapOutcome(SwapResult.Won, Entry)));
                break;
            case FailoverMonitor.Core.Record when fails:
                recordFailed = true; // Told before anybody can see what was not recorded.
                break;
            case FailoverMonitor.Core.Record record:
                if (record.Adopted is RegisterEntry adopted
                    && adopted.Term > (Entry?.Term ?? default))
                {
                    Entry = Durable = adopted;
                }

                Memory = record.Memory;
                break;
            default:
                break;
        }
    }

    private WitnessReading OfDead() =>
        Other.Core is not null ? new WitnessReading(ReadOutcome.Unavailable, null, "it lives")
        : pair.DiskFails() ? new WitnessReading(ReadOutcome.Unavailable, null, "unreadable")
        : Other.Durable is null ? new WitnessReading(ReadOutcome.Missing, null)
        : new WitnessReading(ReadOutcome.Found, Other.Durable);

    private void CarryOutRole(GroupEffect effect)
    {
        switch (effect)
        {
            case BecomePassive:
                Assert.True(Role is LogRole.Idle or LogRole.Passive, $"passive from {Role}");
                Role = LogRole.Passive;
                OfferedIn = Session;
                break;
            case ServeAlone:
                Role = LogRole.Alone;
                pair.AcknowledgeWaiting(this);
                break;
            case ServeWithPartner serve when PartnerOffered:
                Role = serve.AcknowledgeOnBoth ? LogRole.Mirrored : LogRole.Resyncing;
                PartnerFailed = false;
                pair.AcknowledgeWaiting(this);
                break;
            case ServeWithPartner serve:
                Role = serve.AcknowledgeOnBoth ? LogRole.Frozen : LogRole.Alone;
                PartnerFailed = true;
                break;
            case Freeze when Role is LogRole.Mirrored or LogRole.Idle:
                Role = LogRole.Frozen;
                break;
            case StepDown:
                Role = LogRole.Idle;
                break;
            case ClearForgot:
                Forgot = Damaged;
                break;
            default:
                break;
        }
    }

    private void LandPush(ulong inBoot, Push push)
    {
        if (inBoot != boot || Core is null)
        {
            return;
        }

        bool ok = PartnerOffered && Role is LogRole.Fenced or LogRole.Frozen or LogRole.Alone;
        if (ok)
        {
            // What is continued stays as it was beyond the log: a copy that forgot is not mended.
            Other.Copy = push.Format ? (Role == LogRole.Alone ? 0 : Copy)
                : Other.Forgot ? Other.Copy : Copy;
            Other.Waiting = 0;
            Other.HasRecords = HasRecords = true;
            Other.Forgot |= push.Format;
            Other.Damaged &= !push.Format;
            Damaged &= Role == LogRole.Alone || !push.Format; // New: this copy was made, too.
        }

        Post(new LogDone(push.Operation, ok));
    }

    private void LandCopy(ulong inBoot, CopyAll copy)
    {
        if (inBoot != boot || Core is null)
        {
            return;
        }

        bool ok = PartnerOffered && Role == LogRole.Resyncing;
        if (ok)
        {
            Other.Copy = Copy & ~Late;
        }

        Post(new LogDone(copy.Operation, ok));
    }

    private async Task AnswerAsync<T>(ulong inBoot, ValueTask<T> reply, Func<T, GroupEvent> make)
    {
        T came = await reply.ConfigureAwait(false);
        Answer(inBoot, make(came));
    }

    private void Answer(ulong inBoot, GroupEvent answer)
    {
        if (inBoot == boot && Core is not null)
        {
            Post(EventMutation(answer));
        }
    }
}
