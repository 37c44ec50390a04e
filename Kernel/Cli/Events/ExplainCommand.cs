using System.CommandLine;
using Spectre.Console;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Timeline;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Events;

/// <summary><c>explain</c>: what an event means and what to do about it.</summary>
internal static class ExplainCommand
{
    private const int Indent = 2;

    internal static Command Make()
    {
        Argument<string> id = new("ID") { Description = "an event's id, such as session-ended" };
        Option<string[]> plugins = Plugins();
        Command command = new("explain", "Tells what an event means, and what to do about it.")
        {
            id, plugins,
        };
        command.SetAction(parsed =>
        {
            string wanted = parsed.GetValue(id)!;
            CatalogueEntry entry = Catalogue(parsed.GetValue(plugins))
                .FirstOrDefault(one => one.What.Id == wanted) ?? throw new RefusedException(new(
                    $"event {wanted}", "an id of the catalogue", "another",
                    "storageos events --catalogue lists them"));
            if (Output.Of(parsed).Json)
            {
                Output.Write(EventDocument.Json(entry));
            }
            else
            {
                Write(Output.Tables(), [entry]);
            }

            return ExitCode.Good;
        });
        return command;
    }

    /// <summary>The option for plugins that did not come with the system.</summary>
    internal static Option<string[]> Plugins() => new("--plugins")
    {
        Description = "a folder of plugins whose events are to be known, too",
        DefaultValueFactory = _ => [],
    };

    /// <summary>All events of this system, and of plugins in more folders.</summary>
    internal static IReadOnlyList<CatalogueEntry> Catalogue(string[]? more) => EventCatalogue.Of(
        [NodeConfiguration.BuiltPlugins, .. (more ?? []).Select(Path.GetFullPath)]);

    /// <summary>The form for people.</summary>
    internal static void Write(IAnsiConsole console, IReadOnlyList<CatalogueEntry> entries)
    {
        foreach (CatalogueEntry entry in entries)
        {
            console.Write(new Text(entry.What.Id, new Style(decoration: Decoration.Bold)));
            console.Write(new Text(
                $"  {entry.What.Severity.ToString().ToLowerInvariant()}, of {entry.Source}\n"));
            foreach (string part in (string[])[
                entry.What.Text, $"why:  {entry.What.Cause}", $"what to do:  {entry.What.Remedy}"])
            {
                int width = console.Profile.Width - Indent - 1;
                foreach (string line in TimelineView.Wrapped(part, width))
                {
                    console.WriteLine(new string(' ', Indent) + line);
                }
            }
        }
    }
}
