using System.Diagnostics;
using System.Text.Json.Nodes;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>Steps of a planned takeover (S14) as the node that asks sees them, in order.</summary>
internal enum PlannedStep
{
    /// <summary>The request was made.</summary>
    Asked,

    /// <summary>The owner has drained and swapped, and this node knows it.</summary>
    Granted,

    /// <summary>The former owner's rights are proven dead, and the copy was read.</summary>
    Fenced,

    /// <summary>The partner's copy is equal, and the log serves.</summary>
    Serving,
}

/// <summary>When each step of the last planned takeover was done.</summary>
internal sealed class PlannedTimes
{
    private readonly long[] stamps = new long[4];
    private int reached = -1;

    /// <summary>The takeover that is counted has ended; its times are good.</summary>
    public bool Ended { get; private set; }

    /// <summary>How long ago it ended.</summary>
    public TimeSpan Age => Stopwatch.GetElapsedTime(stamps[(int)PlannedStep.Serving]);

    /// <summary>A request is made: a new count begins.</summary>
    public void Begin()
    {
        Ended = false;
        reached = 0;
        stamps[0] = Stopwatch.GetTimestamp();
    }

    /// <summary>The session was lost: what comes now belongs to no planned takeover.</summary>
    public void Abandon() => reached = Ended ? reached : -1;

    /// <summary>A step was done, if it is the next one; whether it is.</summary>
    public bool Mark(PlannedStep step)
    {
        if (Ended || (int)step != reached + 1)
        {
            return false;
        }

        reached = (int)step;
        stamps[reached] = Stopwatch.GetTimestamp();
        Ended = step == PlannedStep.Serving;
        return true;
    }

    /// <summary>From the step before to this one.</summary>
    public TimeSpan Took(PlannedStep step) =>
        Stopwatch.GetElapsedTime(stamps[(int)step - 1], stamps[(int)step]);

    /// <summary>Milliseconds; null before the first planned takeover of this boot.</summary>
    public JsonNode? Report() => !Ended ? null : new JsonObject
    {
        ["secondsAgo"] = (long)Age.TotalSeconds,
        ["grantedMs"] = Ms(Took(PlannedStep.Granted)),
        ["fencedMs"] = Ms(Took(PlannedStep.Fenced)),
        ["servingMs"] = Ms(Took(PlannedStep.Serving)),
        ["totalMs"] = Ms(Stopwatch.GetElapsedTime(stamps[0], stamps[^1])),
    };

    private static double Ms(TimeSpan time) => Math.Round(time.TotalMilliseconds, 3);
}
