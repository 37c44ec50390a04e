using System.CommandLine;
using System.Text.Json.Nodes;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>plugin list</c>: every module of the running nodes, refused ones with the reason.
/// </summary>
internal static class PluginCommand
{
    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Command list = new("list", "Lists plugins and where each stands.") { directory };
        list.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return ListAsync(Output.Of(parsed), pair, cancellation);
        });
        return new Command("plugin", "Looks at plugins.") { list };
    }

    private static async Task<int> ListAsync(
        Output output, PairLayout pair, CancellationToken cancellation)
    {
        PairStatus status = await PairStatus.AskAsync(pair, cancellation);
        if (output.Json)
        {
            JsonArray nodes = [.. status.Nodes.Select(node => new JsonObject
            {
                ["name"] = node["name"]?.DeepClone(),
                ["phase"] = node["phase"]?.DeepClone(),
                ["plugins"] = node["plugins"]?.DeepClone() ?? new JsonArray(),
            })];
            Output.Write(new JsonObject { ["nodes"] = nodes });
        }
        else
        {
            Output.Tables().Write(TableOf(status));
        }

        bool noneAnswers = status.Nodes.All(node => $"{node["phase"]}" == "Unreachable");
        return noneAnswers ? ExitCode.Failed : ExitCode.Good;
    }

    /// <summary>A table that fits 80 columns; reasons, which are long, below it.</summary>
    private static Rows TableOf(PairStatus status)
    {
        Table table = StatusTable.New("Node", "Plugin", "Kind", "Version", "State");
        List<IRenderable> parts = [table];
        foreach (JsonObject node in status.Nodes)
        {
            if (node["plugins"] is not JsonArray plugins)
            {
                table.AddRow($"{node["name"]}", "", "", "", "Unreachable");
                continue;
            }

            foreach (JsonNode? plugin in plugins)
            {
                string[] keys = ["id", "kind", "version", "state"];
                table.AddRow([
                    new Text($"{node["name"]}"),
                    .. keys.Select(key => new Text($"{plugin?[key]}")),
                ]);
                if ($"{plugin?["reason"]}" is { Length: > 0 } reason)
                {
                    parts.Add(StatusTable.Note($"{plugin!["id"]} of {node["name"]}: {reason}"));
                }
            }
        }

        return new Rows(parts);
    }
}
