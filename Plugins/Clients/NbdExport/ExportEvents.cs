using StorageOs.Contracts.Runtime;

namespace StorageOs.NbdExport;

/// <summary>The events of service addresses.</summary>
[EventCatalogue]
internal static class ExportEvents
{
    public static readonly NodeEvent<string, int> AddressHere = new(
        "address-here", EventSeverity.Notice,
        "service address {Uri} is here; ended {Count} connections of its former holder")
    {
        Cause = "this node serves the group: clients are accepted here",
        Remedy = "none",
    };

    public static readonly NodeEvent<string> AddressGone = new(
        "address-gone", EventSeverity.Notice, "service address {Uri} is gone")
    {
        Cause = "this node serves the group no more: clients are accepted at the partner",
        Remedy = "none",
    };

    public static readonly NodeEvent<Refusal> AddressNotMoved = new(
        "address-not-moved", EventSeverity.Error, "{Refusal}")
    {
        Cause = "the service address could not be set or removed on this node's interface",
        Remedy = "look at the interface and at CAP_NET_ADMIN; it is tried again",
    };

    public static readonly NodeEvent<string, string> NotListening = new(
        "export-not-listening", EventSeverity.Error,
        "can't listen at {Uri}: {Why}; trying again")
    {
        Cause = "the port of a service address is taken by another program, or the address is not"
            + " this machine's",
        Remedy = "end the other program, or correct the settings of nbd-export",
    };

    public static readonly NodeEvent<string, int> Full = new(
        "export-full", EventSeverity.Warning,
        "refused a connection to {Uri}: expected at most {Max}, found one more")
    {
        Cause = "more clients connect than one service address takes",
        Remedy = "find who connects: clients that reconnect without closing, usually",
    };

    public static readonly NodeEvent<ulong, string, Refusal> Dropped = new(
        "connection-dropped", EventSeverity.Warning, "dropped connection {Id} to {Uri}: {Refusal}")
    {
        Cause = "a client sent what is no request, or was too slow to take its replies",
        Remedy = "see what the client is; others are not touched",
    };

    public static readonly NodeEvent<Refusal> NotTaken = new(
        "listener-refused", EventSeverity.Warning,
        "refused what the partner handed over: {Refusal}")
    {
        Cause = "the listening socket that the partner handed over is of another address",
        Remedy = "give nbd-export the same addresses on both nodes",
    };

    public static readonly NodeEvent<string, ushort> LinkUp = new(
        "link-up", EventSeverity.Information, "link to {Partner} for port {Port} is up")
    {
        Cause = "both nodes are on one machine and can hand over connections",
        Remedy = "none",
    };

    public static readonly NodeEvent<string, ushort, string> LinkDown = new(
        "link-down", EventSeverity.Information,
        "link to {Partner} for port {Port} is down: {Why}; accepted connections "
        + "are not handed over until it is up")
    {
        Cause = "the partner's process on this machine ended",
        Remedy = "none; it comes back with the partner",
    };

    public static readonly NodeEvent<ushort, Refusal> LinkRefused = new(
        "link-refused", EventSeverity.Warning,
        "link of the partner for port {Port} refused: {Refusal}")
    {
        Cause = "what connected to the link's socket is not this pair's partner",
        Remedy = "see who it is; give nbd-export the same settings on both nodes",
    };
}
