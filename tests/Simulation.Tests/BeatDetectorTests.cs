using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Simulation.Tests;

/// <summary>When a beat counts as still, by value.</summary>
public sealed class BeatDetectorTests
{
    private static readonly BeatLimits Limits = BeatLimits.Default;
    private readonly BeatDetector detector = new(Limits);
    private Instant now;
    private ulong beat;

    [Fact]
    public void A_steady_beat_is_found_still_within_the_floor()
    {
        Settle();
        Assert.Equal(Limits.Floor, detector.Limit);
        Assert.InRange(StillAfter(), Limits.Floor, Limits.Floor + Turn(2));
    }

    [Fact]
    public void Readings_that_are_not_answered_are_a_beat_that_stands()
    {
        Settle();
        Instant from = now;
        bool still = false;
        while (!still)
        {
            now += Turn(1);
            still = detector.Unanswered(now);
        }

        Assert.InRange(now - from, Limits.Floor, Limits.Floor + Turn(2));
        now += Turn(1);
        Assert.False(detector.Observe(++beat, now));
    }

    [Fact]
    public void A_session_whose_first_reading_never_comes_is_found_still_too()
    {
        detector.Restart(1);
        TimeSpan limit = detector.Limit;
        Instant from = now;
        while (!detector.Unanswered(now += Turn(1)))
        {
            Assert.True(now - from < limit * 2);
        }
    }

    [Fact]
    public void A_gap_seen_is_ridden_out_when_it_comes_again()
    {
        Settle();
        Pause(Limits.Floor - Turn(2));
        Assert.True(detector.Limit >= (Limits.Floor - Turn(3)) * Limits.GapFactor);
        Pause(detector.LargestGap * 1.5);
    }

    [Fact]
    public void A_gap_is_forgotten_once_it_is_old()
    {
        Settle();
        Pause(Limits.Floor - Turn(2));
        Beat(Limits.Memory * 1.1);
        Assert.Equal(Limits.Floor, detector.Limit);
    }

    [Fact]
    public void A_stop_that_no_limit_would_ride_out_does_not_make_the_detector_slower()
    {
        Settle();
        Still(Limits.Ceiling);
        Beat(TimeSpan.FromMilliseconds(100));
        Assert.Equal(Limits.Floor, detector.Limit);
    }

    [Fact]
    public void A_hiccup_that_ended_a_session_is_ridden_out_the_next_time()
    {
        Settle();
        Assert.True(Still(Limits.Floor * 2));
        Beat(TimeSpan.FromMilliseconds(100));
        detector.Restart(1);
        Beat(TimeSpan.FromMilliseconds(100));
        Assert.False(Still(Limits.Floor * 2));
    }

    [Fact]
    public void A_partner_that_was_booted_anew_has_to_settle_and_one_that_lives_on_has_not()
    {
        Settle();
        detector.Restart(1);
        Beat(Turn(2));
        Assert.Equal(Limits.Floor, detector.Limit);
        detector.Restart(2);
        Beat(Turn(2));
        Assert.Equal((Limits.GapAssumed * Limits.GapFactor) + Limits.Slack, detector.Limit);
    }

    [Fact]
    public void The_longer_a_partner_was_watched_the_less_is_assumed_of_it()
    {
        detector.Restart(1);
        Beat(Limits.SettleTime * 2);
        Assert.InRange(
            detector.Limit, Limits.GapAssumed + Limits.Slack,
            (Limits.GapAssumed * 1.01) + Limits.Slack);
        detector.Restart(1);
        Beat(Limits.SettleTime * 2);
        Assert.InRange(
            detector.Limit, (Limits.GapAssumed / 2) + Limits.Slack,
            (Limits.GapAssumed * 0.51) + Limits.Slack);
    }

    [Fact]
    public void A_pause_of_our_own_is_not_read_as_the_partners()
    {
        Settle();
        now += TimeSpan.FromSeconds(5);
        Assert.False(detector.Observe(beat, now));
    }

    private static TimeSpan Turn(int count) => TimeSpan.FromMilliseconds(2 * count);

    /// <summary>A partner that has been up for so long that nothing is assumed of it.</summary>
    private void Settle()
    {
        detector.Restart(1);
        TimeSpan gap = (Limits.Floor - Limits.Slack) / Limits.GapFactor;
        Beat((Limits.SettleTime * (Limits.GapAssumed / gap)) + Turn(2));
    }

    private void Beat(TimeSpan time)
    {
        for (Instant end = now + time; now < end; now += Turn(1))
        {
            Assert.False(detector.Observe(++beat, now));
        }
    }

    /// <summary>The beat stands for so long, and must not count as still.</summary>
    private void Pause(TimeSpan time)
    {
        Assert.False(Still(time));
        Beat(Turn(2));
    }

    private bool Still(TimeSpan time)
    {
        bool still = false;
        for (Instant end = now + time; now < end; now += Turn(1))
        {
            still |= detector.Observe(beat, now);
        }

        return still;
    }

    private TimeSpan StillAfter()
    {
        Instant from = now;
        while (!detector.Observe(beat, now))
        {
            now += Turn(1);
        }

        return now - from;
    }
}
