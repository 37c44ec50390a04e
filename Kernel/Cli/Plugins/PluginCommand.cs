using System.CommandLine;
using System.Text.Json.Nodes;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace StorageOs.Kernel.Cli.Plugins;

/// <summary>
/// <c>plugin</c>: makes bundles, keeps each node's store, and shows how plugins stand.
/// </summary>
internal static class PluginCommand
{
    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Command list = new("list", "Lists plugins and how each stands.") { directory };
        list.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return ListAsync(Output.Of(parsed), pair, cancellation);
        });
        Command command = new("plugin", "Makes, checks, installs and shows plugins.") { list };
        foreach (Command more in BundleCommands.Make().Concat(StoreCommands.Make()))
        {
            command.Add(more);
        }

        return command;
    }

    private static async Task<int> ListAsync(
        Output output, PairLayout pair, CancellationToken cancellation)
    {
        PairStatus status = await PairStatus.AskAsync(pair, cancellation);
        (JsonObject Node, IReadOnlyList<PluginRow> Rows)[] nodes =
        [
            .. status.Nodes.Select(node => (node, NodeStore.RowsOf(pair, $"{node["name"]}",
                node["plugins"] as JsonArray))),
        ];
        if (output.Json)
        {
            JsonArray all = [.. nodes.Select(static each => new JsonObject
            {
                ["name"] = each.Node["name"]?.DeepClone(),
                ["phase"] = each.Node["phase"]?.DeepClone(),
                ["plugins"] = each.Node["plugins"]?.DeepClone() ?? new JsonArray(),
                ["standings"] = Json(each.Rows),
            })];
            Output.Write(new JsonObject { ["nodes"] = all });
        }
        else
        {
            Output.Tables().Write(TableOf(nodes));
        }

        bool noneAnswers = status.Nodes.All(node => $"{node["phase"]}" == "Unreachable");
        return noneAnswers ? ExitCode.Failed : ExitCode.Good;
    }

    private static JsonArray Json(IReadOnlyList<PluginRow> rows) =>
        [.. rows.Select(static row => new JsonObject
        {
            ["id"] = row.Id,
            ["kind"] = row.Kind,
            ["version"] = row.Version,
            ["standing"] = row.Standing,
            ["reason"] = row.Reason,
            ["source"] = row.Source,
            ["signature"] = row.Signature,
            ["containment"] = row.Containment,
        })];

    /// <summary>A table that fits 80 columns; reasons, which are long, below it.</summary>
    private static Rows TableOf((JsonObject Node, IReadOnlyList<PluginRow> Rows)[] nodes)
    {
        Table table = StatusTable.New(
            "Node", "Plugin", "Kind", "Version", "State", "Signed", "Contained");
        List<IRenderable> parts = [table];
        foreach ((JsonObject node, IReadOnlyList<PluginRow> rows) in nodes)
        {
            if (node["plugins"] is not JsonArray)
            {
                table.AddRow($"{node["name"]}", "", "", "", "Unreachable", "", "");
            }

            foreach (PluginRow row in rows)
            {
                table.AddRow([
                    .. new[]
                    {
                        $"{node["name"]}", row.Id, row.Kind, row.Version, row.Standing,
                        Signed(row), Contained(row),
                    }.Select(StatusTable.Plain),
                ]);
                if (row.Reason.Length > 0)
                {
                    parts.Add(StatusTable.Note($"{row.Id} of {node["name"]}: {row.Reason}"));
                }
            }
        }

        return new Rows(parts);
    }

    private static string Contained(PluginRow row) => row.Containment switch
    {
        "" => "",
        "process" => "yes",
        _ => "no",
    };

    private static string Signed(PluginRow row) => row switch
    {
        { Source: "system" } => "system",
        { Signature: "known" } => "yes",
        { Signature: "unknown" } => "unknown",
        { Signature: "none" } => "no",
        _ => "",
    };
}
