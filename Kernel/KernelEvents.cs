// Every event that the kernel raises. docs/EVENTS.md is made of this and of the catalogues of the
// plugins.
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel;

/// <summary>The kernel's events of the node and of its session.</summary>
[EventCatalogue]
internal static class KernelEvents
{
    private const string SeeDirectory = "look at the directory's disk, rights and room";

    public static readonly NodeEvent<int, double, string> BootStep = new(
        "boot-step", EventSeverity.Information, "{Step}/4 at {Millis:F0} ms: {What}")
    {
        Cause = "a node boots: 1 handshake, 2 plugins, 3 recovery of logs and volumes, 4 serving",
        Remedy = "none; one that stays before 4/4 says in `status` what it waits for",
    };

    public static readonly NodeEvent<string> NodeStopping = new(
        "node-stopping", EventSeverity.Notice, "stopping: {Why}")
    {
        Cause = "an operator, a signal, or a fault of the node's own, as it says, ends it in good"
            + " order; its partner is told",
        Remedy = "none when it was asked to; else see the events before it, and start it again",
    };

    public static readonly PlainEvent NodeStopped = new(
        "node-stopped", EventSeverity.Notice, "stopped")
    {
        Cause = "the end of a stop in good order; a node that was killed does not say it",
        Remedy = "none",
    };

    public static readonly NodeEvent<string> CoreFailed = new(
        "core-failed", EventSeverity.Critical, "{Module} failed; the node ends")
    {
        Cause = "the core or the transport threw: without them there is no session, and the"
            + " partner takes over",
        Remedy = "start the node again; keep its log, it has the exception",
    };

    public static readonly NodeEvent<SessionId?, string?> SessionReady = new(
        EventNames.SessionReady, EventSeverity.Notice, "session {Session} ready with {Partner}")
    {
        Cause = "both nodes have shaken hands and proven the pair's key",
        Remedy = "none",
    };

    public static readonly NodeEvent<SessionId, SessionEndReason, string> SessionEnded = new(
        EventNames.SessionEnded, EventSeverity.Warning,
        "session {Session} ended: {Reason}: {Detail}")
    {
        Cause = "the partner stopped, died, stood still or cannot be reached; the reason says"
            + " which, and this node takes over or goes on alone",
        Remedy = "when the partner was not stopped on purpose: see its log and the link between"
            + " them, and start it again",
    };

    public static readonly NodeEvent<PartnerCondition> PartnerCondition = new(
        "partner-condition", EventSeverity.Information, "the partner is {Condition}")
    {
        Cause = "what is seen of the partner's beat and status page has changed",
        Remedy = "none; Late again and again says that it, or the link, is overloaded",
    };

    public static readonly NodeEvent<string, Refusal> ClientFailed = new(
        "client-failed", EventSeverity.Warning, "client {Client}: {Refusal}")
    {
        Cause = "memory or a port of one client could not be set up with the partner; the session"
            + " is begun anew",
        Remedy = "see what was expected; when it repeats, compare both nodes' configurations",
    };

    public static readonly NodeEvent<string, string> EventsNotKept = new(
        "events-not-kept", EventSeverity.Warning,
        "events are not kept over this boot: expected {Path}, found: {Failure}")
    {
        Cause = "the flight recorder's file cannot be mapped; the node serves all the same",
        Remedy = SeeDirectory + " (node.nvramDirectory)",
    };

    public static readonly NodeEvent<string, string> PartnerEventsNotKept = new(
        "partner-events-not-kept", EventSeverity.Warning,
        "the partner's events cannot be kept in {Path}: {Failure}")
    {
        Cause = "the copy of the partner's flight recorder cannot be written",
        Remedy = SeeDirectory + " (node.dataDirectory)",
    };

    public static readonly NodeEvent<string, string> PartnerEventsUnread = new(
        "partner-events-unread", EventSeverity.Warning,
        "expected the partner's kept events in {Path}, found: {Failure}")
    {
        Cause = "the copy that an earlier boot kept cannot be read; the timeline of a dead partner"
            + " lacks it",
        Remedy = SeeDirectory + " (node.dataDirectory)",
    };

    public static readonly NodeEvent<Refusal> ManagementRefused = new(
        "management-refused", EventSeverity.Warning,
        "a management connection is closed: {Refusal}")
    {
        Cause = "somebody connected to the management socket or address and sent no proof of the"
            + " key, or no request",
        Remedy = "none when it was a scanner; else give the caller the key of management.keyFile",
    };

    public static readonly PlainEvent CommandFailed = new(
        "command-failed", EventSeverity.Error, "a management command failed")
    {
        Cause = "a command of a module threw what is no refusal: a bug; whoever asked was told",
        Remedy = "keep the log, it has the exception",
    };

    public static readonly NodeEvent<string, string> ConsoleMissing = new(
        "console-missing", EventSeverity.Warning,
        "expected a terminal at {Path}, found: {Failure}; the console shows nothing")
    {
        Cause = "management.console names something that cannot be written",
        Remedy = "correct management.console and restart the node",
    };

    public static readonly NodeEvent<string> WatchdogArmed = new(
        "watchdog-armed", EventSeverity.Notice, "watchdog {Path} is armed")
    {
        Cause = "node.watchdog is set: a machine whose node hangs will be reset",
        Remedy = "none",
    };

    public static readonly NodeEvent<string, string> WatchdogMissing = new(
        "watchdog-missing", EventSeverity.Warning,
        "expected a watchdog at {Path}, found: {Failure}; a node that hangs will not be reset")
    {
        Cause = "the device of node.watchdog cannot be opened: it is not there, or another holds"
            + " it",
        Remedy = "load the watchdog's driver or correct node.watchdog, and restart the node",
    };

    public static readonly NodeEvent<string> WatchdogFailed = new(
        "watchdog-failed", EventSeverity.Error, "the watchdog can't be written any more: {Failure}")
    {
        Cause = "the device refuses to be fed; a machine that has one may be reset soon",
        Remedy = "move what it serves to its partner, then see the machine's own log",
    };

    public static readonly NodeEvent<long> LinesLost = new(
        "lines-lost", EventSeverity.Warning, "{Count} lines of the log did not reach the journal")
    {
        Cause = "systemd's journal stood still or was away, and a node does not wait for it",
        Remedy = "see `journalctl -u systemd-journald`; the flight recorder has what mattered",
    };
}
