using System.CommandLine;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Timeline;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Events;

/// <summary>
/// <c>events</c>: what both nodes raised, in one order, and what they raise from now on; or the
/// catalogue of all there are.
/// </summary>
internal static class EventsCommand
{
    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Option<string?> since = TimelineCommand.Since();
        Option<string?> node = TimelineCommand.Node();
        Option<bool> follow = new("--follow", "-f") { Description = "go on until Ctrl-C" };
        Option<string> severity = new("--severity")
        {
            Description = "only what is at least so severe",
            DefaultValueFactory = _ => "information",
        };
        severity.AcceptOnlyFromAmong(
            [.. Enum.GetNames<EventSeverity>().Select(static name => name.ToLowerInvariant())]);
        Option<bool> catalogue = new("--catalogue")
        {
            Description = "print what events there are, instead",
        };
        Option<string[]> plugins = ExplainCommand.Plugins();
        Command command = new("events", "Shows the events of both nodes, in one order.")
        {
            directory, since, node, severity, follow, catalogue, plugins,
        };
        command.SetAction((parsed, cancellation) =>
        {
            Output output = Output.Of(parsed);
            if (parsed.GetValue(catalogue))
            {
                return Task.FromResult(
                    Print(output, ExplainCommand.Catalogue(parsed.GetValue(plugins))));
            }

            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            EventsWanted wanted = new(
                TimelineCommand.Age(parsed.GetValue(since)), parsed.GetValue(node),
                Enum.Parse<EventSeverity>(parsed.GetValue(severity)!, ignoreCase: true));
            EventsRun run = new(output, pair, wanted);
            return parsed.GetValue(follow)
                ? run.FollowAsync(cancellation) : run.OnceAsync(cancellation);
        });
        return command;
    }

    private static int Print(Output output, IReadOnlyList<CatalogueEntry> all)
    {
        if (output.Json)
        {
            Output.Write(EventDocument.Json(all));
        }
        else
        {
            ExplainCommand.Write(Output.Tables(), all);
        }

        return ExitCode.Good;
    }
}
