using System.Globalization;
using System.Text.Json.Nodes;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace StorageOs.Kernel.Cli;

/// <summary>How far something long has come that a node does.</summary>
/// <param name="What">What it is, with the node that does it.</param>
/// <param name="Done">Units that are done.</param>
/// <param name="All">Units in all; 0 while nobody knows.</param>
/// <param name="Measure">The same in words.</param>
/// <param name="SecondsLeft">What is left takes about so long; null when not known.</param>
/// <param name="Why">Why so much, or what is waited for; may be empty.</param>
internal sealed record Advance(
    string What, long Done, long All, string Measure, long? SecondsLeft, string Why)
{
    private const int BarCells = 26;

    /// <summary>Of all that it does, what a node's status says.</summary>
    internal static IEnumerable<Advance> Of(JsonObject node)
    {
        JsonNode? groups = node["sections"]?["ownership"] is JsonObject ownership
            ? ownership["groups"] : null;
        foreach (JsonNode? group in groups as JsonArray ?? [])
        {
            if (group?["resync"] is JsonObject resync)
            {
                yield return Resync(node, group, resync);
            }
        }

        // Volumes of a group are scrubbed together.
        foreach (JsonNode? volume in (node["sections"]?["volumes"] as JsonArray ?? [])
            .DistinctBy(static volume => $"{volume?["group"]}"))
        {
            if (volume?["scrub"] is JsonObject scrub && $"{scrub["state"]}" == "Running")
            {
                yield return Scrub(node, volume, scrub);
            }
        }
    }

    /// <summary>In one line.</summary>
    public override string ToString() => $"{What}: {Percent} %, {Measure}{Left}{Because}";

    /// <summary>As a bar below its name, within 80 columns.</summary>
    internal IRenderable Bar()
    {
        int full = (int)(BarCells * Percent / 100);
        Style rest = new(Color.Grey);
        return new Rows(
            StatusTable.Plain($"{What}{Because}").Overflow(Overflow.Fold),
            new Paragraph()
                .Append(new string('━', full), new Style(Color.Green))
                .Append(new string('─', BarCells - full), rest)
                .Append(string.Create(
                    CultureInfo.InvariantCulture, $" {Percent,3} %  {Measure}{Left}")));
    }

    private long Percent => All <= 0 ? 0 : Math.Clamp(Done * 100 / All, 0, 100);

    private string Left => SecondsLeft is { } seconds ? $", {Span(seconds)} left" : "";

    private string Because => Why.Length == 0 ? "" : $"; {Why}";

    /// <summary>A time for people, in two units at most.</summary>
    internal static string Span(long seconds) => seconds switch
    {
        < 60 => $"{seconds} s",
        < 3600 => $"{seconds / 60} min {seconds % 60} s",
        < 86_400 => $"{seconds / 3600} h {seconds % 3600 / 60} min",
        _ => $"{seconds / 86_400} d {seconds % 86_400 / 3600} h",
    };

    private static Advance Resync(JsonObject node, JsonNode group, JsonObject resync)
    {
        long copied = Number(resync["bytesDone"]);
        long toCopy = Number(resync["bytesTotal"]);
        long compared = Number(resync["bytesCompared"]);
        long toCompare = Number(resync["bytesToCompare"]);
        string measure = copied < toCopy || toCompare == 0
            ? $"{ByteSize.Of(copied)} of {ByteSize.Of(toCopy)} copied"
            : $"{ByteSize.Of(compared)} of {ByteSize.Of(toCompare)} compared";
        return new Advance(
            $"{node["name"]} resyncs group {group["group"]} ({resync["kind"]})",
            copied + compared, toCopy + toCompare, measure, Known(resync["secondsLeft"]),
            $"{resync["why"]}");
    }

    private static Advance Scrub(JsonObject node, JsonNode volume, JsonObject scrub)
    {
        long done = Number(scrub["extentsDone"]);
        long all = Number(scrub["extents"]);
        return new Advance(
            $"{node["name"]} scrubs group {volume["group"]}", done, all,
            $"{done} of {all} extents", Known(scrub["secondsLeft"]), "");
    }

    private static long Number(JsonNode? value) => value?.GetValue<long>() ?? 0;

    private static long? Known(JsonNode? seconds) =>
        seconds?.GetValue<long>() is { } known and >= 0 ? known : null;
}
