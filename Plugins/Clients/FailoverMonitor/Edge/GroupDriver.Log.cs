// What the driver says of what it does: the flight recorder makes a node's story of it, and both
// nodes' stories together name every swap of the register.
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

internal sealed partial class GroupDriver
{
    private string NameOf(ulong systemId) => systemId == node.SystemId ? node.Name
        : systemId == node.PartnerSystemId ? node.PartnerName : $"{systemId:x}";

    private void Mark(TakeoverStep step)
    {
        if (Times.Mark(step) is not { } after)
        {
            return;
        }

        MonitorEvents.TakeoverStep.Raise(logger, Group, step, after.TotalMilliseconds);
        if (step == TakeoverStep.Serving && wonIntent == SwapIntent.Takeover)
        {
            MonitorEvents.TakeoverDone.Raise(
                logger, Group, node.PartnerName, after.TotalMilliseconds);
            wonIntent = SwapIntent.None;
        }
    }

    /// <summary>A new state says what it is; waiting for something else is less.</summary>
    private void TellState(bool isNew)
    {
        NodeEvent<GroupId, string, ulong, string> which = !isNew ? MonitorEvents.GroupState
            : lastState switch
            {
                "alone" => MonitorEvents.GroupAlone,
                "mirrored" => MonitorEvents.GroupMirrored,
                "frozen" => MonitorEvents.GroupFrozen,
                "registerRefused" => MonitorEvents.RegisterRefused,
                _ => MonitorEvents.GroupState,
            };
        which.Raise(logger, Group, lastState, core.Known?.Term.Value ?? 0, lastWhy);
    }

    /// <summary>A witness that has never answered is told of once, too.</summary>
    private void TellWitness(WitnessReading reading)
    {
        bool lost = reading.Outcome == ReadOutcome.Unavailable;
        if (lost && !witnessLost)
        {
            MonitorEvents.WitnessLost.Raise(logger, Group, reading.Detail);
        }
        else if (!lost && witnessLost)
        {
            MonitorEvents.WitnessBack.Raise(logger, Group);
        }

        witnessLost = lost;
    }

    private void TellDisk(Refusal? fault)
    {
        if (fault is not null)
        {
            MonitorEvents.DiskFailed.Raise(logger, Group, fault.ToString());
        }
        else
        {
            MonitorEvents.DiskGood.Raise(logger, Group);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group}: a push, copy or drain failed")]
    private partial void LogFailed(GroupId group, Exception failure);

    private void TellOwnershipLost()
    {
        bool served = log.Role is LogRole.Mirrored or LogRole.Resyncing or LogRole.Alone
            or LogRole.Frozen;
        if (served && core.Known is { } entry && entry.Owner != options.Self)
        {
            MonitorEvents.OwnershipLost.Raise(logger, Group, NameOf(entry.Owner), entry.Term);
        }
    }
}
