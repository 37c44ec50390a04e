using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.Ownership.Tests;

/// <summary>What a partner said may be older than what the register says.</summary>
public sealed class StaleViewTests
{
    private static readonly GroupId Group = new(0);
    private static readonly SessionId Session = new(1, 2, 1, 1);
    private static readonly Guid Register = Guid.NewGuid();

    private static readonly RegisterEntry New = new(
        Register, Group, new Term(1), 1, SyncState.New, 0, default, Guid.NewGuid());

    private static readonly RegisterEntry InSync =
        New with { Term = new Term(2), Sync = SyncState.InSync, SwapId = Guid.NewGuid() };

    private static readonly RegisterEntry Stale =
        InSync with { Sync = SyncState.Stale, StaleNode = 2 };

    [Fact]
    public void L7_an_owner_that_forgot_before_it_was_made_good_is_not_taken_over()
    {
        GroupCore passive = PassiveNode();
        Assert.DoesNotContain(
            passive.Step(View(New), default), static effect => effect is Fence or Swap);

        // The register says InSync before the partner's page was read again.
        ulong asked = Asked(passive, TimeSpan.FromSeconds(1));
        IReadOnlyList<GroupEffect> effects = passive.Step(
            new ReadDone(asked, new(ReadOutcome.Found, InSync)), At(1));

        Assert.DoesNotContain(effects, static effect => effect is Fence or Swap);
        Assert.Equal("passive", passive.State);
    }

    [Fact]
    public void L7_an_owner_that_forgot_under_the_entry_in_force_is_taken_over()
    {
        GroupCore passive = PassiveNode();
        ulong asked = Asked(passive, TimeSpan.FromSeconds(1));
        _ = passive.Step(new ReadDone(asked, new(ReadOutcome.Found, InSync)), At(1));

        IReadOnlyList<GroupEffect> effects = passive.Step(View(InSync), At(1));

        Assert.Contains(effects, static effect => effect is Fence);
    }

    [Fact]
    public void S7_an_offer_that_came_before_the_session_was_told_is_not_forgotten()
    {
        GroupCore owner = new(
            new GroupCoreOptions(Group, 1, 2, "b", 1, Guid.NewGuid),
            DurableMemory.Empty with { RegisterId = Register, HighestTerm = new Term(1) },
            false, true, default);
        ulong asked = owner.Step(new Tick(), default).OfType<ReadRegister>().Single().Operation;
        _ = owner.Step(new ReadDone(asked, new(ReadOutcome.Found, New)), default);

        // The mirrored log hears of the session, and of the offer, by itself.
        _ = owner.Step(new LogChanged(true, false, default, false, false, false), default);
        _ = owner.Step(new SessionUp(Session), default);
        IReadOnlyList<GroupEffect> effects = owner.Step(
            new ViewArrived(Session, new GroupView(
                Register, New, LogRole.Passive, SwapIntent.None, default, true, 0, 0, "")),
            default);

        Assert.Contains(effects, static effect => effect is Push);
    }

    [Fact]
    public void L7_an_owner_that_was_made_good_goes_on_serving_while_its_mark_is_cleared()
    {
        GroupCore owner = new(
            new GroupCoreOptions(Group, 1, 2, "b", 1, Guid.NewGuid),
            DurableMemory.Empty with { RegisterId = Register, HighestTerm = new Term(1) },
            forgot: true, logHasRecords: false, default);
        GroupView passive = new(
            Register, New, LogRole.Passive, SwapIntent.None, default, true, 0, 0, "");
        ulong asked = owner.Step(new Tick(), default).OfType<ReadRegister>().Single().Operation;
        _ = owner.Step(new ReadDone(asked, new(ReadOutcome.Found, New)), default);
        _ = owner.Step(new SessionUp(Session), default);
        _ = owner.Step(new LogChanged(true, false, default, true, true, false), default);
        ulong push = owner.Step(new ViewArrived(Session, passive), default)
            .OfType<Push>().Single().Operation;
        _ = owner.Step(new LogDone(push, true), default);
        Swap swap = owner.Step(new LogChanged(true, false, default, true, true, false), default)
            .OfType<Swap>().Single();

        IReadOnlyList<GroupEffect> effects = owner.Step(
            new SwapDone(swap.Operation, new(SwapResult.Won, swap.Next)), default);

        Assert.Contains(effects, static effect => effect is ClearForgot);
        Assert.DoesNotContain(effects, static effect => effect is StepDown or Freeze);
        Assert.True(owner.Serves);
    }

