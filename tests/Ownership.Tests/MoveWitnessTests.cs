using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.FailoverMonitor.Edge;
using StorageOs.Ownership.Tests.Model;

namespace StorageOs.Ownership.Tests;

/// <summary>
/// A register that moves to another witness under everything else that can happen to a pair.
/// </summary>
public sealed class MoveWitnessTests
{
    private const int Seeds = 3_000;
    private const int Steps = 1_000;

    [Fact]
    public void S1_to_S14_hold_while_the_register_moves_and_a_pair_converges_and_moves_in_the_end()
    {
        int early = 0;
        for (int seed = 0; seed < Seeds; seed++)
        {
            string? broken = Explore(seed, static _ => { }, ref early);
            Assert.True(broken is null, $"seed {seed}: {broken}\n{Tell(seed)}");
        }

        // Else all that was seen is pairs that moved in peace.
        Assert.True(early > Seeds / 8, $"moved under way in {early} of {Seeds} seeds only");
    }

    public static TheoryData<string> Bugs => new(Mutants.Keys);

    [Theory]
    [MemberData(nameof(Bugs))]
    public void A_planted_bug_is_caught(string bug)
    {
        int early = 0;
        bool caught = Enumerable.Range(0, Seeds)
            .Any(seed => Explore(seed, Mutants[bug], ref early, converge: false) is not null);
        Assert.True(caught, $"no seed shows {bug}");
    }

    private static Dictionary<string, Action<ModelNode>> Mutants { get; } = new()
    {
        ["a seal is taken for a register"] = static node =>
            node.WitnessMutation = (witness, isNext) =>
                isNext || node.Id == 1 ? witness : new MistakenWitness(witness, Alive),
        ["what is prepared is taken for a register"] = static node =>
            node.WitnessMutation = static (witness, isNext) =>
                isNext ? new MistakenWitness(witness, Alive) : witness,
        ["the new register is opened without a seal"] = static node =>
            node.WitnessMutation = static (witness, isNext) => isNext ? witness
                : new MistakenWitness(
                    witness, static reading => reading,
                    pretends: static entry => entry.Sync == SyncState.Moved),
    };

    [Fact]
    public void Nothing_moves_but_what_is_InSync()
    {
        ModelPair pair = InSync();
        ModelPair.Kill(pair.Nodes[1]);
        pair.Pass(20);
        Assert.Equal(SyncState.Stale, pair.Entry!.Sync);
        pair.Nodes[0].Move();
        pair.Pass(20);
        Assert.False(pair.Moved);
        Assert.Null(pair.Next!.Entry);
    }

    [Fact]
    public void A_move_keeps_the_registers_id_and_owner_and_a_killed_owner_is_taken_over_after_it()
    {
        ModelPair pair = InSync();
        RegisterEntry before = pair.Entry!;
        pair.Nodes[1].Move();
        pair.Pass(20);
        Assert.True(pair.Moved);
        RegisterEntry after = pair.Entry!;
        Assert.Equal(
            (before.RegisterId, before.Owner, SyncState.InSync, before.Term.Value + 2),
            (after.RegisterId, after.Owner, after.Sync, after.Term.Value));
        pair.Register.Answers = false; // The old place may be gone by now.
        ModelNode owner = pair.Nodes[after.Owner == 1 ? 0 : 1];
        ModelPair.Kill(owner);
        pair.Pass(60);
        Assert.Equal(owner.Other.Id, pair.Entry!.Owner);
        owner.Start();
        pair.Pass(60);
        Assert.True(owner.Other.Core!.Serves);
        Assert.Equal(ReadOutcome.Found, owner.Core!.Witness);
    }

    [Fact]
    public async Task A_witness_that_was_moved_from_is_unavailable_to_who_knows_no_other()
    {
        ModelPair pair = InSync();
        pair.Nodes[0].Move();
        pair.Pass(20);
        Assert.True(pair.Moved);
        using MovableWitness alone = new(new Still(pair.Register), null, pair.NewId);
        WitnessReading reading = await alone.ReadAsync(new GroupId(0), default);
        Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
        Assert.Contains("moved away from still", reading.Detail);
    }

    [Fact]
    public async Task A_next_place_that_holds_another_register_is_refused()
    {
        ModelPair pair = InSync();
        ModelRegister other = new(new Random(1)) { Faulty = false };
        other.Replace(pair.Entry! with { RegisterId = Guid.NewGuid() });
        using MovableWitness witness = new(
            new Still(pair.Register), new Still(other), pair.NewId);
        string why = await witness.MoveAsync(new GroupId(0), default);
        Assert.Contains("expected nothing there or a move that was begun", why);
        Assert.Equal(SyncState.InSync, pair.Entry!.Sync);
    }

    [Fact]
    public async Task A_seal_that_was_won_is_not_read_again()
    {
        RegisterEntry entry = InSync().Entry!;
        Plain old = new(entry);
        Plain next = new(null);
        using MovableWitness witness = new(old, next, Guid.NewGuid);
        Assert.Equal("", await witness.MoveAsync(entry.Group, default));
        Assert.Equal(1, old.Reads);
        Assert.Equal(SyncState.Moved, old.Entry!.Sync);
        Assert.Equal(
            (entry.RegisterId, entry.Owner, SyncState.InSync, entry.Term.Next.Next),
            (next.Entry!.RegisterId, next.Entry.Owner, next.Entry.Sync, next.Entry.Term));
    }

