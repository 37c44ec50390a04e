using System.Globalization;
using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Cli.Trace;

/// <summary>A traced write for people, within 80 columns. Pure.</summary>
internal static class Waterfall
{
    private const int NameChars = 32;
    private const int BarChars = 24;

    /// <summary>Its lines.</summary>
    internal static IEnumerable<string> Of(JsonObject write)
    {
        double total = Number(write["totalUs"]);
        yield return string.Create(
            CultureInfo.InvariantCulture,
            $"{write["volume"]} by {write["node"]}, {Clock($"{write["began"]}")}: "
            + $"{write["length"]} bytes at {write["offset"]}, {total:0.0} µs");
        yield return $"  {Stand(write)}";
        string session = $"{write["session"]}";
        yield return $"  LSN {write["lsn"]}, term {write["term"]}, "
            + (session.Length > 0 ? $"session {session}" : "no session");
        yield return $"  {"step",-NameChars}{"start µs",10}{"took µs",10}";
        foreach (JsonNode? step in write["steps"] as JsonArray ?? [])
        {
            double start = Number(step?["startUs"]);
            double took = Number(step?["tookUs"]);
            yield return string.Create(
                CultureInfo.InvariantCulture,
                $"  {Short($"{step?["name"]}"),-NameChars}{start,10:0.0}{took,10:0.0}  ")
                + Bar(start, took, total);
        }

        yield return "";
    }

    private static string Stand(JsonObject write) => $"{write["copies"]}" switch
    {
        "mirrored" => "mirrored: acknowledged by both nodes",
        "resyncing" => "degraded: the partner is being made equal, and was not waited for",
        "alone" => "degraded: there is no partner, this copy alone has it",
        _ => $"failed: {write["status"]}",
    } + (write["forceUnitAccess"]?.GetValue<bool>() == true ? "; force unit access" : "");

    /// <summary>Where in the whole a step was; too short a one is still seen.</summary>
    private static string Bar(double start, double took, double total)
    {
        int from = total > 0 ? (int)(start / total * BarChars) : 0;
        int to = total > 0 ? (int)Math.Ceiling((start + took) / total * BarChars) : 0;
        from = Math.Clamp(from, 0, BarChars - 1);
        to = Math.Clamp(to, from + 1, BarChars);
        return new string(' ', from) + new string('█', to - from);
    }

    private static string Short(string name) =>
        name.Length < NameChars ? name : name[..(NameChars - 2)] + "…";

    private static string Clock(string time) => time.Length > 11 ? time[11..] : time;

    private static double Number(JsonNode? node) => node?.GetValue<double>() ?? 0;
}
