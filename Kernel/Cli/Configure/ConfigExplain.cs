using System.CommandLine;
using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Timeline;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Configure;

/// <summary><c>config explain</c>: what a key is for, and what it may be.</summary>
internal static class ConfigExplain
{
    private const int Indent = 2;

    internal static Command Make()
    {
        Argument<string?> key = new("key")
        {
            Description = "a key or its end, such as beatMs or node.beatMs; without it, all keys",
            DefaultValueFactory = static _ => null,
        };
        Option<string[]> plugins = new("--plugins")
        {
            Description = "a folder of plugins whose keys are to be known, too",
            DefaultValueFactory = static _ => [],
        };
        Command command = new("explain", "Tells what a key is for and may be, and its default.")
        {
            key, plugins,
        };
        command.SetAction(parsed => Run(
            Output.Of(parsed), parsed.GetValue(key), parsed.GetValue(plugins)!));
        return command;
    }

    /// <summary>All keys: of the node, the image and the plugins in some folders.</summary>
    internal static IReadOnlyList<KeyFacts> All(IReadOnlyList<string> directories) =>
    [
        .. KeyFacts.OfNode, .. KeyFacts.OfMachine,
        .. PluginCatalog.Find(directories)
            .Select(static candidate => candidate.Good).OfType<PluginManifest>()
            .OrderBy(static manifest => manifest.Id, StringComparer.Ordinal)
            .SelectMany(KeyFacts.Of),
    ];

    private static int Run(Output output, string? key, string[] more)
    {
        KeyFacts[] keys = [.. All(
            [NodeConfiguration.BuiltPlugins, .. more.Select(Path.GetFullPath)])
            .Where(one => key is null || one.IsMeantBy(key))];
        if (keys.Length == 0)
        {
            return output.Fail(new Refusal(
                $"key {key}", "one of the configuration's", "another",
                "storageos config explain lists them"));
        }

        if (output.Json)
        {
            Output.Write(new JsonArray([.. keys.Select(static one => (JsonNode)Json(one))]));
        }
        else
        {
            Write(Output.Tables(), keys);
        }

        return ExitCode.Good;
    }

    private static JsonObject Json(KeyFacts key) => new()
    {
        ["key"] = key.Path,
        ["value"] = key.Value,
        ["default"] = key.Default,
        ["needed"] = key.Default is null,
        ["taken"] = key.Taken,
        ["meaning"] = key.Meaning,
    };

    private static void Write(IAnsiConsole console, IReadOnlyList<KeyFacts> keys)
    {
        foreach (KeyFacts key in keys)
        {
            console.Write(new Text($"{key.Path}\n", new Style(decoration: Decoration.Bold)));
            string usual = key.Default is { } text ? $"default: {text}" : "must be there";
            foreach (string part in (string[])[
                key.Meaning, $"value: {key.Value}", usual,
                $"taken {key.Taken}"])
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
