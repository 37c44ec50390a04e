namespace StorageOs.FailoverMonitor.Core;

/// <summary>Figures of now, and of the last planned takeover, that one more is told from.</summary>
/// <param name="LookSteady">Between two looks of the owner's at this node's page.</param>
/// <param name="LookWaiting">The same while something is waited for.</param>
/// <param name="Witness">What a read of the register took last; null before the first.</param>
/// <param name="NoWitness">The register is in a file of each node (S13).</param>
/// <param name="UnflushedBytes">What this node's copy holds that a fence has to read.</param>
/// <param name="LastFence">What fence and reading took the last time; null before.</param>
/// <param name="LastPush">What making the partner equal took the last time; null before.</param>
/// <param name="LastAge">How long ago that was.</param>
internal readonly record struct ForecastFigures(
    TimeSpan LookSteady, TimeSpan LookWaiting, TimeSpan? Witness, bool NoWitness,
    ulong UnflushedBytes, TimeSpan? LastFence, TimeSpan? LastPush, TimeSpan LastAge);

/// <summary>A part of the time that a planned takeover will take.</summary>
/// <param name="Step">What happens in it.</param>
/// <param name="Time">How long.</param>
/// <param name="From">What that is made of.</param>
/// <param name="ClientsWait">Whether clients wait meanwhile.</param>
internal readonly record struct ForecastPart(
    string Step, TimeSpan Time, string From, bool ClientsWait);

/// <summary>
/// Tells how long a planned takeover (S14) would take, step by step. A guess from figures, each
/// named; nothing is decided by it.
/// </summary>
internal static class TakeoverForecast
{
    private const double ScanBytesPerMs = 1 << 20; // 1 GiB a second: checksums of what is read.
    private static readonly TimeSpan Assumed = TimeSpan.FromMilliseconds(1);

    /// <summary>The steps, in order.</summary>
    public static IReadOnlyList<ForecastPart> Of(in ForecastFigures now)
    {
        string last = $"as {now.LastAge.TotalSeconds:F0} s ago";
        TimeSpan scan = TimeSpan.FromMilliseconds(now.UnflushedBytes / ScanBytesPerMs);
        return
        [
            new("request", now.LookSteady / 2, "half the time between two looks", false),
            new("drain", Assumed, "assumed: what is under way is answered at once", true),
            now.NoWitness
                ? new("swap", Assumed, "assumed: a write to the owner's own record", true)
                : new("swap", (now.Witness ?? Assumed) * 2,
                    now.Witness is null ? "assumed: the witness was not read yet"
                        : "a read and a swap, each as the last read by this node", true),
            new("grant", now.LookWaiting / 2, "half the time between two looks", true),
            new("fence", (now.LastFence ?? Assumed) + scan,
                $"{(now.LastFence is null ? "assumed" : last)}, and {now.UnflushedBytes} bytes of"
                + " log at 1 GiB/s", true),
            new("equal", (now.LookWaiting / 2) + (now.LastPush ?? Assumed),
                $"half a look, and the push {(now.LastPush is null ? "assumed" : last)}", true),
        ];
    }

    /// <summary>The sum, of all parts or of those in which clients wait.</summary>
    public static TimeSpan Sum(IReadOnlyList<ForecastPart> parts, bool clientsWait) =>
        parts.Where(part => part.ClientsWait || !clientsWait)
            .Aggregate(TimeSpan.Zero, static (sum, part) => sum + part.Time);
}
