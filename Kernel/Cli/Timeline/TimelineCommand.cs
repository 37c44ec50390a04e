using System.CommandLine;
using System.Globalization;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Cli.Timeline;

/// <summary>
/// <c>timeline</c>: what both nodes did lately, in one order, told by whoever still can.
/// </summary>
internal static class TimelineCommand
{
    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Option<string?> since = Since();
        Option<string?> node = Node();
        Command command = new("timeline", "Tells what both nodes did, in one order.")
        {
            directory, since, node,
        };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return RunAsync(
                Output.Of(parsed), pair, Age(parsed.GetValue(since)), parsed.GetValue(node),
                cancellation);
        });
        return command;
    }

    /// <summary>The option that says how old what is told may be.</summary>
    internal static Option<string?> Since()
    {
        Option<string?> since = new("--since")
        {
            Description = "only what happened in the last 30s, 10m, 2h or 1d",
        };
        since.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && Age(token.Value) is null)
            {
                result.AddError($"--since takes a number with s, m, h or d, not {token.Value}.");
            }
        });
        return since;
    }

    /// <summary>The option that says whose it is.</summary>
    internal static Option<string?> Node()
    {
        Option<string?> node = new("--node") { Description = "only what this node did" };
        node.AcceptOnlyFromAmong([.. PairLayout.Names]);
        return node;
    }

    /// <summary>Reads an age; null when it is none.</summary>
    internal static TimeSpan? Age(string? text)
    {
        if (text is null or { Length: < 2 or > 7 }
            || !int.TryParse(
                text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out int count))
        {
            return null;
        }

        return text[^1] switch
        {
            's' => TimeSpan.FromSeconds(count),
            'm' => TimeSpan.FromMinutes(count),
            'h' => TimeSpan.FromHours(count),
            'd' => TimeSpan.FromDays(count),
            _ => null,
        };
    }

    /// <summary>So long before a time; what is older than any event is the beginning.</summary>
    internal static DateTimeOffset Back(DateTimeOffset from, TimeSpan age) =>
        from - DateTimeOffset.UnixEpoch > age ? from - age : DateTimeOffset.UnixEpoch;

    /// <summary>
    /// Back from now by the clock that the times are of, which may not be this machine's.
    /// </summary>
    internal static DateTimeOffset From(
        Story story, IReadOnlyList<StorySource> sources, TimeSpan? since) => since is { } age
        ? sources.Where(source => source.Now is not null)
            .Select(source => story.Clock.Place(source.Name, source.Now!).Time)
            .Select(time => Back(time, age)).DefaultIfEmpty(DateTimeOffset.UnixEpoch).Max()
        : DateTimeOffset.UnixEpoch;

    /// <summary>Whether both nodes were heard.</summary>
    internal static int CodeOf(IReadOnlyList<StorySource> sources) =>
        sources.All(source => !source.Answers) ? ExitCode.Failed
        : sources.Any(source => !source.Answers) ? ExitCode.Degraded : ExitCode.Good;

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, TimeSpan? since, string? node,
        CancellationToken cancellation)
    {
        IReadOnlyList<StorySource> sources = await StorySources.AskAsync(pair, cancellation);
        Story story = Story.Of(
            sources[0].Name, sources[0].Events, sources[1].Name, sources[1].Events);

        DateTimeOffset from = From(story, sources, since);
        TimelineView view = new(
            story, sources, of => of.Time >= from && (node is null || of.Node == node));
        if (output.Json)
        {
            Output.Write(view.ToJson());
        }
        else
        {
            view.Write(Output.Tables());
        }

        return CodeOf(sources);
    }
}
