using System.Diagnostics;
using System.Text.Json.Nodes;

namespace StorageOs.GuestProbe;

/// <summary>How long operations took; room for all is made before the first.</summary>
internal sealed class Times
{
    private const int CountMax = 1 << 18;
    private readonly long[] ticks = new long[CountMax];
    private int count;

    /// <summary>Forgets what it has.</summary>
    public void Clear() => count = 0;

    /// <summary>Adds one that began at a timestamp and has just ended.</summary>
    public void Add(long from)
    {
        if (count < CountMax)
        {
            ticks[count] = Stopwatch.GetTimestamp() - from;
            count++;
        }
    }

    /// <summary>In figures.</summary>
    public JsonObject Report()
    {
        Span<long> all = ticks.AsSpan(0, count);
        all.Sort();
        return new JsonObject
        {
            ["count"] = count,
            ["meanUs"] = Math.Round(all.ToArray().Average() * (1e6 / Stopwatch.Frequency), 1),
            ["p50Us"] = Percentile(50),
            ["p99Us"] = Percentile(99),
        };
    }

    private double Percentile(int percent)
    {
        int rank = Math.Max(1, (int)Math.Ceiling(percent / 100.0 * count));
        return Math.Round(ticks[rank - 1] * (1e6 / Stopwatch.Frequency), 1);
    }
}
