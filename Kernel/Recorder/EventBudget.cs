namespace StorageOs.Kernel.Recorder;

/// <summary>
/// How many events one source may record: a burst, and then one every so often. Some lines are
/// caused by whoever talks to the node, and nobody may wash the story out of the ring by talking.
/// Any thread; told the time.
/// </summary>
/// <param name="burst">Events at once.</param>
/// <param name="period">Nanoseconds after which there may be one more.</param>
internal sealed class EventBudget(int burst = EventBudget.Burst, long period = EventBudget.Period)
{
    /// <summary>Events that a source may record at once.</summary>
    public const int Burst = 64;

    /// <summary>Nanoseconds after which it may record one more.</summary>
    public const long Period = 10_000_000_000;

    private long spentUntil = long.MinValue;
    private long leftOut;

    /// <summary>
    /// Whether an event may be recorded now, and how many could not be since the last.
    /// </summary>
    public bool TryTake(long now, out long leftOutBefore)
    {
        leftOutBefore = 0;
        while (true)
        {
            long seen = Volatile.Read(ref spentUntil);
            long from = Math.Max(seen, now);
            if (from - now > period * (burst - 1))
            {
                _ = Interlocked.Increment(ref leftOut);
                return false;
            }

            if (Interlocked.CompareExchange(ref spentUntil, from + period, seen) == seen)
            {
                leftOutBefore = Interlocked.Exchange(ref leftOut, 0);
                return true;
            }
        }
    }
}
