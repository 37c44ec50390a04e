using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>This part: planned moves, by an operator or by themselves.</summary>
internal sealed partial class GroupDriver
{
    /// <summary>A copy with less room than one part in so many counts as nearly full.</summary>
    private const ulong NearlyFullShare = 8;

    /// <summary>What was refused or came to nothing is not asked for again at once.</summary>
    private static readonly TimeSpan AskAgain = TimeSpan.FromSeconds(5);

    private readonly Giveback giveback;
    private IReadOnlyList<HandoverVeto>? allVetoes;
    private bool nearlyFull;
    private GivebackState toldGiveback;
    private Instant askedHomeAt = new(long.MinValue / 2);

    /// <summary>Whether the group is at home on this node.</summary>
    public bool AtHomeHere => options.Home == options.Self;

    /// <summary>What this node decides about giving the group back.</summary>
    public Giveback Giveback => giveback;

    /// <summary>Times of the last planned takeover by this node.</summary>
    public PlannedTimes Planned { get; } = new();

    /// <summary>How long the last read of the register that was answered took.</summary>
    public TimeSpan? WitnessTook { get; private set; }

    /// <summary>The group's size in the log that a takeover has to read.</summary>
    public ulong UnflushedBytes => log.Summary.Tail.Value - log.Summary.Head.Value;

    /// <summary>
    /// Whether this node's own disk is so far behind. That its partner's is would be a reason to
    /// move, not one against it.
    /// </summary>
    private bool IsNearlyFull
    {
        get
        {
            LogSummary summary = log.Summary;
            ulong capacity = (ulong)summary.CapacityBytes;
            Lsn flushed = log.Flushed;
            ulong behind = summary.Tail > flushed ? summary.Tail.Value - flushed.Value : 0;
            return behind > capacity - (capacity / NearlyFullShare);
        }
    }

    /// <summary>Takes the node's vetoes, when they are others than before.</summary>
    public void TakeVetoes(IReadOnlyList<HandoverVeto> all)
    {
        if (!ReferenceEquals(all, allVetoes))
        {
            allVetoes = all;
            Feed(new VetoesChanged(
                [.. all.Where(veto => veto.Group is null || veto.Group == Group)]));
        }
    }

    /// <summary>Asks for the group, for an operator or because it is offered.</summary>
    /// <param name="overrides">Names whose vetoes are overridden, with commas.</param>
    public void Ask(string overrides)
    {
        foreach (HandoverVeto veto in (allVetoes ?? []).Concat(core.PartnerVetoes))
        {
            if (GroupCore.IsOverridden(veto.Who, overrides))
            {
                MonitorEvents.VetoOverridden.Raise(logger, Group, veto.Who, veto.Why);
            }
        }

        Planned.Begin();
        Feed(new TakeoverAsked(
            BitConverter.ToUInt64(Guid.NewGuid().ToByteArray(), 0) | 1, overrides));
    }

    /// <summary>An operator wants the group here; it is not given back by itself.</summary>
    public void Hold()
    {
        if (!AtHomeHere)
        {
            giveback.Hold();
        }
    }

    private void TickPlanned()
    {
        giveback.Step(
            new GivebackFacts(
                core.Known, core.Role == LogRole.Mirrored, core.PartnerMayTake,
                core.HasVetoes),
            reactor.Now);
        TellGiveback();
        if (core.Request != 0)
        {
            askedHomeAt = reactor.Now; // However long it takes: the next one begins after its end.
        }

        if (core.IsOffered && core.MayTake && core.Request == 0
            && reactor.Now - askedHomeAt >= AskAgain)
        {
            askedHomeAt = reactor.Now;
            MonitorEvents.GivebackAsked.Raise(logger, Group);
            Ask("");
        }
    }

    private void NotePlanned(RegisterEntry entry)
    {
        if (entry.Owner == options.Self)
        {
            Planned.Mark(PlannedStep.Granted);
        }
    }

    private void TellGiveback()
    {
        GivebackState state = giveback.State;
        if (state == toldGiveback)
        {
            return;
        }

        toldGiveback = state;
        switch (state)
        {
            case GivebackState.Waiting:
                MonitorEvents.GivebackWaits.Raise(logger, Group, giveback.Delay);
                break;
            case GivebackState.Offered:
                MonitorEvents.GivebackOffered.Raise(logger, Group);
                break;
            case GivebackState.Latched:
                MonitorEvents.GivebackLatched.Raise(logger, Group, giveback.Rounds);
                break;
            case GivebackState.Held or GivebackState.NotInSync or GivebackState.Vetoed
                or GivebackState.HomeHindered:
                MonitorEvents.GivebackDeferred.Raise(logger, Group, state.ToString());
                break;
            default:
                break; // At home, or nothing is given back by itself.
        }
    }
}
