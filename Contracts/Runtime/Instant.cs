namespace StorageOs.Contracts.Runtime;

/// <summary>
/// A point on this node's monotonic clock, in nanoseconds since an arbitrary start. Pure code is
/// told the time in this form and never asks for it. Comparable within one boot of one node only.
/// </summary>
public readonly record struct Instant(long Nanoseconds) : IComparable<Instant>
{
    /// <summary>Time from <paramref name="earlier"/> to <paramref name="later"/>.</summary>
    public static TimeSpan operator -(Instant later, Instant earlier) =>
        TimeSpan.FromTicks((later.Nanoseconds - earlier.Nanoseconds) / 100);

    /// <summary>The point <paramref name="delay"/> after <paramref name="start"/>.</summary>
    public static Instant operator +(Instant start, TimeSpan delay) =>
        new(start.Nanoseconds + (delay.Ticks * 100));

    /// <summary>Whether <paramref name="left"/> is before <paramref name="right"/>.</summary>
    public static bool operator <(Instant left, Instant right) =>
        left.Nanoseconds < right.Nanoseconds;

    /// <summary>Whether <paramref name="left"/> is after <paramref name="right"/>.</summary>
    public static bool operator >(Instant left, Instant right) =>
        left.Nanoseconds > right.Nanoseconds;

    /// <summary>Whether <paramref name="left"/> is not after <paramref name="right"/>.</summary>
    public static bool operator <=(Instant left, Instant right) => !(left > right);

    /// <summary>Whether <paramref name="left"/> is not before <paramref name="right"/>.</summary>
    public static bool operator >=(Instant left, Instant right) => !(left < right);

    /// <inheritdoc/>
    public int CompareTo(Instant other) => Nanoseconds.CompareTo(other.Nanoseconds);
}
