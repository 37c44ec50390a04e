using System.Text.Json.Nodes;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace StorageOs.Kernel.Cli;

/// <summary>A pair's status for people, within 80 columns.</summary>
internal static class StatusTable
{
    /// <summary>Nodes, clients, volumes, and what keeps them from being well.</summary>
    internal static IRenderable Of(PairStatus status)
    {
        List<IRenderable> parts = [Nodes(status)];
        parts.AddRange(Paths(status));
        parts.Add(Clients(status));
        if (Volumes(status) is { } volumes)
        {
            parts.Add(volumes);
        }

        parts.AddRange(status.Advances.Select(static one => one.Bar()));
        parts.AddRange(status.Takeovers.Select(Note));
        parts.AddRange(status.Lacks.Select(Note));
        parts.AddRange(status.Exposed.Select(Note));
        if (status.Nodes.Select(node => node["transportTraits"]).FirstOrDefault(
            traits => traits?["oneSided"]?.GetValue<bool>() == false) is { } answered)
        {
            parts.Add(new Text(
                $"{answered["name"]}: the partner's process takes part in every operation"));
        }

        if (status.Nodes.FirstOrDefault(PairStatus.HasNoWitness) is { } without)
        {
            parts.Add(Note($"witness none: {without["witness"]!["detail"]}"));
        }

        return new Rows(parts);
    }

    private static Table Nodes(PairStatus status)
    {
        Table table = New("Node", "Pid", "Phase", "Session", "Handshake", "Witness", "Takeover");
        foreach (JsonObject node in status.Nodes)
        {
            JsonNode? session = node["session"];
            table.AddRow(
                Cell(node["name"]),
                Cell(node["pid"]),
                Coloured($"{node["phase"]}", "Serving"),
                Coloured($"{session?["state"]}", "Ready"),
                Cell(session?["step"]),
                Coloured(
                    PairStatus.Witness(node),
                    PairStatus.HasNoWitness(node) ? "none" : "reachable"),
                Coloured(PairStatus.Takeover(node), "possible"));
        }

        return table;
    }

    private static IEnumerable<Text> Paths(PairStatus status) => status.Nodes
        .Select(static node => (Name: $"{node["name"]}", Path: $"{node["session"]?["path"]}"))
        .Where(static node => node.Path.Length > 0)
        .Select(static node => Plain($"{node.Name} is {node.Path}").Overflow(Overflow.Fold));

    private static Table Clients(PairStatus status)
    {
        string[] nodes = [.. status.Nodes.Select(node => $"{node["name"]}")];
        Table table = New([.. nodes.Prepend("Client")]);
        string[] names =
        [
            .. status.Nodes.SelectMany(node => node["clients"] as JsonArray ?? [])
                .Select(client => $"{client?["name"]}").Distinct(),
        ];
        foreach (string name in names)
        {
            table.AddRow([Plain(name), .. status.Nodes.Select(node => Coloured(
                $"{Find(node["clients"], name)?["state"]}", "Ready"))]);
        }

        return table;
    }

    // Both nodes know every volume.
    private static Table? Volumes(PairStatus status)
    {
        JsonNode?[] all = [.. status.Nodes.SelectMany(node => node["volumes"] as JsonArray ?? [])];
        if (all.Length == 0)
        {
            return null;
        }

        Table table = New("Volume", "Owner", "Sync", "State", "Reached at");
        foreach (IGrouping<string, JsonNode?> volume in all.GroupBy(v => $"{v?["name"]}"))
        {
            JsonNode? best = PairStatus.Best(volume);
            table.AddRow(
                Plain(volume.Key), Cell(best?["owner"]), Coloured($"{best?["sync"]}", "InSync"),
                Cell(best?["state"]), Cell(best?["uri"]));
        }

        return table;
    }

    private static JsonNode? Find(JsonNode? list, string name) =>
        (list as JsonArray)?.FirstOrDefault(item => $"{item?["name"]}" == name);

    /// <summary>A line that says what is not well.</summary>
    internal static Text Note(string what) =>
        new Text(Printable.Of(what), new Style(Color.Yellow)).Overflow(Overflow.Fold);

    /// <summary>A text as it is, of whoever's making.</summary>
    internal static Text Plain(string text) => new(Printable.Of(text));

    /// <summary>An empty table of the one form they have.</summary>
    internal static Table New(params string[] columns)
    {
        Table table = new() { Border = TableBorder.Simple };
        foreach (string column in columns)
        {
            Text heading = new(column, new Style(decoration: Decoration.Bold));
            table.AddColumn(new TableColumn(heading) { Padding = new Padding(0, 0, 1, 0) });
        }

        return table;
    }

    private static Text Cell(JsonNode? value) => Plain($"{value}");

    private static Text Coloured(string value, string good) => new(
        Printable.Of(value), new Style(value == good ? Color.Green : Color.Yellow));
}
