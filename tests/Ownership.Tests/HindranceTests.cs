using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.Ownership.Tests;

/// <summary>
/// What hinders a node from taking a group over is told live, with a kind, an age and a remedy; a
/// veto stops what is planned and nothing else.
/// </summary>
public sealed class HindranceTests
{
    private static readonly GroupId Group = new(0);
    private static readonly SessionId Session = new(1, 2, 1, 1);
    private static readonly Guid Register = Guid.NewGuid();
    private static readonly DateTimeOffset Clock = DateTimeOffset.UnixEpoch.AddYears(50);

    private static readonly RegisterEntry Entry = new(
        Register, Group, new Term(5), 1, SyncState.InSync, 0, default, Guid.NewGuid());

    private static readonly LogChanged Well = new(true, false, default, true, false, false);

    private static readonly GroupView Owner = new(
        Register, Entry, LogRole.Mirrored, SwapIntent.None, default, false, 0, 0, "");

    private static readonly HandoverVeto Veto = new(
        "backup", Group, "a copy is being made", "wait for it", Clock.AddSeconds(-90));

    private static Dictionary<HindranceCode, GroupEvent[]> Facts { get; } = new()
    {
        [HindranceCode.NoSession] = [new SessionLost(Session, SessionEndReason.LocalStop)],
        [HindranceCode.PartnerUnheard] = [new SessionUp(Session with { LowAttempt = 2 })],
        [HindranceCode.RulesDiffer] = [new ViewArrived(Session, Owner with { NoWitness = true })],
        [HindranceCode.PartnerUndecided] =
            [new ViewArrived(Session, Owner with { Undecided = SwapIntent.Mark })],
        [HindranceCode.OwnerNotMirrored] =
            [new ViewArrived(Session, Owner with { Role = LogRole.Frozen })],
        [HindranceCode.Stale] = [Told(Entry with
        {
            Term = new Term(6),
            Sync = SyncState.Stale,
            StaleNode = 2,
        })],
        [HindranceCode.NeverInSync] =
            [Told(Entry with { Term = new Term(6), Sync = SyncState.New })],
        [HindranceCode.Forgot] = [Well with { Forgot = true }],
        [HindranceCode.DiskFailed] = [Well with { DiskFailed = true }],
        [HindranceCode.LogNearlyFull] = [Well with { NearlyFull = true }],
        [HindranceCode.RecordFault] = [new RecordFailed("no room")],
        [HindranceCode.Vetoed] = [new VetoesChanged([Veto])],
    };

    public static TheoryData<string> Codes => new(Facts.Keys.Select(code => $"{code}"));

