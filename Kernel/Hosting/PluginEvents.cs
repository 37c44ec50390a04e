using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>The kernel's events of plugins.</summary>
[EventCatalogue]
internal static class PluginEvents
{
    private const string SeeState = "see `storageos plugin list`";

    public static readonly NodeEvent<string> Runs = new(
        "plugin-runs", EventSeverity.Information, "{Module} runs")
    {
        Cause = "a plugin has started",
        Remedy = "none",
    };

    public static readonly NodeEvent<string, Refusal> Refused = new(
        "plugin-refused", EventSeverity.Warning, "{Module} is refused: {Refusal}")
    {
        Cause = "its manifest, settings, signature or needs are not what they must be, or a plugin"
            + " whose services it takes does not run; it is not started, the node goes on",
        Remedy = "do what the refusal says, then restart the node or `storageos plugin enable`",
    };

    public static readonly NodeEvent<string, string> Failed = new(
        "plugin-failed", EventSeverity.Error, "{Module} failed and is ended: {Why}")
    {
        Cause = "one of its callbacks threw or took too long, or its process ended",
        Remedy = "keep the log, it has the exception; `storageos plugin enable` starts it again",
    };

    public static readonly NodeEvent<string, string> Critical = new(
        "plugin-critical", EventSeverity.Critical,
        "{Module} has failed, and this node does not go on without it: {Why}")
    {
        Cause = "a plugin whose manifest says \"critical\" failed; the node stops in good order"
            + " and its partner serves",
        Remedy = "keep the log; whoever supervises the node starts it again, else start it",
    };

    public static readonly NodeEvent<string, string> Malfunctioned = new(
        "plugin-malfunctioned", EventSeverity.Error,
        "{Module} has malfunctioned and is not loaded again until it is enabled: {Why}")
    {
        Cause = "an installed plugin failed three times within five minutes",
        Remedy = "roll it back or ask its maker; then `storageos plugin enable`",
    };

    public static readonly NodeEvent<string, string> FailureNotKept = new(
        "plugin-failure-not-kept", EventSeverity.Warning,
        "that {Module} failed is not kept: {Failure}")
    {
        Cause = "the plugin store cannot be written, so that failures do not add up",
        Remedy = "look at plugins.store: its disk, rights and room",
    };

    public static readonly NodeEvent<string, double, ModuleState?, string?> Restarted = new(
        "plugin-restarted", EventSeverity.Notice,
        "{Module} was started again after {Delay} s: {State} {Reason}")
    {
        Cause = "a plugin with a process of its own had failed and was begun anew",
        Remedy = "none; see plugin-failed for why it had",
    };

    public static readonly NodeEvent<string, Refusal> NotRestarted = new(
        "plugin-not-restarted", EventSeverity.Error, "{Module} is not started again: {Refusal}")
    {
        Cause = "a plugin with a process of its own had failed, and cannot be begun anew",
        Remedy = "do what the refusal says, then `storageos plugin enable`",
    };

    public static readonly NodeEvent<string, string> Late = new(
        "plugin-late", EventSeverity.Warning, "{Module} has not started yet: {Why}")
    {
        Cause = "a plugin that was installed or enabled takes longer than a minute to start",
        Remedy = SeeState,
    };

    public static readonly NodeEvent<string> ThreadLeft = new(
        "plugin-thread-left", EventSeverity.Warning,
        "{Module}: its thread hangs in a callback and is left")
    {
        Cause = "a plugin did not come back from a call although it was ended",
        Remedy = "restart the node when it suits; ask the plugin's maker",
    };

    public static readonly NodeEvent<string, string, double> StepLeft = new(
        "plugin-step-left", EventSeverity.Warning,
        "{Module}: {Step} took more than {Limit} s and is left")
    {
        Cause = "a plugin that is to end takes too long over it; the node does not wait",
        Remedy = "none for the node; ask the plugin's maker",
    };

    public static readonly NodeEvent<string, string> StepFailed = new(
        "plugin-step-failed", EventSeverity.Warning, "{Module}: {Step} failed")
    {
        Cause = "a plugin that is to end threw over it; the node goes on",
        Remedy = "none for the node; its maker wants the exception in the log",
    };

    public static readonly NodeEvent<string, string> Lingers = new(
        "plugin-lingers", EventSeverity.Warning,
        "{Module} {Version} was unloaded and is still in memory: something refers to it, "
        + "such as a thread or a timer of its own; a restart of the node frees it")
    {
        Cause = "code of a plugin that was replaced or removed cannot be freed",
        Remedy = "restart the node when it suits; ask the plugin's maker",
    };

    public static readonly NodeEvent<string, long, int> LogCut = new(
        "plugin-log-cut", EventSeverity.Warning,
        "{Module}: {Count} lines of its log were left out; it may log {Limit} a minute")
    {
        Cause = "a plugin logs more than its manifest allows",
        Remedy = "see what it says; raise the limit in its manifest when that is worth it",
    };

    public static readonly NodeEvent<Refusal> KeyNotTrusted = new(
        "plugin-key-not-trusted", EventSeverity.Warning, "a key is not trusted: {Refusal}")
    {
        Cause = "a file in plugins.trust is no public key, or can be written by others",
        Remedy = "do what the refusal says and restart the node",
    };

    public static readonly NodeEvent<string, string> StoreUnread = new(
        "plugin-store-unread", EventSeverity.Error,
        "installed plugins are not loaded: expected a store at {Store}, found: {Failure}")
    {
        Cause = "plugins.store cannot be read; the node runs with the system's own plugins",
        Remedy = "look at plugins.store: its disk and rights; then restart the node",
    };

    public static readonly NodeEvent<string> StoreUntidy = new(
        "plugin-store-untidy", EventSeverity.Warning,
        "the plugin store is not tidied: {Failure}")
    {
        Cause = "versions that are not needed any more cannot be deleted",
        Remedy = "look at plugins.store: its disk and rights",
    };
}
