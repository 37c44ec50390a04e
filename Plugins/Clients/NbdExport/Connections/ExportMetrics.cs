using System.Diagnostics;
using System.Diagnostics.Metrics;
using StorageOs.Contracts.Services;

namespace StorageOs.NbdExport.Connections;

/// <summary>
/// What the requests to one volume cost, as instruments of the meter <c>StorageOs.Export</c>. A
/// request costs two readings of the clock and a record when somebody listens, and else nothing;
/// in no case memory.
/// </summary>
internal sealed class ExportMetrics(string volume)
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "StorageOs.Export";

    private static readonly Meter Source = new(MeterName);

    /// <summary>
    /// From a request's last byte to its reply being ready. Four buckets to a factor of ten, so
    /// that a percentile is known within a factor of 1.8.
    /// </summary>
    private static readonly Histogram<double> Duration = Source.CreateHistogram(
        "storageos.export.duration", "s", "time from a request to its reply",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds() });

    private static readonly Counter<long> Bytes = Source.CreateCounter<long>(
        "storageos.export.io", "By", "bytes read and written by clients");

    private readonly KeyValuePair<string, object?> tag = new("volume", volume);
    private readonly KeyValuePair<string, object?>[] operations =
    [
        .. Enum.GetNames<VolumeOperation>()
            .Select(static name => new KeyValuePair<string, object?>(
                "operation", name.ToLowerInvariant())),
    ];

    /// <summary>Now, or 0 when nobody listens.</summary>
    public static long Begin() => Duration.Enabled ? Stopwatch.GetTimestamp() : 0;

    /// <summary>A request that began then is answered.</summary>
    public void Answered(VolumeOperation operation, long began, long bytes)
    {
        KeyValuePair<string, object?> what = operations[(int)operation];
        Duration.Record(Stopwatch.GetElapsedTime(began).TotalSeconds, tag, what);
        if (operation is VolumeOperation.Read or VolumeOperation.Write)
        {
            Bytes.Add(bytes, tag, what);
        }
    }

    private static double[] Bounds()
    {
        double[] steps = [1, 1.8, 3.2, 5.6];
        return [.. Enumerable.Range(0, 7 * steps.Length).Select(
            at => steps[at % steps.Length] * Math.Pow(10, (at / steps.Length) - 6))];
    }
}
