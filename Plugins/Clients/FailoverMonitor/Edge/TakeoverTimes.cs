using System.Diagnostics;
using System.Text.Json.Nodes;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>Steps of a takeover, in order (S4).</summary>
internal enum TakeoverStep
{
    /// <summary>The session ended.</summary>
    Detected,

    /// <summary>The register was read.</summary>
    Read,

    /// <summary>The partner's rights are proven dead.</summary>
    Fenced,

    /// <summary>The register says that the group is ours.</summary>
    Swapped,

    /// <summary>The log serves.</summary>
    Serving,
}

/// <summary>
/// When each step of the last takeover, or of going on alone, was done; for status.
/// </summary>
internal sealed class TakeoverTimes
{
    private readonly long[] stamps = new long[5];
    private double detectMs;
    private int reached = -1;

    /// <summary>Starts a new count at the loss of a session.</summary>
    /// <param name="detectedAfter">From the partner's last beat to the loss.</param>
    public void Begin(TimeSpan detectedAfter)
    {
        detectMs = detectedAfter.TotalMilliseconds;
        reached = 0;
        stamps[0] = Stopwatch.GetTimestamp();
    }

    /// <summary>Stops the count: what comes now belongs to no takeover.</summary>
    public void End()
    {
        if (reached != (int)TakeoverStep.Serving)
        {
            reached = -1;
        }
    }

    /// <summary>A step was done, for the last time before the next one.</summary>
    /// <returns>Time since the loss, when the step is done for the first time.</returns>
    public TimeSpan? Mark(TakeoverStep step)
    {
        if (reached < 0 || reached >= (int)TakeoverStep.Serving || (int)step < reached)
        {
            return null;
        }

        bool first = (int)step > reached;
        stamps[(int)step] = Stopwatch.GetTimestamp();
        reached = (int)step;
        return first ? Stopwatch.GetElapsedTime(stamps[0], stamps[(int)step]) : null;
    }

    /// <summary>Milliseconds; null before the first takeover of this boot has ended.</summary>
    public JsonNode? Report()
    {
        if (reached != (int)TakeoverStep.Serving)
        {
            return null;
        }

        JsonObject steps = [];
        for (int step = 1; step < stamps.Length; step++)
        {
            if (stamps[step] >= stamps[0])
            {
                string name = ((TakeoverStep)step).ToString();
                steps[char.ToLowerInvariant(name[0]) + name[1..]] = Since(step);
            }
        }

        return new JsonObject
        {
            ["detectMs"] = Math.Round(detectMs, 3),
            ["takeoverMs"] = Since((int)TakeoverStep.Serving),
            ["steps"] = steps,
        };
    }

    private double Since(int step) => Math.Round(
        Stopwatch.GetElapsedTime(stamps[0], stamps[step]).TotalMilliseconds, 3);
}
