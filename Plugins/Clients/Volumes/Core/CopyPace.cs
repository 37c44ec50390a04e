using StorageOs.Contracts.Runtime;

namespace StorageOs.Volumes.Core;

/// <summary>
/// How fast a copy or a scrub goes: so many bytes a second, fewer while clients are at work. Told
/// the time. Pure.
/// </summary>
internal sealed class CopyPace(long bytesPerSecond, long bytesPerSecondWithClients)
{
    private const double NanosecondsPerSecond = 1e9;
    private static readonly TimeSpan Saved = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan ClientsFor = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan MeasuredFor = TimeSpan.FromSeconds(2);

    private double allowance;
    private Instant? last;
    private Instant? clientAt;
    private Instant measuredFrom;
    private long measured;
    private double rate;

    /// <summary>Bytes a second, lately; 0 when not known yet.</summary>
    public long Rate => (long)rate;

    /// <summary>A client asked for something.</summary>
    public void NoteClient(Instant now) => clientAt = now;

    /// <summary>Whether more may be taken now.</summary>
    public bool MayTake(Instant now)
    {
        bool clients = clientAt is { } at && now - at < ClientsFor;
        double most = clients ? bytesPerSecondWithClients : bytesPerSecond;
        if (last is { } before)
        {
            allowance += (now - before).TotalSeconds * most;
        }
        else
        {
            measuredFrom = now;
        }

        last = now;
        allowance = Math.Min(allowance, most * Saved.TotalSeconds);
        return allowance >= 0;
    }

    /// <summary>Something was done; what goes beyond the allowance is waited for.</summary>
    /// <param name="cost">Bytes that had to be read or sent for it.</param>
    /// <param name="work">Bytes that it went forward.</param>
    /// <param name="now">Now.</param>
    public void Took(long cost, long work, Instant now)
    {
        allowance -= cost;
        measured += work;
        TimeSpan span = now - measuredFrom;
        if (span >= MeasuredFor || (rate == 0 && span > Saved))
        {
            rate = measured / (span.TotalNanoseconds / NanosecondsPerSecond);
            measured = 0;
            measuredFrom = now;
        }
    }

    /// <summary>Time that so many bytes take at the rate of late; null when not known.</summary>
    public TimeSpan? TimeFor(long bytes) =>
        rate <= 0 ? null : TimeSpan.FromSeconds(Math.Min(bytes / rate, 1e7));
}
