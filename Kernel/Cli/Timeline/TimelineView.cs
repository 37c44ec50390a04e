using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Cli.Timeline;

/// <summary>Shows the story of a pair: a line for each event, or one document.</summary>
internal sealed class TimelineView(
    Story story, IReadOnlyList<StorySource> sources, Func<StoryEvent, bool> wanted)
{
    private const int TextColumnsMin = 20;
    private readonly Dictionary<SessionId, int> sessions = Numbered(story);

    /// <summary>The documented form.</summary>
    public JsonObject ToJson() => new()
    {
        ["nodes"] = new JsonArray([.. sources.Select(Of)]),
        ["clock"] = new JsonObject
        {
            ["reference"] = story.Clock.Reference,
            ["other"] = story.Clock.Other,
            ["sessions"] = story.Clock.Sessions,
            ["otherAheadMs"] = story.Clock.Ahead?.TotalMilliseconds,
            ["disagrees"] = story.Clock.Disagrees,
        },
        ["register"] = new JsonArray([.. story.Register.Select(Of)]),
        ["events"] = new JsonArray([.. story.Events.Where(wanted).Select(StoryDocument.Of)]),
    };

    /// <summary>The form for people.</summary>
    public void Write(IAnsiConsole console)
    {
        int names = sources.Max(source => source.Name.Length);
        DateOnly day = default;
        foreach (StoryEvent of in story.Events.Where(wanted))
        {
            DateOnly its = DateOnly.FromDateTime(of.Time.UtcDateTime);
            if (its != day)
            {
                day = its;
                console.WriteLine($"{day:yyyy-MM-dd} UTC, by the clock of {story.Clock.Reference}");
            }

            if (!Story.IsOfRegister(of))
            {
                Write(console, of, names);
            }
            else if (story.Register.FirstOrDefault(change => change.First == of) is { } change)
            {
                Write(console, of, names, Text(change), Color.Aqua);
            }
        }

        WriteNotes(console, story, sources);
    }

    /// <summary>Writes what a reader of a story must know of where it comes from.</summary>
    internal static void WriteNotes(
        IAnsiConsole console, Story story, IReadOnlyList<StorySource> sources)
    {
        foreach (string note in new TimelineView(story, sources, static _ => true).Notes())
        {
            console.Write(StatusTable.Note(note));
            console.WriteLine();
        }
    }

    /// <summary>What a reader of the story must know of where it comes from.</summary>
    internal IEnumerable<string> Notes()
    {
        foreach (StorySource source in sources.Where(source => !source.Answers))
        {
            yield return source.KeptCount > 0
                ? $"{source.Name} does not answer ({source.Reason}); told by its partner's copy"
                : $"{source.Name} does not answer ({source.Reason}), and nobody tells of it";
        }

        foreach (StorySource source in sources.Where(source => source.Damaged > 0))
        {
            yield return $"{source.Damaged} damaged slots of {source.Name} are left out";
        }

        if (story.Clock is { Disagrees: true, Ahead: { } ahead } clock)
        {
            string how = ahead > TimeSpan.Zero ? "ahead of" : "behind";
            yield return $"the clocks disagree: {clock.Other} is {Shown(ahead.Duration())} {how}"
                + $" {clock.Reference}, by the last session that both were ready in";
        }
        else if (story.Clock.Sessions == 0 && sources.All(source => source.Events.Count > 0))
        {
            yield return "no session in which both tell that they were ready: times of"
                + $" {story.Clock.Other} are its own clock's";
        }
    }

    private static Dictionary<SessionId, int> Numbered(Story story)
    {
        Dictionary<SessionId, int> numbers = [];
        foreach (StoryEvent of in story.Events)
        {
            if (of.What.Session is { } session)
            {
                _ = numbers.TryAdd(session, numbers.Count + 1);
            }
        }

        return numbers;
    }

    private static string Shown(TimeSpan time) =>
        time.TotalDays >= 2 ? Invariant($"{time.TotalDays:F1} days")
        : time.TotalHours >= 2 ? Invariant($"{time.TotalHours:F1} hours")
        : time.TotalMinutes >= 2 ? Invariant($"{time.TotalMinutes:F1} minutes")
        : Invariant($"{time.TotalSeconds:F1} s");

    private static string Invariant(FormattableString text) =>
        text.ToString(CultureInfo.InvariantCulture);

    private static string Text(RegisterChange change)
    {
        string by = change.By.Length == 0 ? "" : $"; {change.By} swapped it in ({change.Intent})";
        return $"register, {change.Group}: owner {change.Owner}, {change.Sync}{by}";
    }

    private static Color Coloured(RecordedEvent what) => what.Severity switch
    {
        >= EventSeverity.Error => Color.Red,
        EventSeverity.Warning => Color.Yellow,
        EventSeverity.Notice => Color.Green,
        _ => Color.Default,
    };

    private static string Short(EventSeverity severity) => severity switch
    {
        EventSeverity.Critical => "CRIT",
        EventSeverity.Error => "ERR",
        EventSeverity.Warning => "warn",
        EventSeverity.Notice => "note",
        _ => "",
    };

    /// <summary>What it says, with its id behind it.</summary>
    internal static string Shown(RecordedEvent what, string? text = null)
    {
        string said = (text ?? what.Text).TrimEnd(' ', ';');
        return what.Name.Length == 0 ? said : $"{said} [{what.Name}]";
    }

    /// <summary>One event: what is before its severity, and its text, broken at the edge.</summary>
    internal static void WriteLine(
        IAnsiConsole console, string before, RecordedEvent what, string text,
        Color? colour = null)
    {
        string head = $"{before}{Short(what.Severity),-4} ";
        int width = Math.Max(TextColumnsMin, console.Profile.Width - head.Length - 1);
        foreach (string line in Wrapped(text, width))
        {
            console.Write(head);
            console.WriteLine(line, new Style(colour ?? Coloured(what)));
            head = new string(' ', head.Length);
        }
    }

    private void Write(
        IAnsiConsole console, StoryEvent of, int names, string? text = null, Color? colour = null)
    {
        string session = of.What.Session is { } id ? $"s{sessions[id]}" : "";
        string term = of.What.Term > 0 ? $"t{of.What.Term}" : "";
        string head = Invariant($"{of.Time:HH:mm:ss.fff} ")
            + $"{of.Node.PadRight(names)} {session,-3} {term,-4} ";
        WriteLine(console, head, of.What, Shown(of.What, text), colour);
    }

    /// <summary>Breaks a text at blanks, or within a word that is too long for a line.</summary>
    internal static IEnumerable<string> Wrapped(string text, int width)
    {
        while (text.Length > width)
        {
            int blank = text.LastIndexOf(' ', width);
            int end = blank > 0 ? blank : width;
            yield return text[..end];
            text = text[end..].TrimStart();
        }

        yield return text;
    }

    private static JsonObject Of(StorySource source) => new()
    {
        ["name"] = source.Name,
        ["answers"] = source.Answers,
        ["reason"] = source.Reason,
        ["events"] = source.Events.Count,
        ["own"] = source.OwnCount,
        ["kept"] = source.KeptCount,
        ["damaged"] = source.Damaged,
    };

    private static JsonObject Of(RegisterChange change) => new()
    {
        ["group"] = change.Group.Value,
        ["term"] = change.Term,
        ["owner"] = change.Owner,
        ["sync"] = change.Sync,
        ["by"] = change.By,
        ["intent"] = change.Intent,
        ["time"] = StoryDocument.Time(change.First),
    };
}
