using System.Diagnostics;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// Carries one group's effects out and feeds what comes of them back. Reactor thread only; answers
/// come back there by the reactor's synchronization context.
/// </summary>
internal sealed partial class GroupDriver : IDisposable
{
    private static readonly Tick TimePassed = new();
    private readonly Queue<GroupEvent> inbox = new();
    private readonly GroupCoreOptions options;
    private readonly GroupCore core;
    private readonly IGroupLog log;
    private readonly IVolumes volumes;
    private readonly IWitness? witness;
    private readonly OwnRegister? register;
    private readonly MemoryFile memory;
    private readonly IReactor reactor;
    private readonly ILogger logger;
    private readonly NodeInfo node;
    private readonly Action changed;
    private readonly CancellationTokenSource stopping = new();
    private CancellationTokenSource? cancelable;
    private ulong cancelableNumber;
    private bool running;
    private bool diskFailed;
    private RegisterEntry? told;
    private Guid lastWon;
    private SwapIntent wonIntent;
    private bool witnessLost;
    private bool memoryFails;
    private string lastState = "";
    private string lastWhy = "";

    public GroupDriver(
        GroupCoreOptions options, IGroupLog log, IVolumes volumes, IWitness? witness,
        OwnRegister? register, MemoryFile memory, IReactor reactor, ILogger logger, NodeInfo node,
        Action changed, GivebackSettings? givebackSettings = null)
    {
        this.node = node;
        this.options = options;
        giveback = new Giveback(
            givebackSettings ?? GivebackSettings.Off, options.Self, options.Home);
        this.register = register;
        this.log = log;
        this.volumes = volumes;
        this.witness = witness;
        this.memory = memory;
        this.reactor = reactor;
        this.logger = logger;
        this.changed = changed;
        LogSummary summary = log.Summary;
        core = new GroupCore(
            options, memory.Memory, summary.Forgot, summary.LastTerm.Value > 0, reactor.Now);
        log.Changed += OnLogChanged;
        OnLogChanged();
    }

    /// <summary>The decisions.</summary>
    public GroupCore Core => core;

    /// <summary>The group.</summary>
    public GroupId Group => log.Group;

    /// <summary>How far a resync of a stale partner has come; null when none runs.</summary>
    public CopyProgress? Progress { get; private set; }

    /// <summary>How the last resync ended; null when none has since the boot.</summary>
    public (CopyProgress Progress, bool Good)? LastResync { get; private set; }

    /// <summary>Times of the last takeover.</summary>
    public TakeoverTimes Times { get; } = new();

    /// <summary>The log's answer to what may be lost by force.</summary>
    public LogSummary Summary => log.Summary;

    /// <summary>What the partner is told.</summary>
    public GroupView View =>
        core.View with { Offers = giveback.State == GivebackState.Offered };

    /// <summary>Takes an event now, or after the one under way.</summary>
    public void Feed(GroupEvent news)
    {
        inbox.Enqueue(news);
        if (running)
        {
            return;
        }

        running = true;
        try
        {
            while (inbox.TryDequeue(out GroupEvent? next))
            {
                // What has waited here may be untrue by now.
                GroupEvent input = next is LogChanged ? LogFacts() : next;
                IReadOnlyList<GroupEffect> effects = core.Step(input, reactor.Now);
                TellVolumes();
                foreach (GroupEffect effect in effects)
                {
                    CarryOut(effect);
                }
            }
        }
        finally
        {
            running = false;
        }

        Tell();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        log.Changed -= OnLogChanged;
        stopping.Cancel();
        memory.Dispose();
        register?.Dispose();
    }

    private void OnLogChanged() => Feed(LogFacts());

    private LogChanged LogFacts() => new(
        log.PartnerOffered, log.PartnerFailed, log.PartnerFlushed, log.PartnerHoldsAll,
        log.Summary.Forgot, volumes.DiskFault(Group) is not null, nearlyFull);

