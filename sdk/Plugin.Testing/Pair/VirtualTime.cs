// Virtual time, one queue of events, one source of choices: one seed is one story, as long as the
// client itself does nothing on other threads.
namespace StorageOs.Plugin.Testing.Pair;

/// <summary>Time and chance of one run.</summary>
internal sealed class VirtualTime(ulong seed)
{
    /// <summary>One millisecond in its unit, nanoseconds.</summary>
    public const long Millisecond = 1_000_000;

    private readonly PriorityQueue<Action, (long At, long Order)> queue = new();
    private ulong state = (seed * 0x9E3779B97F4A7C15) + 0x1234567;
    private long order;

    /// <summary>Nanoseconds since the start.</summary>
    public long Now { get; private set; }

    /// <summary>Runs an action a while from now; equal times in order.</summary>
    public void After(long delay, Action action) =>
        queue.Enqueue(action, (Now + Math.Max(0, delay), order++));

    /// <summary>A number from 0 to below a limit, the same for a seed on every machine.</summary>
    public long Below(long limit)
    {
        ulong z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return (long)((z ^ (z >> 31)) % (ulong)limit);
    }

    /// <summary>Lets the rest of a time pass, in which nothing happens.</summary>
    public void Pass(long until) => Now = Math.Max(Now, until);

    /// <summary>Carries out the next event; false when there is none until the limit.</summary>
    public bool Step(long limit)
    {
        if (!queue.TryPeek(out _, out (long At, long Order) next) || next.At > limit)
        {
            return false;
        }

        Action action = queue.Dequeue();
        Now = next.At;
        action();
        return true;
    }
}
