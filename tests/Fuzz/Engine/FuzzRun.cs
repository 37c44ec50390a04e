using System.Diagnostics;

namespace StorageOs.Fuzz;

/// <summary>An input that broke a promise.</summary>
/// <param name="Input">The input.</param>
/// <param name="Failure">What was thrown.</param>
/// <param name="Execution">In which execution.</param>
internal sealed record Finding(byte[] Input, Exception Failure, long Execution)
{
    /// <summary>What tells it from others: the exception and where it came from.</summary>
    public string Kind
    {
        get
        {
            string frames = Failure is BrokenPromiseException
                ? string.Concat(Failure.Message.Where(letter => !char.IsAsciiDigit(letter)))
                : new StackTrace(Failure).GetFrames().Select(f => f.GetMethod())
                    .FirstOrDefault(m => m?.DeclaringType?.FullName?.StartsWith(
                        "StorageOs.", StringComparison.Ordinal) == true)
                    is { } method ? $"{method.DeclaringType}.{method.Name}" : "";
            return $"{Failure.GetType().Name} {frames}";
        }
    }
}

/// <summary>Runs one target: chooses an input, changes it, looks for news, again.</summary>
internal sealed class FuzzRun
{
    private const int FindingsMax = 8;
    private readonly Target target;
    private readonly Choices choices;
    private readonly Mutator mutator;
    private readonly bool guided;
    private readonly byte[] seen;
    private readonly List<byte[]> corpus = [];
    private readonly Dictionary<string, Finding> findings = [];

    /// <summary>Makes a run of a target from a seed.</summary>
    /// <param name="guided">False to keep nothing for what it reached.</param>
    public FuzzRun(Target target, ulong seed, bool guided = true)
    {
        this.target = target;
        this.guided = guided;
        choices = new Choices(seed);
        mutator = new Mutator(
            choices, InstrumentedCopy.WordsOf(target.Types), target.BytesMax);
        int vectors = (InstrumentedCopy.Probes + 31) / 32;
        seen = new byte[vectors * 32];
        Coverage.Clear();
    }

    /// <summary>Executions so far.</summary>
    public long Executions { get; private set; }

    /// <summary>Inputs that are kept, each for something that it was first to reach.</summary>
    public IReadOnlyList<byte[]> Corpus => corpus;

    /// <summary>What was found, one input for each kind.</summary>
    public IReadOnlyCollection<Finding> Findings => findings.Values;

    /// <summary>Sides of branches that were reached.</summary>
    public int Branches => seen.Count(bits => bits != 0);

    /// <summary>Runs inputs as they are, and keeps those with news.</summary>
    public void Replay(IEnumerable<byte[]> inputs)
    {
        foreach (byte[] input in inputs)
        {
            TryOne(input);
        }
    }

    /// <summary>Goes on until so many executions, or too many findings.</summary>
    public void Go(long executions)
    {
        while (Executions < executions && findings.Count < FindingsMax)
        {
            ReadOnlySpan<byte> from = corpus.Count == 0 ? [] : corpus[Choose()];
            ReadOnlySpan<byte> other = corpus.Count == 0
                ? [] : corpus[choices.Below(corpus.Count)];
            Span<byte> input = mutator.Change(from, other);
            if (choices.OneIn(2))
            {
                target.Repair(input);
            }

            TryOne(input);
        }
    }

    /// <summary>
    /// The fewest short inputs that reach all branches that the corpus does, each cut as short as
    /// it can be.
    /// </summary>
    public IReadOnlyList<byte[]> Minimal()
    {
        byte[] covered = new byte[seen.Length];
        List<byte[]> kept = [];
        foreach (byte[] input in corpus.OrderBy(input => input.Length))
        {
            HashSet<int> news = NewsOf(input, covered);
            if (news.Count > 0)
            {
                byte[] cut = Cut(input, covered, news);
                foreach (int probe in ReachedBy(cut))
                {
                    covered[probe] = 1;
                }

                kept.Add(cut);
            }
        }

        return kept;
    }

    // Newer inputs lead further, so they get more of the turns.
    private int Choose()
    {
        int recent = Math.Max(1, corpus.Count / 4);
        return choices.OneIn(3)
            ? corpus.Count - 1 - choices.Below(recent) : choices.Below(corpus.Count);
    }

    private void TryOne(ReadOnlySpan<byte> input)
    {
        Exception? failure = Execute(input);
        bool news = Coverage.Merge(seen);
        if (failure is not null)
        {
            Finding finding = new(input.ToArray(), failure, Executions);
            _ = findings.TryAdd(finding.Kind, finding);
        }
        else if (news && (guided || corpus.Count == 0))
        {
            corpus.Add(input.ToArray());
        }
    }

    private Exception? Execute(ReadOnlySpan<byte> input)
    {
        Executions++;
        (Exception? failure, long allocated) = Measure(input);
        if (failure is null && allocated > target.AllocatedMax(input.Length))
        {
            // What is made once for all executions is not held against this one.
            (failure, allocated) = Measure(input);
            if (failure is null && allocated > target.AllocatedMax(input.Length))
            {
                failure = new BrokenPromiseException(
                    $"{input.Length} bytes explain no {allocated} allocated");
            }
        }

        return failure;
    }

    private (Exception? Failure, long Allocated) Measure(ReadOnlySpan<byte> input)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Coverage.Begin(target.StepsMax(input.Length));
        try
        {
            target.Run(input);
            return (null, GC.GetAllocatedBytesForCurrentThread() - before);
        }
#pragma warning disable CA1031 // Whatever it throws is the finding.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return (failure, 0);
        }
        finally
        {
            Coverage.End();
        }
    }

    private HashSet<int> ReachedBy(ReadOnlySpan<byte> input)
    {
        byte[] reached = new byte[seen.Length];
        bool good = Execute(input) is null;
        _ = Coverage.Merge(reached);
        return good
            ? [.. Enumerable.Range(0, reached.Length).Where(probe => reached[probe] != 0)]
            : [];
    }

    private HashSet<int> NewsOf(ReadOnlySpan<byte> input, byte[] covered)
    {
        HashSet<int> reached = ReachedBy(input);
        _ = reached.RemoveWhere(probe => covered[probe] != 0);
        return reached;
    }

    private byte[] Cut(byte[] input, byte[] covered, HashSet<int> news)
    {
        for (int piece = input.Length / 2; piece > 0; piece /= 2)
        {
            for (int at = 0; at + piece <= input.Length;)
            {
                byte[] shorter = [.. input[..at], .. input[(at + piece)..]];
                target.Repair(shorter);
                if (news.IsSubsetOf(NewsOf(shorter, covered)))
                {
                    input = shorter;
                }
                else
                {
                    at += piece;
                }
            }
        }

        return input;
    }
}
