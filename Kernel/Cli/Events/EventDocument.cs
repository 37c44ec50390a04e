using System.Text;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Events;

/// <summary>The catalogue of events as documents.</summary>
internal static class EventDocument
{
    private const string Head =
        """
        # Events

        Every event that a node may raise. Made from the code, and held equal to it by a test:
        `ACCEPT_EVENTS=1 dotnet test tests/Pair.Tests --filter EventCatalogueTests` writes it anew.

        An id never comes to mean something else. `Information` and `Notice` want nobody, `Warning`
        wants somebody in working hours, `Error` now, and after `Critical` the node has ended. What
        is in braces differs from time to time, and is a field of its own in JSON logs and in the
        journal. How to read events: [OPERATIONS](OPERATIONS.md#events). `storageos explain ID`
        prints one of these, `storageos events --catalogue` all.

        """;

    /// <summary>docs/EVENTS.md.</summary>
    internal static string Markdown(IReadOnlyList<CatalogueEntry> all)
    {
        StringBuilder text = new(Head.ReplaceLineEndings("\n"));
        foreach (IGrouping<string, CatalogueEntry> source in all.GroupBy(entry => entry.Source))
        {
            _ = text.Append($"\n## {source.Key}\n\n| id | severity | text | cause | remedy |\n"
                + "| --- | --- | --- | --- | --- |\n");
            foreach (CatalogueEntry entry in source)
            {
                _ = text.Append(
                    $"| `{entry.What.Id}` | {entry.What.Severity} | {Cell(entry.What.Text)}"
                    + $" | {Cell(entry.What.Cause)} | {Cell(entry.What.Remedy)} |\n");
            }
        }

        return text.ToString();
    }

    /// <summary>The documented form of <c>-o json</c>.</summary>
    internal static JsonArray Json(IEnumerable<CatalogueEntry> all) => [.. all.Select(Json)];

    /// <summary>One entry of it.</summary>
    internal static JsonObject Json(CatalogueEntry entry) => new()
    {
        ["id"] = entry.What.Id,
        ["source"] = entry.Source,
        ["severity"] = entry.What.Severity.ToString(),
        ["text"] = entry.What.Text,
        ["cause"] = entry.What.Cause,
        ["remedy"] = entry.What.Remedy,
    };

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal);
}
