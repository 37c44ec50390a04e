using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Kernel.Recorder;

/// <summary>The answer to the management command <c>events</c>, written and read.</summary>
internal static class RecorderDocument
{
    /// <summary>A node's own events and those of its partner that it knows.</summary>
    public static JsonObject Of(NodeInfo node, FlightRecorder own, PartnerRing partner) => new()
    {
        ["name"] = node.Name,
        ["partner"] = node.PartnerName,
        ["now"] = Of(own.Now(new RecordedEvent())),
        ["own"] = Of(own.Read()),
        ["kept"] = Of(partner.Read()),
    };

    /// <summary>One event.</summary>
    public static JsonObject Of(RecordedEvent what) => new()
    {
        ["epoch"] = Hex(what.Epoch),
        ["sequence"] = what.Sequence,
        ["monotonicNs"] = what.Monotonic,
        ["wallUs"] = what.Wall,
        ["session"] = what.Session?.ToString(),
        ["term"] = what.Term == 0 ? null : what.Term,
        ["group"] = what.Group?.Value,
        ["level"] = what.Level.ToString(),
        ["severity"] = what.Severity.ToString(),
        ["source"] = what.Source,
        ["name"] = what.Name,
        ["facts"] = what.Facts,
        ["text"] = what.Text,
    };

    /// <summary>Reads a ring back.</summary>
    public static EventRing Ring(JsonNode? ring) => new(
        [.. (ring?["events"] as JsonArray ?? []).Select(Event)],
        ring?["damaged"]?.GetValue<int>() ?? 0);

    private static JsonObject Of(EventRing ring) => new()
    {
        ["events"] = new JsonArray([.. ring.Events.Select(Of)]),
        ["damaged"] = ring.Damaged,
    };

    /// <summary>Reads an event back.</summary>
    public static RecordedEvent Event(JsonNode? from) => new()
    {
        Epoch = FromHex($"{from?["epoch"]}"),
        Sequence = from?["sequence"]?.GetValue<ulong>() ?? 0,
        Monotonic = from?["monotonicNs"]?.GetValue<long>() ?? 0,
        Wall = from?["wallUs"]?.GetValue<long>() ?? 0,
        Session = Session($"{from?["session"]}"),
        Term = from?["term"]?.GetValue<ulong>() ?? 0,
        Group = from?["group"] is { } group ? new GroupId(group.GetValue<byte>()) : null,
        Level = Enum.Parse<LogLevel>($"{from?["level"]}"),
        Severity = Severity(from),
        Source = $"{from?["source"]}",
        Name = $"{from?["name"]}",
        Facts = $"{from?["facts"]}",
        Text = $"{from?["text"]}",
    };

    // A node of a build before there were severities tells its level alone.
    private static EventSeverity Severity(JsonNode? from) =>
        Enum.TryParse($"{from?["severity"]}", out EventSeverity told) ? told
        : NodeEvent.SeverityOf(Enum.Parse<LogLevel>($"{from?["level"]}"), default);

    // As SessionId.ToString puts it: low epoch, low attempt, high epoch, high attempt.
    private static SessionId? Session(string text) =>
        text.Split('.', '-') is [var lowEpoch, var lowAttempt, var highEpoch, var highAttempt]
            ? new SessionId(
                FromHex(lowEpoch), FromHex(highEpoch),
                uint.Parse(lowAttempt, CultureInfo.InvariantCulture),
                uint.Parse(highAttempt, CultureInfo.InvariantCulture))
            : null;

    private static string Hex(ulong value) => value.ToString("x", CultureInfo.InvariantCulture);

    private static ulong FromHex(string text) =>
        ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