    /// <summary>Time has passed; the disk, too, may have something to say.</summary>
    public void Tick()
    {
        bool failed = volumes.DiskFault(Group) is not null;
        bool full = IsNearlyFull;
        if (failed != diskFailed || full != nearlyFull)
        {
            if (failed != diskFailed)
            {
                TellDisk(volumes.DiskFault(Group));
            }

            diskFailed = failed;
            nearlyFull = full;
            OnLogChanged();
        }

        Feed(TimePassed);
        TickPlanned();
    }

    /// <summary>Before anything is done about it: see <see cref="IVolumes.TakeEntry"/>.</summary>
    private void TellVolumes()
    {
        if (core.Known is { } entry && entry != told)
        {
            told = entry;
            NotePlanned(entry);
            volumes.TakeEntry(entry);
            if (entry.SwapId != lastWon)
            {
                MonitorEvents.RegisterSeen.Raise(
                    logger, Group, entry.Term, NameOf(entry.Owner), entry.Sync);
            }
        }
    }

    private void Tell()
    {
        if (core.State != lastState || core.Why != lastWhy)
        {
            bool isNew = core.State != lastState;
            lastState = core.State;
            lastWhy = core.Why;
            TellState(isNew);
        }

        changed();
    }

    private void CarryOut(GroupEffect effect)
    {
        switch (effect)
        {
            case ReadRegister read:
                _ = ReadAsync(read.Operation);
                break;
            case Swap swap:
                _ = SwapAsync(swap);
                break;
            case Record record:
                CarryOutRecord(record);
                break;
            case ReadPartnerRecord read:
                _ = ReadPartnerAsync(read.Operation);
                break;
            case Fence fence:
                CarryOutFence(fence);
                break;
            case Push push:
                _ = RunAsync(push.Operation, () => log.PushAsync(push.Term, push.Format));
                break;
            case CopyAll copy:
                _ = RunAsync(copy.Operation, () => CopyAsync(copy.Operation));
                break;
            case Drain drain:
                _ = RunAsync(drain.Operation, () => DrainAsync(drain.Operation));
                break;
            case Cancel cancel when cancel.Operation == cancelableNumber:
                cancelable?.Cancel();
                break;
            case Resume:
                volumes.Resume(Group);
                break;
            default:
                CarryOutRole(effect);
                break;
        }
    }

    private void CarryOutRole(GroupEffect effect)
    {
        switch (effect)
        {
            case BecomePassive:
                log.BecomePassive();
                break;
            case ServeAlone alone:
                log.ServeAlone(alone.Term);
                Mark(TakeoverStep.Serving);
                break;
            case ServeWithPartner serve:
                log.ServeWithPartner(serve.Term, serve.AcknowledgeOnBoth);
                if (Planned.Mark(PlannedStep.Serving))
                {
                    MonitorEvents.GroupMoved.Raise(logger, Group, node.PartnerName, serve.Term);
                }

                break;
            case Freeze when log.Role is LogRole.Mirrored or LogRole.Idle:
                log.Freeze();
                break;
            case StepDown:
                // S2: whoever holds the service address hears of it before anything else.
                changed();
                TellOwnershipLost();
                log.StepDown();
                break;
            case ClearForgot:
                log.ClearForgot();
                break;
            default:
                break; // A freeze of a log that has frozen itself (S5), a cancel that came late.
        }
    }

    private void CarryOutFence(Fence fence)
    {
        try
        {
            FenceReport report = log.Fence();
            Mark(TakeoverStep.Fenced);
            Planned.Mark(PlannedStep.Fenced);
            Feed(new LogDone(
                fence.Operation, report.ProbeRejected,
                report.ProbeRejected ? "" : "the old key is not dead"));
        }
        catch (RefusedException refused)
        {
            Feed(new LogDone(fence.Operation, false, refused.Refusal.ToString()));
        }
    }

    private void CarryOutRecord(Record record) =>
        WriteMemory(record.Memory, why => Feed(new RecordFailed(why)), record.Adopted);

