// Asks both nodes for what they know of each other and prints what was not printed yet. Each look
// is a whole story: what a dead node did last comes by its partner's copy, and what two nodes say
// of one event comes once, by its number.
using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Timeline;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Cli.Events;

/// <summary>Which events are asked for.</summary>
/// <param name="Since">How old they may be; null for any.</param>
/// <param name="Node">Whose; null for both nodes'.</param>
/// <param name="Severity">How severe at least.</param>
internal sealed record EventsWanted(TimeSpan? Since, string? Node, EventSeverity Severity)
{
    /// <summary>
    /// Whether it is one of them. A line of the log without an id is none, for it may be anything.
    /// </summary>
    internal bool Has(StoryEvent of, DateTimeOffset from) =>
        of.What.Name.Length > 0 && of.What.Severity >= Severity && of.Time >= from
        && (Node is null || of.Node == Node);
}

/// <summary>One run of <c>events</c>.</summary>
internal sealed class EventsRun(Output output, PairLayout pair, EventsWanted wanted)
{
    /// <summary>Without <c>--since</c>, following begins with so many.</summary>
    private const int LastShown = 10;

    /// <summary>What was printed is forgotten when no node can tell it any more.</summary>
    private const int ToldMax = 8 * EventSlot.Count;

    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(1);

    private readonly HashSet<(string Node, ulong Epoch, ulong Sequence)> told = [];
    private readonly Dictionary<string, bool> answered = [];
    private DateOnly day;

    /// <summary>Prints what there is.</summary>
    internal async Task<int> OnceAsync(CancellationToken cancellation)
    {
        IReadOnlyList<StorySource> sources =
            await StorySources.AskAsync(pair, cancellation);
        Story story = StoryOf(sources);
        DateTimeOffset from = TimelineCommand.From(story, sources, wanted.Since);
        StoryEvent[] found = [.. story.Events.Where(of => wanted.Has(of, from))];
        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["reference"] = story.Clock.Reference,
                ["events"] = new JsonArray([.. found.Select(StoryDocument.Of)]),
            });
        }
        else
        {
            IAnsiConsole console = Output.Tables();
            Write(console, found);
            TimelineView.WriteNotes(console, story, sources);
        }

        return TimelineCommand.CodeOf(sources);
    }

    /// <summary>Prints what there is and what comes, until cancelled.</summary>
    internal async Task<int> FollowAsync(CancellationToken cancellation)
    {
        IAnsiConsole console = Output.Tables();
        using PeriodicTimer timer = new(LookPeriod);
        bool first = true;
        DateTimeOffset from = default;
        try
        {
            do
            {
                IReadOnlyList<StorySource> sources =
                    await StorySources.AskAsync(pair, cancellation, AnswerTimeMax);
                Story story = StoryOf(sources);
                from = first ? TimelineCommand.From(story, sources, wanted.Since) : from;
                StoryEvent[] news = News(
                    story, from, forgets: sources.All(static source => source.Answers));
                if (first && wanted.Since is null)
                {
                    // What a node that answers later tells of before is not asked for, either.
                    news = [.. news.TakeLast(LastShown)];
                    from = news.Length > 0 ? news[0].Time : from;
                }

                Write(console, news);
                TellAnswers(console, sources);
                first = false;
            }
            while (await timer.WaitForNextTickAsync(cancellation));
        }
        catch (OperationCanceledException)
        {
            return ExitCode.Good; // Ctrl-C is how it ends.
        }

        return ExitCode.Good;
    }

    private static Story StoryOf(IReadOnlyList<StorySource> sources) => Story.Of(
        sources[0].Name, sources[0].Events, sources[1].Name, sources[1].Events);

    private StoryEvent[] News(Story story, DateTimeOffset from, bool forgets)
    {
        StoryEvent[] fresh = [.. story.Events.Where(of => told.Add(Key(of)))];
        if (told.Count > ToldMax && forgets)
        {
            told.IntersectWith(story.Events.Select(Key));
        }

        return [.. fresh.Where(of => wanted.Has(of, from))];
    }

    private static (string Node, ulong Epoch, ulong Sequence) Key(StoryEvent of) =>
        (of.Node, of.What.Epoch, of.What.Sequence);

    private void Write(IAnsiConsole console, IReadOnlyList<StoryEvent> events)
    {
        foreach (StoryEvent of in events)
        {
            if (output.Json)
            {
                Console.Out.WriteLine(StoryDocument.Of(of).ToJsonString());
                continue;
            }

            DateOnly its = DateOnly.FromDateTime(of.Time.UtcDateTime);
            if (its != day)
            {
                day = its;
                console.WriteLine($"{day:yyyy-MM-dd} UTC");
            }

            TimelineView.WriteLine(
                console, $"{of.Time:HH:mm:ss.fff} {of.Node} ", of.What,
                TimelineView.Shown(of.What));
        }
    }

    /// <summary>Whoever follows is to know that silence is not peace.</summary>
    private void TellAnswers(IAnsiConsole console, IReadOnlyList<StorySource> sources)
    {
        foreach (StorySource source in sources)
        {
            bool before = answered.GetValueOrDefault(source.Name, defaultValue: true);
            answered[source.Name] = source.Answers;
            if (before == source.Answers || output.Json)
            {
                continue;
            }

            console.Write(StatusTable.Note(source.Answers
                ? $"{source.Name} answers again"
                : $"{source.Name} does not answer ({source.Reason}); going on with what its"
                    + " partner knows"));
            console.WriteLine();
        }
    }
}