    [Fact]
    public void A_node_that_nothing_hinders_says_so()
    {
        GroupCore core = Follower();
        Assert.Empty(core.TakeoverHindrances(Clock));
        Assert.True(core.MayTake);
        Assert.True(core.View.MayTake);
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public void What_hinders_is_told_while_it_does_with_kind_age_and_remedy(string name)
    {
        HindranceCode code = Enum.Parse<HindranceCode>(name);
        GroupCore core = Follower();
        foreach (GroupEvent fact in Facts[code])
        {
            _ = core.Step(fact, At(1));
        }

        _ = core.Step(new Tick(), At(3));
        Hindrance found = Assert.Single(
            core.TakeoverHindrances(Clock), one => one.Code == code);
        Assert.Equal(code == HindranceCode.Vetoed ? 90 : 2, found.Age.TotalSeconds);
        Assert.NotEmpty(found.What);
        Assert.NotEmpty(found.Remedy);
        Assert.True(found.OfPlanned);
        Assert.False(core.MayTake);
        Assert.False(core.View.MayTake);
        Assert.Equal(
            code is HindranceCode.Stale or HindranceCode.NeverInSync or HindranceCode.Forgot
                or HindranceCode.RecordFault,
            found.OfFailover);
    }

    [Fact]
    public void What_ends_and_comes_again_is_young_again()
    {
        GroupCore core = Follower();
        _ = core.Step(Well with { NearlyFull = true }, At(1));
        _ = core.Step(Well, At(5));
        Assert.True(core.MayTake);
        _ = core.Step(Well with { NearlyFull = true }, At(7));
        _ = core.Step(new Tick(), At(8));
        Assert.Equal(1, Assert.Single(core.TakeoverHindrances(Clock)).Age.TotalSeconds);
    }

    [Fact]
    public void The_partners_vetoes_are_told_too()
    {
        GroupCore core = Follower();
        _ = core.Step(new ViewArrived(Session, Owner with { Vetoes = [Veto] }), At(1));
        Hindrance found = Assert.Single(core.TakeoverHindrances(Clock));
        Assert.Equal(("backup", "a's backup has a veto: a copy is being made"),
            (found.Who, found.What));
        Assert.Contains("--override backup", found.Remedy, StringComparison.Ordinal);
        Assert.False(core.MayTake);
    }

    [Theory]
    [InlineData("", true, false)]
    [InlineData("backups", true, false)]
    [InlineData("other,backup", true, true)]
    [InlineData("", false, true)]
    public void S14_an_owner_hands_over_unless_a_veto_stands(
        string overrides, bool vetoed, bool drains)
    {
        GroupCore owner = Mirrored();
        _ = owner.Step(new VetoesChanged(vetoed ? [Veto] : []), At(1));
        IReadOnlyList<GroupEffect> effects = owner.Step(Asking(7, overrides), At(1));
        Assert.Equal(drains, effects.Any(static effect => effect is Drain));
        Assert.Equal(7UL, owner.View.AnsweredRequest);
        Assert.Equal(!drains, owner.View.Answer.Contains(
            "backup has a veto: a copy is being made; wait for it", StringComparison.Ordinal));
    }

    [Fact]
    public void S14_a_veto_on_the_node_that_asks_counts_as_well()
    {
        GroupCore owner = Mirrored();
        Assert.DoesNotContain(
            owner.Step(Asking(7, "", [Veto]), At(1)), static effect => effect is Drain);
        Assert.Contains(
            owner.Step(Asking(8, "backup", [Veto]), At(1)), static effect => effect is Drain);
    }

    [Fact]
    public void S14_clients_do_not_wait_for_a_register_that_does_not_answer()
    {
        GroupCore owner = Mirrored();
        Silence(owner, 1);
        Assert.DoesNotContain(
            owner.Step(Asking(7, ""), At(1)), static effect => effect is Drain);
        Assert.Contains("no answer from the register", owner.View.Answer);
        Assert.DoesNotContain(
            owner.Step(Well with { DiskFailed = true }, At(2)), static effect => effect is Drain);
    }

    /// <summary>Silent with an answer that says so, or without any.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void S14_clients_go_on_when_the_register_falls_silent_behind_the_drain(bool says)
    {
        GroupCore owner = Mirrored();
        ulong drain = owner.Step(Asking(7, ""), At(1)).OfType<Drain>().Single().Operation;
        List<GroupEffect> effects = [.. owner.Step(new LogDone(drain, true), At(1))];
        for (int second = 2; second < 60; second++)
        {
            ulong asked = effects.OfType<ReadRegister>().LastOrDefault()?.Operation ?? 0;
            GroupEvent next = says && asked != 0
                ? new ReadDone(asked, new(ReadOutcome.Unavailable, null, "silence"))
                : new Tick();
            effects.AddRange(owner.Step(next, At(second)));
        }

        Assert.Contains(effects, static effect => effect is Resume);
        Assert.Equal(LogRole.Mirrored, owner.Role);
        Assert.Contains("no answer from the register", owner.View.Answer);
    }

    private static void Silence(GroupCore core, int second)
    {
        ulong asked = core.Step(new Tick(), At(second)).OfType<ReadRegister>().Single().Operation;
        _ = core.Step(
            new ReadDone(asked, new(ReadOutcome.Unavailable, null, "silence")), At(second));
    }

    [Fact]
    public void S14_no_veto_stops_an_owner_whose_disk_fails()
    {
        GroupCore owner = Mirrored();
        _ = owner.Step(new VetoesChanged([Veto]), At(1));
        Assert.Contains(
            owner.Step(Well with { DiskFailed = true }, At(1)), static effect => effect is Drain);
    }

    [Fact]
    public void S2_no_veto_stops_a_takeover_from_a_node_that_is_lost()
    {
        GroupCore core = Follower();
        _ = core.Step(new VetoesChanged([Veto]), At(0));
        IReadOnlyList<GroupEffect> effects =
            core.Step(new SessionLost(Session, SessionEndReason.PartnerExited), At(0));
        if (effects.OfType<ReadRegister>().SingleOrDefault() is { } read)
        {
            effects = core.Step(
                new ReadDone(read.Operation, new(ReadOutcome.Found, Entry)), At(0));
        }

        Assert.Contains(effects, static effect => effect is Fence);
    }

    [Fact]
    public void A_fence_that_failed_hinders_nothing_once_there_is_a_new_session()
    {
        GroupCore core = Follower();
        ulong fence = Fencing(core);
        _ = core.Step(new LogDone(fence, false, "no device"), At(0));
        Assert.Contains(
            core.TakeoverHindrances(Clock), one => one.Code == HindranceCode.FenceFault);

        SessionId next = Session with { LowAttempt = 2 };
        _ = core.Step(new SessionUp(next), At(1));
        _ = core.Step(Well, At(1));
        _ = core.Step(new ViewArrived(next, Owner), At(1));
        Assert.DoesNotContain(
            core.TakeoverHindrances(Clock), one => one.Code == HindranceCode.FenceFault);
    }

    /// <summary>Loses the partner and is asked to fence it.</summary>
    private static ulong Fencing(GroupCore core)
    {
        IReadOnlyList<GroupEffect> effects =
            core.Step(new SessionLost(Session, SessionEndReason.PartnerExited), At(0));
        if (effects.OfType<ReadRegister>().SingleOrDefault() is { } read)
        {
            effects = core.Step(
                new ReadDone(read.Operation, new(ReadOutcome.Found, Entry)), At(0));
        }

        return effects.OfType<Fence>().Single().Operation;
    }

    /// <summary>Node b, passive, in sync, in a session with a, the owner.</summary>
    private static GroupCore Follower()
    {
        GroupCore core = Booted(self: 2, "a");
        _ = core.Step(new SessionUp(Session), At(0));
        _ = core.Step(Well, At(0));
        _ = core.Step(new ViewArrived(Session, Owner), At(0));
        return core;
    }

    /// <summary>Node a, owner under mirrored rules.</summary>
    private static GroupCore Mirrored()
    {
        GroupCore core = Booted(self: 1, "b");
        _ = core.Step(new SessionUp(Session), At(0));
        _ = core.Step(Well, At(0));
        ulong push = core.Step(Asking(0, ""), At(0)).OfType<Push>().Single().Operation;
        _ = core.Step(new LogDone(push, true), At(0));
        Assert.Equal(LogRole.Mirrored, core.Role);
        return core;
    }

    private static GroupCore Booted(ulong self, string partner)
    {
        DurableMemory memory = DurableMemory.Empty with
        {
            RegisterId = Register,
            HighestTerm = Entry.Term,
        };
        GroupCore core = new(
            new GroupCoreOptions(Group, self, 3 - self, partner, 1, Guid.NewGuid), memory, false,
            true, At(0));
        ulong asked = core.Step(new Tick(), At(0)).OfType<ReadRegister>().Single().Operation;
        _ = core.Step(new ReadDone(asked, new(ReadOutcome.Found, Entry)), At(0));
        return core;
    }

    private static ViewArrived Asking(
        ulong request, string overrides, HandoverVeto[]? vetoes = null) => new(
        Session, new GroupView(
            Register, Entry, LogRole.Passive, SwapIntent.None, default, false, request, 0, "",
            false, vetoes, overrides));

    private static ViewArrived Told(RegisterEntry entry) =>
        new(Session, Owner with { Entry = entry });

    private static Instant At(int seconds) => default(Instant) + TimeSpan.FromSeconds(seconds);
}
