namespace StorageOs.Kernel.Cli.Bench;

/// <summary>Measured values of one kind, all in the same unit.</summary>
internal sealed class Samples
{
    private readonly List<double> values = [];

    /// <summary>Makes a set of values.</summary>
    internal Samples(params IEnumerable<double> values) => this.values.AddRange(values);

    /// <summary>How many there are.</summary>
    internal int Count => values.Count;

    /// <summary>The middle one.</summary>
    internal double Median => Percentile(50);

    /// <summary>The largest.</summary>
    internal double Worst => Percentile(100);

    /// <summary>The smallest.</summary>
    internal double Best => Percentile(0);

    /// <summary>Adds one value.</summary>
    internal void Add(double value) => values.Add(value);

    /// <summary>
    /// The smallest value that at least so many percent are not above (nearest rank).
    /// </summary>
    internal double Percentile(double percent)
    {
        if (values.Count == 0)
        {
            return double.NaN;
        }

        double[] sorted = [.. values.Order()];
        int rank = (int)Math.Ceiling(percent / 100 * sorted.Length);
        return sorted[Math.Clamp(rank - 1, 0, sorted.Length - 1)];
    }
}
