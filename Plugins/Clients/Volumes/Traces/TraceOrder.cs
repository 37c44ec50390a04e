using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Volumes.Traces;

/// <summary>What somebody wants to see, checked.</summary>
/// <param name="Volume">Writes to this volume alone; null for all.</param>
/// <param name="Writes">So many of them.</param>
/// <param name="SlowerThan">Only those that took longer.</param>
/// <param name="Time">How long to wait for them.</param>
internal sealed record TraceOrder(string? Volume, int Writes, TimeSpan SlowerThan, TimeSpan Time)
{
    /// <summary>The most writes that are traced at once.</summary>
    public const int WritesMax = 64;

    private static readonly string[] Known =
        ["volume", "writes", "slowerThanUs", "timeoutMs", "stop"];

    private const int TimeMsUsual = 10_000;
    private const int TimeMsMax = 60_000;
    private const int SlowerThanUsMax = 60_000_000;

    /// <summary>Reads a command's arguments.</summary>
    /// <exception cref="RefusedException">One of them is wrong.</exception>
    public static TraceOrder Read(JsonObject arguments)
    {
        if (arguments.FirstOrDefault(static one => !Known.Contains(one.Key)).Key is { } odd)
        {
            throw Refused("arguments", string.Join(", ", Known), odd);
        }

        return new(
            Text(arguments["volume"]),
            Number(arguments["writes"], "writes", 1, 1, WritesMax),
            TimeSpan.FromMicroseconds(
                Number(arguments["slowerThanUs"], "slowerThanUs", 0, 0, SlowerThanUsMax)),
            TimeSpan.FromMilliseconds(
                Number(arguments["timeoutMs"], "timeoutMs", TimeMsUsual, 1, TimeMsMax)));
    }

    private static string? Text(JsonNode? node) => node switch
    {
        null => null,
        JsonValue value when value.TryGetValue(out string? text) => text,
        _ => throw Refused("volume", "a volume's name", node.ToJsonString()),
    };

    private static int Number(JsonNode? node, string what, int usual, int least, int most) =>
        node switch
        {
            null => usual,
            JsonValue value when value.TryGetValue(out int number)
                && number >= least && number <= most => number,
            _ => throw Refused(what, $"a whole number from {least} to {most}", node.ToJsonString()),
        };

    private static RefusedException Refused(string what, string expected, string found) =>
        new(new Refusal($"trace: {what}", expected, found));
}
