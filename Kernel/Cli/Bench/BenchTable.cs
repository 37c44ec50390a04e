using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>The results for people: one row for each figure, its bound and its aim.</summary>
internal static class BenchTable
{
    internal static Table Of(JsonObject results)
    {
        Table table = new() { Border = TableBorder.Simple };
        foreach (string column in new[] { "Measured", "p50", "p99", "Beside", "Ratio", "Aim" })
        {
            _ = table.AddColumn(column);
        }

        foreach ((string part, JsonNode? result) in results)
        {
            AddPart(table, part, result!.AsObject());
        }

        return table;
    }

    private static void AddPart(Table table, string part, JsonObject result)
    {
        switch (part)
        {
            case "port" or "tcp" or "append":
                foreach ((string name, JsonNode? one) in result)
                {
                    AddComparison(table, $"{part} {name}", one!.AsObject());
                }

                break;
            case "handshake":
                Add(table, "first read to ready", Ms(result["firstReadToReadyMs"]!["p50"]),
                    Ms(result["firstReadToReadyMs"]!["p99"]), "", "", result);
                Add(table, "session's end to ready", Ms(result["endToReadyMs"]!["p50"]),
                    Ms(result["endToReadyMs"]!["p99"]), "", "", result);
                break;
            case "export":
                foreach ((string name, JsonNode? one) in result)
                {
                    AddExport(table, name, one!.AsObject());
                }

                break;
            case "takeover":
                foreach ((string name, JsonNode? one) in result)
                {
                    Add(table, $"takeover after {name}", Ms(one!["p50Ms"]), Ms(one["p99Ms"]),
                        $"worst {Ms(one["worstMs"])}", "", one.AsObject());
                }

                break;
            case "soak":
                Add(table, $"soak of {result["minutes"]} minutes",
                    $"{result["falseTakeovers"]} false takeovers", "",
                    $"{result["sessionsEnded"]} sessions ended", "", result);
                break;
            default:
                Add(table, "idle pair", $"{result["percentOfOneCore"]} % of a core", "", "", "",
                    result);
                break;
        }
    }

    private static void AddComparison(Table table, string name, JsonObject one)
    {
        if (one["allocatedBytes"] is { } allocated)
        {
            Add(table, name, $"{allocated} B", "", $"{one["collections"]} collections", "", one);
            return;
        }

        Add(table, name, Ns(one["p50Ns"]), Ns(one["p99Ns"]),
            $"{Ns(one["besideP50Ns"])} {one["beside"]}", $"{one["ratio"]}", one);
    }

    private static void AddExport(Table table, string name, JsonObject one)
    {
        foreach ((string server, JsonNode? run) in one)
        {
            if (run is JsonObject figures)
            {
                bool ours = server == "storageos";
                Add(table, ours ? name : $"  {server}", Us(figures["p50Us"]), Us(figures["p99Us"]),
                    $"{figures["iops"]} IOPS", ours ? "" : $"{figures["oursToThis"]}",
                    ours ? one : []);
            }
        }
    }

    private static void Add(Table table, string name, string p50, string p99, string beside,
        string ratio, JsonObject aims)
    {
        string aim = aims["aim"] is { } text
            ? $"{(aims["reached"]!.GetValue<bool>() ? "yes" : "no")}: {text}" : "";
        _ = table.AddRow(name.EscapeMarkup(), p50, p99, beside.EscapeMarkup(), ratio, aim);
    }

    private static string Ns(JsonNode? value) => Say(value, "ns");

    private static string Us(JsonNode? value) => Say(value, "us");

    private static string Ms(JsonNode? value) => Say(value, "ms");

    private static string Say(JsonNode? value, string unit) => string.Create(
        CultureInfo.InvariantCulture, $"{value!.GetValue<double>():0.##} {unit}");
}
