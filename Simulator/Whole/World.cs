// Virtual time, one queue of events, one source of randomness. Everything that happens to a
// simulated pair happens in an event of this queue, so one seed is one story, bit for bit; the hash
// that each event is mixed into proves it.
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Simulator.Whole;

/// <summary>Time, randomness and the record of what happened, of one run.</summary>
internal sealed class World(ulong seed)
{
    /// <summary>One millisecond in the world's unit, nanoseconds.</summary>
    public const long Millisecond = 1_000_000;

    /// <summary>One second.</summary>
    public const long Second = 1000 * Millisecond;

    private const int LinesKept = 40_000;

    private readonly PriorityQueue<Action, (long At, long Order)> queue =
        new(1024, Earlier.Instance);
    private readonly Queue<string> told = new();
    private long order;

    /// <summary>The run's one source of choices.</summary>
    public SeededRandom Random { get; } = new(seed);

    /// <summary>Nanoseconds since the start.</summary>
    public long Now { get; private set; }

    /// <summary>Events carried out so far.</summary>
    public long Steps { get; private set; }

    /// <summary>Hash of everything that was mixed in.</summary>
    public ulong Trace { get; private set; } = 14695981039346656037;

    /// <summary>What must not happen and did; the first only.</summary>
    public string? Violation { get; private set; }

    /// <summary>The event in which it was seen.</summary>
    public long ViolationStep { get; private set; }

    /// <summary>Whether lines are kept; costs time, changes nothing.</summary>
    public bool Telling { get; init; }

    /// <summary>The last lines told.</summary>
    public IEnumerable<string> Told => told;

    /// <summary>Runs an action at a time, or now when that is past; equal times in order.</summary>
    public void At(long time, Action action) =>
        queue.Enqueue(action, (Math.Max(time, Now), order++));

    /// <summary>Runs an action a while from now.</summary>
    public void After(long delay, Action action) => At(Now + delay, action);

    /// <summary>Carries out the next event; false when there is none before the limit.</summary>
    public bool Step(long limit)
    {
        if (!queue.TryPeek(out Action? action, out (long At, long Order) next) || next.At > limit)
        {
            Now = Math.Max(Now, limit);
            return false;
        }

        _ = queue.Dequeue();
        Now = next.At;
        Steps++;
        Mix((ulong)next.At);
        action();
        return true;
    }

    /// <summary>Takes something that happened into the hash.</summary>
    public void Mix(ulong what) => Trace = (Trace ^ what) * 1099511628211 ^ (Trace >> 29);

    /// <summary>Something happened that must not.</summary>
    public void Fail(string what)
    {
        if (Violation is null)
        {
            (Violation, ViolationStep) = (what, Steps);
            Tell($"VIOLATION: {what}");
        }
    }

    /// <summary>Keeps a line, when anybody wants it.</summary>
    public void Tell(string what)
    {
        if (Telling)
        {
            told.Enqueue($"{Now / 1000,10} us #{Steps,-7} {what}");
            if (told.Count > LinesKept)
            {
                _ = told.Dequeue();
            }
        }
    }
}

/// <summary>Events in the order of their times; where equal, of their making.</summary>
internal sealed class Earlier : IComparer<(long At, long Order)>
{
    /// <summary>The one there is.</summary>
    public static Earlier Instance { get; } = new();

    /// <inheritdoc/>
    public int Compare((long At, long Order) x, (long At, long Order) y) =>
        x.At != y.At ? (x.At < y.At ? -1 : 1) : x.Order < y.Order ? -1 : 1;
}

/// <summary>
/// A generator whose every number follows from its seed, on every machine and runtime (SplitMix64).
/// </summary>
internal sealed class SeededRandom(ulong seed) : IRandomSource
{
    private ulong state = seed * 0x9E3779B97F4A7C15 + 0x1234567;

    /// <summary>The next 64 bits.</summary>
    public ulong Next()
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A number from 0 to below a limit.</summary>
    public int Below(int limit) => (int)(Next() % (ulong)limit);

    /// <summary>A number from 0 to below a limit.</summary>
    public long Below(long limit) => (long)(Next() % (ulong)limit);

    /// <summary>True once in so many; never when that is 0.</summary>
    public bool OneIn(int many) => many > 0 && Below(many) == 0;

    /// <summary>One of several.</summary>
    public T Pick<T>(params ReadOnlySpan<T> of) => of[Below(of.Length)];

    /// <summary>An id.</summary>
    public Guid NewId()
    {
        Span<byte> bytes = stackalloc byte[16];
        Fill(bytes);
        return new(bytes);
    }

    /// <inheritdoc/>
    public void Fill(Span<byte> bytes)
    {
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(Next() >> 11);
        }
    }

    /// <inheritdoc/>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));
}

/// <summary>
/// The point at which a simulated process is killed. Thrown there is what ends a process, which
/// nobody passes on to a module of it.
/// </summary>
internal static class Killed
{
    private const string Text = "the process was killed here";

    /// <summary>To be thrown.</summary>
    public static InvariantException Here() => new(Text);

    /// <summary>Whether it was this.</summary>
    public static bool Is(InvariantException thrown) => thrown.Message == Text;
}
