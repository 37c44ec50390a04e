using System.Diagnostics;
using System.Text.Json.Nodes;

namespace StorageOs.Probe;

/// <summary>
/// Nanoseconds per operation of two sides that took turns, over batches: one operation is shorter
/// than reading the clock.
/// </summary>
internal sealed class Rounds(int batches, int operationsPerBatch)
{
    private readonly double[] ours = new double[batches];
    private readonly double[] bound = new double[batches];

    /// <summary>Runs one round, batch by batch in turns.</summary>
    public JsonObject Run(Action<int> our, Action<int> their)
    {
        for (int batch = 0; batch < batches; batch++)
        {
            ours[batch] = Time(our);
            bound[batch] = Time(their);
        }

        return Report();
    }

    /// <summary>Keeps one batch of a round that is driven from outside.</summary>
    public void Add(int batch, double ourNs, double boundNs) =>
        (ours[batch], bound[batch]) = (ourNs, boundNs);

    /// <summary>Times one batch.</summary>
    public double Time(Action<int> run)
    {
        long from = Stopwatch.GetTimestamp();
        run(operationsPerBatch);
        long took = Stopwatch.GetTimestamp() - from;
        return took * (1e9 / Stopwatch.Frequency) / operationsPerBatch;
    }

    /// <summary>The round in figures.</summary>
    public JsonObject Report() => new()
    {
        ["p50Ns"] = Percentile(ours, 50),
        ["p99Ns"] = Percentile(ours, 99),
        ["boundP50Ns"] = Percentile(bound, 50),
        ["boundP99Ns"] = Percentile(bound, 99),
    };

    private static double Percentile(double[] values, int percent)
    {
        double[] sorted = [.. values.Order()];
        int rank = (int)Math.Ceiling(percent / 100.0 * sorted.Length);
        return Math.Round(sorted[rank - 1], 1);
    }
}