    [Fact]
    public async Task An_old_place_that_answers_nothing_hides_no_register_that_has_moved()
    {
        ModelPair pair = InSync();
        pair.Nodes[0].Move();
        pair.Pass(20);
        Assert.True(pair.Moved);
        using MovableWitness witness = new(
            new Silent(), new Still(pair.Next!), pair.NewId, TimeSpan.FromMilliseconds(50));
        WitnessReading reading = await witness.ReadAsync(new GroupId(0), default)
            .AsTask().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(pair.Entry, reading.Entry);
    }

    [Fact]
    public async Task An_old_place_that_is_slow_is_asked_once_and_its_answer_counts()
    {
        Silent old = new();
        using MovableWitness witness = new(
            old, new Still(new ModelRegister(new Random(1))), Guid.NewGuid,
            TimeSpan.FromMilliseconds(20));
        Task<WitnessReading> reading = witness.ReadAsync(new GroupId(0), default).AsTask();
        await Task.Delay(200);
        Assert.False(reading.IsCompleted);
        WitnessReading said = new(ReadOutcome.Found, InSync().Entry);
        old.Answer.SetResult(said);
        Assert.Equal(said, await reading.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(1, old.Asked);
    }

    [Fact]
    public async Task While_an_old_place_answers_nothing_the_next_one_is_looked_at_again()
    {
        ModelPair pair = InSync();
        using MovableWitness witness = new(
            new Silent(), new Still(pair.Next!), pair.NewId, TimeSpan.FromMilliseconds(20));
        Task<WitnessReading> reading = witness.ReadAsync(new GroupId(0), default).AsTask();
        await Task.Delay(200);
        Assert.False(reading.IsCompleted);
        pair.Nodes[0].Move();
        pair.Pass(20);
        Assert.True(pair.Moved);
        Assert.Equal(
            pair.Entry, (await reading.WaitAsync(TimeSpan.FromSeconds(30))).Entry);
    }

    private static ModelPair InSync()
    {
        ModelPair pair = new(1, moves: true);
        Array.ForEach(pair.Nodes, static node => node.Start());
        pair.Settle(40);
        Assert.Equal(SyncState.InSync, pair.Entry!.Sync);
        return pair;
    }

    private static WitnessReading Alive(WitnessReading reading) =>
        reading.Entry is { Sync: SyncState.Moved } entry
            ? reading with { Entry = entry with { Sync = SyncState.InSync } }
            : reading;

    private static string Tell(int seed)
    {
        ModelPair pair = new(seed, tell: true, moves: true);
        int early = 0;
        _ = Explore(pair, static _ => { }, ref early, converge: true);
        return string.Join('\n', pair.Story.Split('\n').TakeLast(80));
    }

    private static string? Explore(
        int seed, Action<ModelNode> plant, ref int early, bool converge = true) =>
        Explore(new ModelPair(seed, moves: true), plant, ref early, converge);

    private static string? Explore(
        ModelPair pair, Action<ModelNode> plant, ref int early, bool converge)
    {
        string? broken = ExplorationTests.Explore(pair, plant, converge, Steps);
        early += pair.Moved ? 1 : 0;
        if (broken is not null || !converge || pair.Entry is not { Sync: SyncState.InSync })
        {
            return broken;
        }

        try
        {
            pair.Nodes[0].Move();
            pair.Pass(40);
            return pair.Moved ? ExplorationTests.Converged(pair) : "does not move in peace";
        }
        catch (BrokenRuleException rule)
        {
            return rule.Message;
        }
    }

    /// <summary>A witness that answers when it is told to, or never.</summary>
    private sealed class Silent : IWitness
    {
        public string Description => "silent";

        public TaskCompletionSource<WitnessReading> Answer { get; } = new();

        public int Asked { get; private set; }

        public ValueTask<WitnessReading> ReadAsync(
            GroupId group, CancellationToken cancellation)
        {
            Asked++;
            return new(Answer.Task);
        }

        public ValueTask<SwapOutcome> TrySwapAsync(
            GroupId group, RegisterEntry next, CancellationToken cancellation) =>
            ValueTask.FromResult(new SwapOutcome(SwapResult.Undecided, null));

        public void Dispose()
        {
        }
    }

    /// <summary>A register that swaps and answers at once.</summary>
    private sealed class Plain(RegisterEntry? entry) : IWitness
    {
        public string Description => "plain";

        public RegisterEntry? Entry { get; private set; } = entry;

        public int Reads { get; private set; }

        public ValueTask<WitnessReading> ReadAsync(
            GroupId group, CancellationToken cancellation)
        {
            Reads++;
            return ValueTask.FromResult(new WitnessReading(
                Entry is null ? ReadOutcome.Missing : ReadOutcome.Found, Entry));
        }

        public ValueTask<SwapOutcome> TrySwapAsync(
            GroupId group, RegisterEntry next, CancellationToken cancellation)
        {
            bool won = (Entry?.Term.Value ?? 0) + 1 == next.Term.Value;
            Entry = won ? next : Entry;
            return ValueTask.FromResult(
                new SwapOutcome(won ? SwapResult.Won : SwapResult.Lost, Entry));
        }

        public void Dispose()
        {
        }
    }

    /// <summary>A register that answers at once.</summary>
    private sealed class Still(ModelRegister register) : IWitness
    {
        public string Description => "still";

        public ValueTask<WitnessReading> ReadAsync(
            GroupId group, CancellationToken cancellation) => ValueTask.FromResult(
            new WitnessReading(
                register.Entry is null ? ReadOutcome.Missing : ReadOutcome.Found,
                register.Entry));

        public ValueTask<SwapOutcome> TrySwapAsync(
            GroupId group, RegisterEntry next, CancellationToken cancellation) =>
            ValueTask.FromResult(new SwapOutcome(SwapResult.Undecided, null));

        public void Dispose()
        {
        }
    }
}
