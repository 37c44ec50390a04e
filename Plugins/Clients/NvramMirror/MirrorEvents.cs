using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>The events of the mirrored logs.</summary>
[EventCatalogue]
internal static class MirrorEvents
{
    public static readonly NodeEvent<GroupId, string> MirrorLost = new(
        "mirror-lost", EventSeverity.Warning,
        "{Group}: the partner's copy of the log counts as gone: {Why}")
    {
        Cause = "the session ended, a mirrored write failed, or the partner's disk stood still"
            + " while the log filled; nothing is acknowledged on one copy before the register says"
            + " so",
        Remedy = "see why, and the partner's log; the copy is made equal by itself",
    };

    public static readonly NodeEvent<GroupId, string> LogForgot = new(
        "log-forgot", EventSeverity.Notice, "{Group}: this copy of the log is not trusted: {Why}")
    {
        Cause = "it is new, the machine was booted since it was written, or it does not hold what"
            + " it must; this node serves nothing from it",
        Remedy = "none, the partner gives it its own; when both say so, see OPERATIONS, Force",
    };

    public static readonly NodeEvent<GroupId, Refusal> LogNotOffered = new(
        "log-not-offered", EventSeverity.Warning,
        "{Group}: the partner cannot be given this copy of the log: {Refusal}")
    {
        Cause = "memory could not be registered or reclaimed; it is tried again every 30 s",
        Remedy = "see the card's and the machine's own log; restart this node when it stays",
    };

    public static readonly NodeEvent<GroupId, double> LogStalled = new(
        "log-stalled", EventSeverity.Warning,
        "{Group}: the log is full and nothing has left it for {Seconds:F0} s: writes wait")
    {
        Cause = "a disk of this node or its partner takes nothing: full, slow or broken",
        Remedy = "make room or mend the disk; writes go on by themselves",
    };

    public static readonly NodeEvent<GroupId> LogFlows = new(
        "log-flows", EventSeverity.Notice, "{Group}: the log has room again; writes go on")
    {
        Cause = "the disk that stood still takes writes again, or the partner was given up",
        Remedy = "none",
    };
}