    /// <summary>
    /// Found by spec/ownership.pml: a giveback, whose old owner dies, boots and takes over.
    /// </summary>
    [Fact]
    public void S2_a_push_that_ends_after_ownership_has_moved_on_does_not_lead_to_service()
    {
        GroupCore core = PassiveNode();
        RegisterEntry mine = InSync with { Term = new Term(3), Owner = 2 };
        GroupView passive = new(
            Register, mine, LogRole.Passive, SwapIntent.None, default, false, 0, 0, "");
        ulong asked = Asked(core, TimeSpan.FromSeconds(1));
        ulong fence = core.Step(new ReadDone(asked, new(ReadOutcome.Found, mine)), At(1))
            .OfType<Fence>().Single().Operation;
        _ = core.Step(new LogDone(fence, true), At(1));
        _ = core.Step(new LogChanged(true, false, default, false, false, false), At(1));
        ulong push = core.Step(new ViewArrived(Session, passive), At(1))
            .OfType<Push>().Single().Operation;

        RegisterEntry taken = mine with
        {
            Term = new Term(4),
            Owner = 1,
            Sync = SyncState.Stale,
            StaleNode = 2,
        };
        asked = Asked(core, TimeSpan.FromSeconds(5));
        IReadOnlyList<GroupEffect> effects = core.Step(
            new ReadDone(asked, new(ReadOutcome.Found, taken)), At(5));

        Assert.Contains(effects, static effect => effect is StepDown);
        Assert.DoesNotContain(
            core.Step(new LogDone(push, true), At(5)),
            static effect => effect is ServeWithPartner);
        Assert.Equal(LogRole.Passive, core.Role);
    }

    /// <summary>
    /// A force that found no witness must not strike later, when the partner has come back, copies,
    /// and is lost for a moment: the copy is half made, and what may be lost was judged before.
    /// </summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(60, false)]
    public void S12_a_force_holds_for_the_partner_that_was_gone_and_not_for_long(
        int seconds, bool session)
    {
        GroupCore core = ForcedInVain();

        if (session)
        {
            SessionId next = Session with { LowAttempt = 2 };
            _ = core.Step(new SessionUp(next), At(seconds));
            _ = core.Step(new SessionLost(next, SessionEndReason.BeatStill), At(seconds));
        }

        ulong asked = Asked(core, TimeSpan.FromSeconds(seconds + 5));
        IReadOnlyList<GroupEffect> effects = core.Step(
            new ReadDone(asked, new(ReadOutcome.Found, Stale)), At(seconds + 5));

        Assert.DoesNotContain(effects, static effect => effect is Fence or Swap);
    }

    [Fact]
    public void S12_a_force_that_waits_for_the_witness_strikes_when_it_answers()
    {
        GroupCore core = ForcedInVain();
        ulong asked = Asked(core, TimeSpan.FromSeconds(6));
        Assert.Contains(
            core.Step(new ReadDone(asked, new(ReadOutcome.Found, Stale)), At(6)),
            static effect => effect is Fence);
    }

    /// <summary>Stale and alone, forced, and the witness does not answer.</summary>
    private static GroupCore ForcedInVain()
    {
        GroupCore core = PassiveNode();
        ulong asked = Asked(core, TimeSpan.FromSeconds(1));
        _ = core.Step(new ReadDone(asked, new(ReadOutcome.Found, Stale)), At(1));
        _ = core.Step(new SessionLost(Session, SessionEndReason.BeatStill), At(1));
        asked = core.Step(new ForceAsked(Stale.Term), At(1)).OfType<ReadRegister>().Single()
            .Operation;
        _ = core.Step(new ReadDone(asked, new(ReadOutcome.Unavailable, null)), At(1));
        return core;
    }

    private static GroupCore PassiveNode()
    {
        DurableMemory memory = DurableMemory.Empty with
        {
            RegisterId = Register,
            HighestTerm = new Term(1),
        };
        GroupCore core = new(
            new GroupCoreOptions(Group, 2, 1, "a", 1, Guid.NewGuid), memory, false, true, default);
        ulong asked = core.Step(new Tick(), default).OfType<ReadRegister>().Single().Operation;
        _ = core.Step(new ReadDone(asked, new(ReadOutcome.Found, New)), default);
        _ = core.Step(new SessionUp(Session), default);
        return core;
    }

    private static ulong Asked(GroupCore core, TimeSpan later) =>
        core.Step(new Tick(), default(Instant) + later)
            .OfType<ReadRegister>().Single().Operation;

    private static Instant At(int seconds) => default(Instant) + TimeSpan.FromSeconds(seconds);

    private static ViewArrived View(RegisterEntry known) => new(Session, new GroupView(
        Register, known, LogRole.Idle, SwapIntent.None, default, Forgot: true, 0, 0, ""));
}
