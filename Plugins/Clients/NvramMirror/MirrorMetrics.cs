using System.Diagnostics;
using System.Diagnostics.Metrics;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>
/// What one group's log costs, as instruments of the meter <c>StorageOs.Log</c>. While nobody
/// listens the clock is not read; in no case is memory taken. Reactor thread.
/// </summary>
internal sealed class MirrorMetrics
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "StorageOs.Log";

    private readonly Histogram<double> mirrored;
    private readonly Counter<long> appended;
    private readonly Counter<long> full;
    private readonly KeyValuePair<string, object?> group;
    private readonly long[] began = new long[Limits.BurstsInFlightMax];
    private uint posted; // Goes round after days: the number of places divides 2^32.
    private uint landed;
    private long unpublished;

    /// <summary>Of one group, by the meter of both.</summary>
    public MirrorMetrics(Meter meter, GroupId group)
    {
        this.group = new("group", group.Value);
        mirrored = meter.CreateHistogram(
            "storageos.log.mirror.duration", "s",
            "time from posting a burst of records to its being in the partner's memory",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds() });
        appended = meter.CreateCounter<long>(
            "storageos.log.appended", "By", "bytes of records appended as owner");
        full = meter.CreateCounter<long>(
            "storageos.log.refused", null, "appends that had to wait, for the log was full");
    }

    /// <summary>After so many bursts, for tests of what days of them do.</summary>
    internal void Begin(uint at) => posted = landed = at;

    /// <summary>A record was appended; counted with those it is published with.</summary>
    public void Appended(int bytes) => unpublished += bytes;

    /// <summary>The owner's copy says that they are in it.</summary>
    public void Published()
    {
        if (unpublished != 0)
        {
            appended.Add(unpublished, group);
            unpublished = 0;
        }
    }

    /// <summary>The log was full.</summary>
    public void Full() => full.Add(1, group);

    /// <summary>A burst is on its way to the partner.</summary>
    public void Posted() =>
        began[posted++ % began.Length] = mirrored.Enabled ? Stopwatch.GetTimestamp() : 0;

    /// <summary>The one that was posted first has landed.</summary>
    public void Landed()
    {
        long from = began[landed++ % began.Length];
        if (from != 0)
        {
            mirrored.Record(Stopwatch.GetElapsedTime(from).TotalSeconds, group);
        }
    }

    /// <summary>None is under way that will be heard of.</summary>
    public void Reset() => Begin(0);

    /// <summary>
    /// Four buckets to a factor of ten, as for what clients see, from a microsecond to ten seconds.
    /// </summary>
    private static double[] Bounds()
    {
        double[] steps = [1, 1.8, 3.2, 5.6];
        return [.. Enumerable.Range(0, 7 * steps.Length).Select(
            at => steps[at % steps.Length] * Math.Pow(10, (at / steps.Length) - 6))];
    }
}
