using System.Text.Json.Nodes;
using Spectre.Console;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>The results for people: what was compared, then a row for each figure.</summary>
internal static class GuestTable
{
    internal static Table Of(JsonObject results)
    {
        Table table = new() { Border = TableBorder.Simple };
        foreach (string column in new[] { "Measured", "Figures", "Aim" })
        {
            _ = table.AddColumn(column);
        }

        foreach ((string part, JsonNode? result) in results)
        {
            Add(table, part, result!.AsObject());
        }

        return table;
    }

    // A row for whatever has figures of its own, named by the way to it.
    private static void Add(Table table, string name, JsonObject one)
    {
        List<string> figures = [];
        foreach ((string key, JsonNode? value) in one)
        {
            if (value is JsonObject inner && key != "ratios")
            {
                Add(table, $"{name}, {key}", inner);
            }
            else if (value is not JsonArray && key is not ("aim" or "reached"))
            {
                figures.Add($"{key} {value?.ToJsonString().Trim('"')}");
            }
        }

        if (figures.Count > 0)
        {
            string aim = one["aim"] is { } text
                ? $"{(one["reached"]!.GetValue<bool>() ? "yes" : "no")}: {text}" : "";
            _ = table.AddRow(
                name.EscapeMarkup(), string.Join("\n", figures).EscapeMarkup(),
                aim.EscapeMarkup());
        }
    }
}
