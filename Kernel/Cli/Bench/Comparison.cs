using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// Rounds of our side and of what bounds it, taken in turns: the ratio of each round, for rounds of
/// one run share what else the machine does.
/// </summary>
internal sealed class Comparison
{
    private readonly Samples ours = new();
    private readonly Samples oursP99 = new();
    private readonly Samples bound = new();
    private readonly Samples boundP99 = new();
    private readonly Samples ratios = new();

    /// <summary>The middle of the rounds' medians of our side.</summary>
    internal double OurMedian => ours.Median;

    /// <summary>The middle of the rounds' ratios.</summary>
    internal double MedianRatio => ratios.Median;

    /// <summary>Rounds as a node reports them.</summary>
    internal static Comparison Of(JsonNode rounds)
    {
        Comparison comparison = new();
        foreach (JsonNode? round in rounds.AsArray())
        {
            comparison.Add(
                Value("p50Ns"), Value("p99Ns"), Value("boundP50Ns"), Value("boundP99Ns"));

            double Value(string key) => round![key]!.GetValue<double>();
        }

        return comparison;
    }

    /// <summary>Adds a round.</summary>
    internal void Add(double our, double ourP99, double their, double theirP99)
    {
        ours.Add(our);
        oursP99.Add(ourP99);
        bound.Add(their);
        boundP99.Add(theirP99);
        ratios.Add(our / their);
    }

    /// <summary>
    /// In figures, beside what it was compared with and the aim, if there is one.
    /// </summary>
    internal JsonObject ToJson(string beside, string? aim, bool reached)
    {
        JsonObject json = new()
        {
            ["rounds"] = ratios.Count,
            ["p50Ns"] = ours.Median,
            ["p99Ns"] = oursP99.Median,
            ["beside"] = beside,
            ["besideP50Ns"] = bound.Median,
            ["besideP99Ns"] = boundP99.Median,
            ["ratio"] = Math.Round(ratios.Median, 3),
            ["worstRatio"] = Math.Round(ratios.Worst, 3),
        };
        if (aim is not null)
        {
            json["aim"] = aim;
            json["reached"] = reached;
        }

        return json;
    }
}
