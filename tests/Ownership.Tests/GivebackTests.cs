using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.Ownership.Tests;

/// <summary>
/// When a group goes home by itself: after a delay in which nothing stood against it, later each
/// time that it came back at once, not at all for a while when it always does, and never against an
/// operator. Node 2 has the group, node 1 is its home.
/// </summary>
public sealed class GivebackTests
{
    private static readonly GivebackSettings Settings = new(
        TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(100), 3, TimeSpan.FromSeconds(1000));

    private static readonly GivebackFacts Clear = new(Of(2), true, true, false);

    /// <summary>What stands against it, and what that is called.</summary>
    private static Dictionary<string, GivebackFacts> Against { get; } = new()
    {
        ["NotInSync"] = Clear with { Mirrored = false },
        ["NotInSync again"] = Clear with { Entry = Of(2, SyncState.Stale) },
        ["HomeHindered"] = Clear with { HomeMayTake = false },
        ["Vetoed"] = Clear with { Vetoed = true },
    };

    public static TheoryData<string> Obstacles => new(Against.Keys);

    private Instant now;

    [Fact]
    public void It_is_offered_after_the_delay_and_not_before()
    {
        Giveback giveback = New();
        Pass(giveback, Clear, 9.5);
        Assert.Equal(GivebackState.Waiting, giveback.State);
        Assert.Equal(0.5, (giveback.Until!.Value - now).TotalSeconds, 1);
        Pass(giveback, Clear, 1);
        Assert.Equal(GivebackState.Offered, giveback.State);
        Pass(giveback, Clear with { Entry = Of(1) }, 1);
        Assert.Equal(GivebackState.None, giveback.State);
    }

    [Theory]
    [MemberData(nameof(Obstacles))]
    public void Whatever_stands_against_it_starts_the_delay_anew(string what)
    {
        Giveback giveback = New();
        Pass(giveback, Clear, 9);
        Pass(giveback, Against[what], 1);
        Assert.Equal(what.Split(' ')[0], $"{giveback.State}");
        Pass(giveback, Against[what], 100);
        Assert.NotEqual(GivebackState.Offered, giveback.State);
        Pass(giveback, Clear, 9.5);
        Assert.Equal(GivebackState.Waiting, giveback.State);
        Pass(giveback, Clear, 1);
        Assert.Equal(GivebackState.Offered, giveback.State);
        Pass(giveback, Against[what], 1); // An offer is taken back, too.
        Assert.NotEqual(GivebackState.Offered, giveback.State);
    }

    [Fact]
    public void What_an_operator_took_stays_until_it_is_moved()
    {
        Giveback giveback = New();
        giveback.Hold(); // Told before this node has looked at what it owns.
        Pass(giveback, Clear, 1000);
        Assert.Equal(GivebackState.Held, giveback.State);
        Pass(giveback, Clear with { Entry = Of(1) }, 110);
        Pass(giveback, Clear, 11);
        Assert.Equal(GivebackState.Offered, giveback.State);
    }

    [Fact]
    public void Each_giveback_that_was_too_early_doubles_the_delay_and_some_latch_it()
    {
        Giveback giveback = New();
        foreach (double delay in new[] { 10.0, 20.0, 40.0 })
        {
            Assert.Equal(delay, giveback.Delay.TotalSeconds);
            Pass(giveback, Clear, delay - 1);
            Assert.Equal(GivebackState.Waiting, giveback.State);
            Pass(giveback, Clear, 2);
            Assert.Equal(GivebackState.Offered, giveback.State);
            Pass(giveback, Clear with { Entry = Of(1) }, 50); // Home for a while, and lost.
            Pass(giveback, Clear with { Entry = Of(2, SyncState.Stale), Mirrored = false }, 1);
        }

        Assert.Equal((GivebackState.Latched, 3), (giveback.State, giveback.Rounds));
        Pass(giveback, Clear, 990);
        Assert.Equal(GivebackState.Latched, giveback.State);
        Pass(giveback, Clear, 10);
        Assert.Equal((GivebackState.Waiting, 0), (giveback.State, giveback.Rounds));
        Pass(giveback, Clear, 10);
        Assert.Equal(GivebackState.Offered, giveback.State);
    }

    [Theory]
    [InlineData(SyncState.Stale, 90, false, 1)]
    [InlineData(SyncState.Stale, 110, false, 0)]
    [InlineData(SyncState.InSync, 10, false, 1)] // Home's disk fails, and it handed over.
    [InlineData(SyncState.InSync, 10, true, 0)]
    public void Only_what_nobody_asked_for_soon_after_counts(
        SyncState came, int seconds, bool asked, int rounds)
    {
        Giveback giveback = New();
        Pass(giveback, Clear, 11);
        Pass(giveback, Clear with { Entry = Of(1) }, seconds);
        Pass(giveback, Clear with { Entry = Of(2, came) }, 1);
        if (asked)
        {
            giveback.Hold();
        }

        Assert.Equal(rounds, giveback.Rounds);
    }

    [Fact]
    public void An_operators_giveback_ends_a_latch()
    {
        GivebackSettings one = Settings with { RoundsMax = 1 };
        Giveback giveback = new(one, 2, 1);
        Pass(giveback, Clear, 11);
        Pass(giveback, Clear with { Entry = Of(1) }, 1);
        Pass(giveback, Clear with { Entry = Of(2, SyncState.Stale) }, 1);
        Assert.Equal(GivebackState.Latched, giveback.State);
        Pass(giveback, Clear with { Entry = Of(1) }, 500);
        Pass(giveback, Clear with { Entry = Of(2, SyncState.Stale) }, 1);
        Assert.Equal((GivebackState.NotInSync, 0), (giveback.State, giveback.Rounds));
    }

    [Fact]
    public void It_is_off_when_so_configured_and_at_home_there_is_nothing_to_do()
    {
        Giveback off = new(GivebackSettings.Off, 2, 1);
        Pass(off, Clear, 100_000);
        Assert.Equal(GivebackState.Off, off.State);
        Giveback home = new(Settings, 2, 2);
        Pass(home, Clear, 1000);
        Assert.Equal(GivebackState.None, home.State);
    }

    private static RegisterEntry Of(ulong owner, SyncState sync = SyncState.InSync) => new(
        Guid.Empty, new GroupId(0), new Term(5), owner, sync, sync == SyncState.Stale ? 1UL : 0,
        default, Guid.Empty);

    private static Giveback New() => new(Settings, self: 2, home: 1);

    private void Pass(Giveback giveback, GivebackFacts facts, double seconds)
    {
        giveback.Step(facts, now);
        for (int step = 0; step < seconds * 10; step++)
        {
            now += TimeSpan.FromSeconds(0.1);
            giveback.Step(facts, now);
        }
    }
}
