// Decides from the partner's beat count alone whether it is well or still. Told the time, never
// asks for it. The limit follows the largest gap seen lately, so a machine under load is given the
// slack it has shown to need and a quiet one is found out within milliseconds. A pause of our own
// must not be read as the partner's: of each of our turns only a bounded part counts as stillness.
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Ccm;

/// <summary>Watches one partner's beat during one session; a plain value machine.</summary>
internal sealed class BeatDetector(BeatLimits limits)
{
    private TimeSpan recentGap;
    private TimeSpan olderGap;
    private Instant recentSince;
    private Instant firstSeen;
    private TimeSpan assumed = limits.GapAssumed;
    private bool fresh = true;
    private ulong boot;
    private ulong last;
    private bool seen;
    private Instant lastLook;
    private Instant lastMove;
    private TimeSpan still;

    /// <summary>The largest gap between two moves within the memory of the limits.</summary>
    public TimeSpan LargestGap => recentGap > olderGap ? recentGap : olderGap;

    /// <summary>How long the beat may stand still now.</summary>
    public TimeSpan Limit
    {
        get
        {
            TimeSpan gap = assumed > LargestGap ? assumed : LargestGap;
            TimeSpan adapted = (gap * limits.GapFactor) + limits.Slack;
            return adapted < limits.Floor ? limits.Floor
                : adapted > limits.Ceiling ? limits.Ceiling
                : adapted;
        }
    }

    /// <summary>When the beat was last seen to move.</summary>
    public Instant LastMove => lastMove;

    /// <summary>Takes one reading; true when the beat has stood still past the limit.</summary>
    public bool Observe(ulong beat, Instant now)
    {
        if (fresh)
        {
            (firstSeen, fresh) = (now, false);
        }

        assumed = Assumed(now - firstSeen);
        if (!seen || beat != last)
        {
            if (seen)
            {
                Remember(now, still);
            }

            (seen, last, lastLook, lastMove, still) = (true, beat, now, now, TimeSpan.Zero);
            return false;
        }

        TimeSpan turn = now - lastLook;
        still += turn < limits.TurnMax ? turn : limits.TurnMax;
        lastLook = now;
        return still > Limit;
    }

    /// <summary>
    /// A reading was asked for and is not there: as far as anybody can tell, the beat stands. True
    /// when it has past the limit. Where the partner's process takes part in a read, this is all
    /// that its stop shows.
    /// </summary>
    public bool Unanswered(Instant now) => Observe(last, now);

    /// <summary>
    /// Forgets the running stillness, not the gaps: for a new session with the same machine. Only a
    /// partner that was booted anew has to settle again.
    /// </summary>
    public void Restart(ulong bootEpoch)
    {
        if (boot != bootEpoch)
        {
            (fresh, assumed) = (true, limits.GapAssumed);
        }

        (seen, boot, still) = (false, bootEpoch, TimeSpan.Zero);
    }

    // What comes once in a minute is not seen in a second: the longer a partner was watched, the
    // more what was seen of it says, and the less has to be assumed.
    private TimeSpan Assumed(TimeSpan watched) =>
        watched < limits.SettleTime ? limits.GapAssumed
        : limits.SettleTime == TimeSpan.Zero ? TimeSpan.Zero
        : limits.GapAssumed * (limits.SettleTime / watched);

    private void Remember(Instant now, TimeSpan gap)
    {
        // Longer than any limit would ride out: a stop, which says nothing of how steadily the
        // beat goes. What is shorter was a hiccup, and the next one like it is to be ridden out.
        if (((now - lastMove) * limits.GapFactor) + limits.Slack > limits.Ceiling)
        {
            return;
        }

        // Two buckets of half the memory each: constant space, and no gap is forgotten too early.
        if (now - recentSince > limits.Memory / 2)
        {
            (olderGap, recentGap, recentSince) = (recentGap, TimeSpan.Zero, now);
        }

        recentGap = gap > recentGap ? gap : recentGap;
    }
}

/// <summary>The terms of the detector.</summary>
/// <param name="Period">How often the beat is moved, and how often it is looked at.</param>
/// <param name="GapFactor">Times the largest gap seen lately …</param>
/// <param name="Slack">… plus this is the limit,</param>
/// <param name="Floor">never less than this</param>
/// <param name="Ceiling">and never more than this.</param>
/// <param name="TurnMax">
/// The most that one of our own turns may count as the partner's stillness.
/// </param>
/// <param name="GapAssumed">
/// The gap that is assumed to be usual, whatever was seen: nodes that boot are busy.
/// </param>
/// <param name="SettleTime">
/// How long after a partner's first beat that holds in full; at twice the time half of the gap is
/// assumed, and so on.
/// </param>
/// <param name="Memory">
/// A gap is remembered for at least half of this and at most all of it.
/// </param>
internal sealed record BeatLimits(
    TimeSpan Period, double GapFactor, TimeSpan Slack, TimeSpan Floor, TimeSpan Ceiling,
    TimeSpan TurnMax, TimeSpan GapAssumed, TimeSpan SettleTime, TimeSpan Memory)
{
    /// <summary>What is used unless the configuration says otherwise.</summary>
    public static BeatLimits Default { get; } = For(TimeSpan.FromMilliseconds(2));

    /// <summary>
    /// The terms for a period: twice of it is what an idle pair sees at most, and a turn costs some
    /// 10 µs of real hardware; an emulated machine wants a longer one.
    /// </summary>
    public static BeatLimits For(TimeSpan period) => new(
        period,
        GapFactor: 2,
        Slack: period * 2,
        Floor: period * 10,
        Ceiling: TimeSpan.FromSeconds(2),
        TurnMax: period * 2,
        GapAssumed: period * 50,
        SettleTime: period * 1500,
        Memory: TimeSpan.FromMinutes(2));
}
