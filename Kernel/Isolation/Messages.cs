// What travels between a node and a plugin's process. Both are of one build: nothing here has
// versions.
using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;

namespace StorageOs.Kernel.Isolation;

/// <summary>What is asked over a line, by either end.</summary>
internal static class Ask
{
    // Of the process.
    internal const string Begin = "begin", Start = "start", Ready = "ready", Lost = "lost";
    internal const string Port = "port", Memory = "memory", Stop = "stop", Report = "report";
    internal const string Command = "command", Hold = "hold", Ping = "ping";

    // Told to the process.
    internal const string Resume = "resume", Stopping = "stopping", Deadline = "deadline";
    internal const string Cancel = "cancel", Exit = "exit";

    // Of the node.
    internal const string OpenPort = "openPort", ClosePort = "closePort", Offer = "offer";
    internal const string Withdraw = "withdraw", Reconnect = "reconnect", Partner = "partner";
    internal const string OfferRegion = "offerRegion", Revoke = "revoke", Reclaim = "reclaim";
    internal const string Probe = "probe", Veto = "veto", EndVeto = "endVeto";
    internal const string Vetoes = "vetoes", DisposePort = "disposePort";

    // Told to the node.
    internal const string Log = "log", Fault = "fault";
}

/// <summary>What a process is to load.</summary>
internal sealed record BeginBody(
    string Id, string Folder, string Assembly, string Type, NodeInfo Node,
    IReadOnlyDictionary<string, string?> Settings);

/// <summary>What a plugin consists of.</summary>
internal sealed record DescribedBody(
    IReadOnlyList<ClientNeeds> Clients, IReadOnlyList<string> Sections,
    IReadOnlyList<string> Commands);

/// <summary>A client's region, as a process maps it.</summary>
internal sealed record SharedRegion(string Name, string Path, int Length);

/// <summary>Starts a client.</summary>
internal sealed record StartBody(int Client, IReadOnlyList<SharedRegion> Regions);

/// <summary>A port that is open.</summary>
internal sealed record SharedPort(
    uint Number, string Name, string Path, int PostsInFlightMax, bool CanFlush);

/// <summary>Memory of the partner.</summary>
internal sealed record SharedMemory(uint Number, string Name, RemoteRegion Region);

/// <summary>The partner is ready.</summary>
internal sealed record ReadyBody(
    int Client, SessionId Session, ulong PartnerEpoch, ushort Version, ulong Meeting,
    IReadOnlyList<SharedPort> Ports, IReadOnlyList<SharedMemory> Memory);

/// <summary>The partner is lost.</summary>
internal sealed record LostBody(int Client, SessionId Session, SessionEnd End);

/// <summary>A port is open anew, or closed.</summary>
internal sealed record PortBody(int Client, string Name, SharedPort? Port);

/// <summary>Memory is offered, or withdrawn.</summary>
internal sealed record MemoryBody(int Client, string Name, SharedMemory? Memory);

/// <summary>Something about one client, or one reporter, by its number.</summary>
internal sealed record OneBody(int Client, string Name = "");

/// <summary>Runs a command of an operator.</summary>
internal sealed record CommandBody(string Name, long Run, JsonObject Arguments);

/// <summary>Ends a command whose asker has gone.</summary>
internal sealed record CancelBody(long Run);

/// <summary>Offers a region.</summary>
internal sealed record OfferBody(int Client, string Region, RemoteAccess Access);

/// <summary>Reclaims a region.</summary>
internal sealed record ReclaimBody(int Client, string Region, IReadOnlyList<ByteRange> Live);

/// <summary>A veto, or its end.</summary>
internal sealed record VetoBody(long Number, byte? Group, string Why, string Remedy);

/// <summary>A veto of any module.</summary>
internal sealed record KnownVeto(
    string Who, byte? Group, string Why, string Remedy, DateTimeOffset Since)
{
    internal static KnownVeto Of(HandoverVeto veto) =>
        new(veto.Who, veto.Group?.Value, veto.Why, veto.Remedy, veto.Since);

    internal HandoverVeto ToVeto() => new(
        Who, Group is { } value ? new GroupId(value) : null, Why, Remedy, Since);
}

/// <summary>One line of a plugin's log.</summary>
internal sealed record LogBody(
    string Category, int Level, int EventId, string? EventName, string Text, string? Failure);
