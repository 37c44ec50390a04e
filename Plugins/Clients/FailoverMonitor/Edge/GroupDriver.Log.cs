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
        if (Times.Mark(step) is { } after)
        {
            LogStep(Group, step, after.TotalMilliseconds);
        }
    }

    [LoggerMessage(
        EventName = EventNames.RegisterSeen, Level = LogLevel.Information,
        Message = "{Group}: the register says at term {Term}: owner {Owner}, {Sync}")]
    private partial void LogRegister(GroupId group, Term term, string owner, SyncState sync);

    [LoggerMessage(
        EventName = EventNames.RegisterSwapped, Level = LogLevel.Information,
        Message = "{Group}: swapped term {Term}: owner {Owner}, {Sync}; for {Intent}")]
    private partial void LogSwapped(
        GroupId group, Term term, string owner, SyncState sync, SwapIntent intent);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "{Group}: the swap of term {Term} for {Intent} is {Result}; {Why}")]
    private partial void LogNotSwapped(
        GroupId group, Term term, SwapIntent intent, SwapResult result, string why);

    [LoggerMessage(
        EventName = EventNames.TakeoverStep, Level = LogLevel.Information,
        Message = "{Group}: {Step} {Milliseconds:F1} ms after the partner was lost")]
    private partial void LogStep(GroupId group, TakeoverStep step, double milliseconds);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Group}: this node's disk: {Fault}")]
    private partial void LogDisk(GroupId group, string fault);
}