    /// <summary>
    /// The entry first: a memory of a term that the record lacks would look like a record lost.
    /// </summary>
    private bool WriteMemory(
        DurableMemory wanted, Action<string> failed, RegisterEntry? adopted = null)
    {
        try
        {
            if (adopted is not null)
            {
                register!.Adopt(adopted);
            }

            memory.Write(wanted);
            memoryFails = false;
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            if (!memoryFails)
            {
                memoryFails = true; // It is tried again and again; told once.
                MonitorEvents.MemoryUnwritten.Raise(logger, Group, failure.Message);
            }

            failed("this node's memory of the register cannot be written: " + failure.Message);
            return false;
        }
    }

    private async Task ReadAsync(ulong operation)
    {
        WitnessReading reading;
        long from = Stopwatch.GetTimestamp();
        try
        {
            reading = register is not null ? register.Read()
                : witness is null
                ? new WitnessReading(ReadOutcome.Unavailable, null, "no witness is configured")
                : await witness.ReadAsync(Group, stopping.Token);
        }
        catch (Exception failure)
        {
            reading = new WitnessReading(ReadOutcome.Unavailable, null, failure.Message);
        }

        if (reading.Outcome != ReadOutcome.Unavailable)
        {
            WitnessTook = Stopwatch.GetElapsedTime(from);
        }

        TellWitness(reading);
        Mark(TakeoverStep.Read);
        Feed(new ReadDone(operation, reading));
    }

    private async Task ReadPartnerAsync(ulong operation)
    {
        (WitnessReading reading, bool runs) = await register!.ReadPartnerAsync();
        if (!stopping.IsCancellationRequested)
        {
            Feed(new PartnerRecordDone(operation, reading, runs));
        }
    }

    private async Task SwapAsync(Swap swap)
    {
        // S3: the intent stands on the disk before the swap can be anywhere.
        bool nowhere = witness is null && register is null;
        if (nowhere || !WriteMemory(swap.Memory, why => Feed(new SwapDone(
            swap.Operation, new SwapOutcome(SwapResult.Undecided, null, why), Sent: false))))
        {
            return;
        }

        SwapOutcome outcome;
        try
        {
            outcome = register is not null ? register.Swap(swap.Next)
                : await witness!.TrySwapAsync(Group, swap.Next, stopping.Token);
        }
        catch (Exception failure)
        {
            outcome = new SwapOutcome(SwapResult.Undecided, null, failure.Message);
        }

        Mark(TakeoverStep.Swapped);
        if (outcome.Result == SwapResult.Won)
        {
            lastWon = swap.Next.SwapId;
            wonIntent = swap.Memory.Intent;
            MonitorEvents.RegisterSwapped.Raise(
                logger, Group, swap.Next.Term, NameOf(swap.Next.Owner), swap.Next.Sync,
                swap.Memory.Intent);
        }
        else
        {
            MonitorEvents.SwapFailed.Raise(
                logger, Group, swap.Next.Term, swap.Memory.Intent, outcome.Result,
                outcome.Detail);
        }

        Feed(new SwapDone(swap.Operation, outcome));
    }

    private async ValueTask<bool> CopyAsync(ulong operation)
    {
        Progress = new CopyProgress(0, 0, 0, 0, 0, 0, -1, "", "");
        bool good = false;
        try
        {
            return good = await volumes.ResyncAsync(
                Group, new DirectProgress(this), Cancelable(operation));
        }
        finally
        {
            LastResync = (Progress.Value, good);
            Progress = null;
        }
    }

    private async ValueTask<bool> DrainAsync(ulong operation)
    {
        await volumes.DrainAsync(Group, Cancelable(operation));
        return true;
    }

    private CancellationToken Cancelable(ulong operation)
    {
        cancelable = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        cancelableNumber = operation;
        return cancelable.Token;
    }

    private async Task RunAsync(ulong operation, Func<ValueTask<bool>> work)
    {
        bool ok = false;
        string why = "";
        try
        {
            ok = await work();
        }
        catch (Exception failure)
        {
            why = failure.Message;
            LogFailed(Group, failure);
        }

        Feed(new LogDone(operation, ok, why));
    }

    private sealed class DirectProgress(GroupDriver driver) : IProgress<CopyProgress>
    {
        public void Report(CopyProgress value) => driver.Progress = value;
    }
}
