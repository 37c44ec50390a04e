using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Chaos;

/// <summary>One thing that is done in a round.</summary>
/// <param name="Before">How long to wait before it.</param>
/// <param name="Fault">What is done.</param>
/// <param name="Node">Index of a node, among those awake.</param>
/// <param name="Group">A group.</param>
/// <param name="HealAfter">When all is undone again; null to leave it to what comes.</param>
internal sealed record ChaosStep(
    TimeSpan Before, ChaosFault Fault, int Node, int Group, TimeSpan? HealAfter);

/// <summary>What happens in each round, from one seed.</summary>
internal sealed class ChaosPlan
{
    private const int StepsMax = 3;
    private const int PlacesMax = 400;
    private const long PlaceBytes = 256L * Size.KiB; // Copied at once, and takes room as a whole.
    private readonly Random random;
    private readonly IReadOnlyList<ChaosFault> faults;
    private readonly Queue<ChaosFault> deck = new();

    /// <summary>A plan.</summary>
    /// <param name="seed">The same gives the same.</param>
    /// <param name="faults">What may be done.</param>
    public ChaosPlan(int seed, IReadOnlyList<ChaosFault> faults) =>
        (random, this.faults) = (new Random(seed), faults);

    /// <summary>The next round.</summary>
    public IReadOnlyList<ChaosStep> Round() =>
        [.. Enumerable.Range(0, random.Next(1, StepsMax + 1)).Select(_ => Step())];

    /// <summary>
    /// Blocks to be used in a round: neighbours, in a place of their own that mostly nothing was
    /// written to yet, so that a full disk is felt.
    /// </summary>
    public IReadOnlyList<long> Offsets(int count)
    {
        long place = ChaosPair.FloodBytes + (random.Next(PlacesMax) * PlaceBytes);
        long first = random.Next((int)(PlaceBytes / ChaosClient.BlockBytes) - count);
        return [.. Enumerable.Range(0, count).Select(i =>
            place + ((first + i) * ChaosClient.BlockBytes))];
    }

    /// <summary>True once in so many.</summary>
    public bool OneIn(int many) => random.Next(many) == 0;

    private ChaosStep Step() => new(
        Milliseconds(50, 700), Draw(), random.Next(2), random.Next(2),
        random.Next(2) == 0 ? Milliseconds(20, 1200) : null);

    /// <summary>Every kind comes up as often as any other.</summary>
    private ChaosFault Draw()
    {
        if (deck.Count == 0)
        {
            ChaosFault[] shuffled = [.. faults];
            random.Shuffle(shuffled);
            Array.ForEach(shuffled, deck.Enqueue);
        }

        return deck.Dequeue();
    }

    private TimeSpan Milliseconds(int from, int to) =>
        TimeSpan.FromMilliseconds(random.Next(from, to));
}
