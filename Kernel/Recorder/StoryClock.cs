using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Recorder;

/// <summary>
/// Lays two nodes' clocks over each other. Within a boot a node's monotonic clock is believed and
/// its wall clock only once; between the nodes, the moments at which both were ready in the same
/// session, which are a few milliseconds apart whatever the clocks say.
/// </summary>
internal sealed class StoryClock
{
    /// <summary>Clocks further apart than this are said to disagree.</summary>
    internal static readonly TimeSpan DisagreementMin = TimeSpan.FromMilliseconds(500);

    private readonly Dictionary<ulong, long> referenceBases = [];
    private readonly List<Meeting> meetings = [];

    /// <summary>Compares the clocks of two nodes.</summary>
    public StoryClock(
        string reference, IReadOnlyList<RecordedEvent> ofReference,
        string other, IReadOnlyList<RecordedEvent> ofOther)
    {
        (Reference, Other) = (reference, other);
        foreach (RecordedEvent what in ofReference)
        {
            // The last of a boot: a clock that was set since then was set right.
            referenceBases[what.Epoch] = what.Wall - (what.Monotonic / 1000);
        }

        Dictionary<SessionId, RecordedEvent> ready = [];
        foreach (RecordedEvent what in ofReference.Where(IsReady))
        {
            ready[what.Session!.Value] = what;
        }

        foreach (RecordedEvent what in ofOther.Where(IsReady))
        {
            if (ready.TryGetValue(what.Session!.Value, out RecordedEvent? twin))
            {
                meetings.Add(new(
                    what.Epoch, what.Monotonic / 1000, what.Wall, OnReference(twin), twin.Wall));
            }
        }
    }

    /// <summary>Whose clock the times of a story are.</summary>
    public string Reference { get; }

    /// <summary>The other node.</summary>
    public string Other { get; }

    /// <summary>Sessions in which both nodes tell that they were ready.</summary>
    public int Sessions => meetings.Count;

    /// <summary>
    /// How far the other's wall clock was ahead when both were last ready; null when there was no
    /// such moment.
    /// </summary>
    public TimeSpan? Ahead => meetings.Count == 0
        ? null : TimeSpan.FromMicroseconds(meetings[^1].OtherWall - meetings[^1].ReferenceWall);

    /// <summary>Whether it is so far that an order by wall clocks would be wrong.</summary>
    public bool Disagrees => Ahead is { } ahead && ahead.Duration() >= DisagreementMin;

    /// <summary>Gives an event its time.</summary>
    public StoryEvent Place(string node, RecordedEvent what)
    {
        long micros = node == Reference ? OnReference(what) : OfOther(what);
        return new(node, what, At(micros));
    }

    // A ring may hold anything; a time that no calendar has must not end the command.
    private static DateTimeOffset At(long micros)
    {
        const long Max = 200_000_000L * 1_000_000_000; // The year 8307.
        return DateTimeOffset.UnixEpoch.AddTicks(
            Math.Clamp(micros, 0, Max) * TimeSpan.TicksPerMicrosecond);
    }

    private static bool IsReady(RecordedEvent what) =>
        what.Name == EventNames.SessionReady && what.Session is not null;

    private long OnReference(RecordedEvent what) =>
        referenceBases.TryGetValue(what.Epoch, out long start)
            ? start + (what.Monotonic / 1000) : what.Wall;

    private long OfOther(RecordedEvent what)
    {
        long mono = what.Monotonic / 1000;
        Meeting? same = meetings.Where(at => at.Epoch == what.Epoch)
            .MinBy(at => Math.Abs(at.Monotonic - mono));
        if (same is not null)
        {
            return same.Reference + mono - same.Monotonic;
        }

        Meeting? near = meetings.MinBy(
            at => at.Epoch > what.Epoch ? at.Epoch - what.Epoch : what.Epoch - at.Epoch);
        return near is null ? what.Wall : what.Wall - near.OtherWall + near.Reference;
    }

    /// <summary>A moment at which both were ready, in microseconds.</summary>
    private sealed record Meeting(
        ulong Epoch, long Monotonic, long OtherWall, long Reference, long ReferenceWall);
}
