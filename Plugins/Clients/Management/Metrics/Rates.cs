using System.Text.Json.Nodes;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using StorageOs.Management.Node;

namespace StorageOs.Management.Metrics;

/// <summary>
/// What the last second was like, for each volume: from the differences of the export's own
/// instruments, so that a page shows what a collector stores.
/// </summary>
internal sealed class Rates : BaseExporter<Metric>
{
    /// <summary>Name of the meter that they are made of.</summary>
    public const string ExportMeter = "StorageOs.Export";

    private const string DurationName = "storageos.export.duration";
    private const string BytesName = "storageos.export.io";
    private DateTimeOffset before = DateTimeOffset.UtcNow;

    /// <summary>Told once a period, on a thread of the meter provider's.</summary>
    public event Action<JsonObject>? Measured;

    /// <inheritdoc/>
    public override ExportResult Export(in Batch<Metric> batch)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        double seconds = Math.Max((now - before).TotalSeconds, 0.001);
        before = now;
        SortedDictionary<string, JsonObject> volumes = new(StringComparer.Ordinal);
        foreach (Metric metric in batch)
        {
            foreach (ref readonly MetricPoint point in metric.GetMetricPoints())
            {
                Add(volumes, metric.Name, in point, seconds);
            }
        }

        Measured?.Invoke(new JsonObject
        {
            ["time"] = NodeView.Time(now),
            ["volumes"] = new JsonArray([.. volumes.Values]),
        });
        return ExportResult.Success;
    }

    private static void Add(
        SortedDictionary<string, JsonObject> volumes, string metric, in MetricPoint point,
        double seconds)
    {
        string volume = "", operation = "";
        foreach (KeyValuePair<string, object?> tag in point.Tags)
        {
            (volume, operation) = tag.Key switch
            {
                "volume" => ($"{tag.Value}", operation),
                "operation" => (volume, $"{tag.Value}"),
                _ => (volume, operation),
            };
        }

        if (operation is not ("read" or "write"))
        {
            return;
        }

        if (!volumes.TryGetValue(volume, out JsonObject? its))
        {
            volumes.Add(volume, its = new JsonObject { ["name"] = volume });
        }

        if (metric == BytesName)
        {
            its[$"{operation}BytesPerSecond"] = Round(point.GetSumLong() / seconds);
        }
        else if (metric == DurationName)
        {
            its[$"{operation}sPerSecond"] = Round(point.GetHistogramCount() / seconds);
            its[$"{operation}P50Us"] = Percentile(in point, 0.5);
            its[$"{operation}P99Us"] = Percentile(in point, 0.99);
        }
    }

    private static double Round(double value) => Math.Round(value, 1);

    /// <summary>
    /// Where a share of all lies, in microseconds: in its bucket, as if all in that were spread
    /// evenly. Null when there was none.
    /// </summary>
    private static double? Percentile(in MetricPoint point, double share)
    {
        double wanted = point.GetHistogramCount() * share, seen = 0, low = 0;
        foreach (HistogramBucket bucket in point.GetHistogramBuckets())
        {
            double high = double.IsPositiveInfinity(bucket.ExplicitBound)
                ? low : bucket.ExplicitBound;
            if (bucket.BucketCount > 0 && seen + bucket.BucketCount >= wanted)
            {
                double part = (wanted - seen) / bucket.BucketCount;
                return Round((low + ((high - low) * part)) * 1e6);
            }

            seen += bucket.BucketCount;
            low = high;
        }

        return null;
    }
}
