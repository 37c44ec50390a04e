using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes.Traces;

/// <summary>What came of an order: a document, and spans.</summary>
internal sealed class TraceReport(
    TimeProvider clock, long armedAt, DateTimeOffset armedTime, TraceOrder order,
    IReadOnlyList<TracedWrite> writes)
{
    /// <summary>Its writes, oldest first.</summary>
    public IReadOnlyList<TracedWrite> Writes { get; } =
        [.. writes.OrderBy(static write => write.Trace.Began)];

    /// <summary>Writes that were answered while it stood, slow or not.</summary>
    public long Seen { get; init; }

    /// <summary>Writes that came while all slots were in use.</summary>
    public long Missed { get; init; }

    /// <summary>Writes that lost their client or their owner.</summary>
    public long Unanswered { get; init; }

    /// <summary>What the slowest of them took.</summary>
    public long SlowestTicks { get; init; }

    /// <summary>A moment as the machine's clock has it.</summary>
    public DateTimeOffset Time(long at) => armedTime + clock.GetElapsedTime(armedAt, at);

    /// <summary>The document of the command.</summary>
    public JsonObject ToJson() => new()
    {
        ["asked"] = order.Writes,
        ["seen"] = Seen,
        ["missed"] = Missed,
        ["unanswered"] = Unanswered,
        ["slowestUs"] = Us(0, SlowestTicks),
        ["writes"] = new JsonArray([.. Writes.Select(ToJson)]),
    };

    /// <summary>What a mirrored write is called, and one that is in one copy only.</summary>
    public static string StandOf(TracedWrite write) => write switch
    {
        { Status: not VolumeStatus.Ok } => "failed",
        { Role: LogRole.Mirrored } => "mirrored",
        { Role: LogRole.Resyncing } => "resyncing",
        _ => "alone",
    };

    private JsonNode ToJson(TracedWrite write)
    {
        JsonArray steps = [];
        long from = write.Trace.Began;
        foreach (WriteStep step in write.Trace.Steps)
        {
            steps.Add(new JsonObject
            {
                ["name"] = step.Name,
                ["startUs"] = Us(write.Trace.Began, from),
                ["tookUs"] = Us(from, step.Ended),
            });
            from = step.Ended;
        }

        return new JsonObject
        {
            ["volume"] = write.Volume,
            ["offset"] = write.Offset,
            ["length"] = write.Length,
            ["forceUnitAccess"] = write.ForceUnitAccess,
            ["began"] = Time(write.Trace.Began).UtcDateTime.ToString(
                "yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture),
            ["status"] = $"{write.Status}",
            ["copies"] = StandOf(write),
            ["lsn"] = write.Lsn.Value,
            ["term"] = write.Term.Value,
            ["session"] = write.Session?.ToString(),
            ["totalUs"] = Us(0, write.Ticks),
            ["steps"] = steps,
        };
    }

    /// <summary>Microseconds, to a tenth.</summary>
    private double Us(long from, long to) =>
        Math.Round(clock.GetElapsedTime(from, to).TotalMicroseconds, 1);
}
