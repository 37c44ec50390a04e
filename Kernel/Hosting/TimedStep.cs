namespace StorageOs.Kernel.Hosting;

/// <summary>
/// A step of a plugin's code that others wait for, for a time. It ends, or it is left, and never
/// both: what comes back after it was left is nobody's and is disposed by whoever made it.
/// Any thread.
/// </summary>
internal sealed class TimedStep
{
    private const int Runs = 0, Ended = 1, IsLeft = 2;
    private int state = Runs;

    /// <summary>Whether nobody waits for it any more.</summary>
    internal bool Left => Volatile.Read(ref state) == IsLeft;

    /// <summary>Says that it has ended; false when it was left before.</summary>
    internal bool TryEnd() => Interlocked.CompareExchange(ref state, Ended, Runs) == Runs;

    /// <summary>Leaves it; false when it has ended meanwhile.</summary>
    internal bool TryLeave() => Interlocked.CompareExchange(ref state, IsLeft, Runs) == Runs;
}
