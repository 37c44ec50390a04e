// What a module says when something happens that whoever operates a pair is to know: under an id
// that stays the same whatever becomes of the words, with how much it matters, why it comes about
// and what to do. All of it stands beside the text, in one place for each assembly, so that the
// list of events is made of the code and can't tell anything else. An event goes into the log like
// any line, as EventId: the name is the id, the number the severity.
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace StorageOs.Contracts.Runtime;

/// <summary>
/// A class whose static fields are the <see cref="NodeEvent"/>s of its assembly.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class EventCatalogueAttribute : Attribute;

/// <summary>One entry of a catalogue of events. Any thread.</summary>
public abstract class NodeEvent
{
    /// <summary>Letters that an id may have.</summary>
    public const int IdCharsMax = 32;

    /// <summary>
    /// Name of the meter that counts what is raised, by <c>id</c> and <c>severity</c>, as
    /// <c>storageos.events</c>.
    /// </summary>
    public const string MeterName = "StorageOs.Events";

    private static readonly Counter<long> Raised = new Meter(MeterName).CreateCounter<long>(
        "storageos.events", description: "Events raised since the start of the process.");

    private readonly KeyValuePair<string, object?> idTag;
    private readonly KeyValuePair<string, object?> severityTag;

    private protected NodeEvent(string id, EventSeverity severity, string text)
    {
        Invariant.Require(IsId(id));
        (Id, Severity, Text) = (id, severity, text);
        idTag = new("id", id);
        severityTag = new("severity", severity.ToString());
    }

    /// <summary>Its name, which never changes and never comes to mean something else.</summary>
    public string Id { get; }

    /// <summary>How much it matters.</summary>
    public EventSeverity Severity { get; }

    /// <summary>What people read, with the names of its parameters in braces.</summary>
    public string Text { get; }

    /// <summary>Why it comes about.</summary>
    public required string Cause { get; init; }

    /// <summary>What a person can do; says so when that is nothing.</summary>
    public required string Remedy { get; init; }

    /// <summary>
    /// Whether a text can be an event's id: lower-case words with a dash between, and dots. A
    /// plugin's begins with the plugin's own id.
    /// </summary>
    public static bool IsId(string? text) => text is { Length: > 2 and <= IdCharsMax }
        && text.Contains('-', StringComparison.Ordinal)
        && text.All(static letter =>
            char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter is '-' or '.');

    /// <summary>How much a line of a log matters: an event says so itself.</summary>
    public static EventSeverity SeverityOf(LogLevel level, EventId of) =>
        IsId(of.Name) && Enum.IsDefined((EventSeverity)of.Id) ? (EventSeverity)of.Id
        : level switch
        {
            >= LogLevel.Critical => EventSeverity.Critical,
            LogLevel.Error => EventSeverity.Error,
            LogLevel.Warning => EventSeverity.Warning,
            _ => EventSeverity.Information,
        };

    private protected EventId EventId => new((int)Severity, Id);

    private protected LogLevel Level => Severity switch
    {
        EventSeverity.Critical => LogLevel.Critical,
        EventSeverity.Error => LogLevel.Error,
        EventSeverity.Warning => LogLevel.Warning,
        _ => LogLevel.Information,
    };

    private protected void Count() => Raised.Add(1, idTag, severityTag);
}
