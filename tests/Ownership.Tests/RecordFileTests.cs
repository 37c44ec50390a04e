using System.Diagnostics;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using StorageOs.FailoverMonitor.Edge;

namespace StorageOs.Ownership.Tests;

/// <summary>S13: a node's own record, and what its partner may read of it and when.</summary>
public sealed class RecordFileTests : IDisposable
{
    private static readonly GroupId Group = new(1);

    private static readonly RegisterEntry First = new(
        Guid.NewGuid(), Group, new Term(1), 1, SyncState.New, 0, default, Guid.NewGuid());

    private static readonly RegisterEntry Alone = First with
    {
        Term = new Term(2),
        Sync = SyncState.Stale,
        StaleNode = 2,
        StaleSince = new Lsn(4711),
        SwapId = Guid.NewGuid(),
    };

    private readonly string folder = Directory.CreateTempSubdirectory("record-").FullName;

    private string FilePath => Path.Combine(folder, RecordFile.Name(Group));

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void S13_an_entry_is_read_back_and_a_torn_slot_leaves_the_one_before()
    {
        using (RecordFile file = Open())
        {
            Assert.Null(file.Entry);
            file.Adopt(First);
            Assert.Equal(SwapResult.Won, file.Swap(Alone).Result);
        }

        using (RecordFile file = Open())
        {
            Assert.Equal(Alone, file.Entry);
        }

        byte[] bytes = File.ReadAllBytes(FilePath);
        bytes[512 + 48] ^= 1; // The second write went to the second slot.
        File.WriteAllBytes(FilePath, bytes);
        Assert.Equal(First, RecordFile.ReadDead(FilePath, Group).Reading.Entry);
        bytes.AsSpan().Fill(7);
        File.WriteAllBytes(FilePath, bytes);
        Assert.Equal(
            ReadOutcome.Unavailable, RecordFile.ReadDead(FilePath, Group).Reading.Outcome);
        Assert.Throws<RefusedException>(() => Open());
    }

    [Fact]
    public void S3_terms_only_grow_and_a_lost_swap_says_what_stands()
    {
        using RecordFile file = Open();
        file.Adopt(Alone);
        file.Adopt(First);
        Assert.Equal(Alone, file.Entry);
        SwapOutcome lost = file.Swap(Alone with { SwapId = Guid.NewGuid() });
        Assert.Equal((SwapResult.Lost, Alone), (lost.Result, lost.Current));
        RegisterEntry forced = Alone with { Term = new Term(1UL << 33), Owner = 2 };
        Assert.Equal(SwapResult.Won, file.Swap(forced).Result);
    }

    [Fact]
    public void S13_a_record_cannot_be_read_while_a_process_may_write_it()
    {
        using (RecordFile file = Open())
        {
            file.Adopt(First);
            (WitnessReading reading, bool runs) = RecordFile.ReadDead(FilePath, Group);
            Assert.Equal(ReadOutcome.Unavailable, reading.Outcome);
            Assert.True(runs);
        }

        Assert.Equal(First, RecordFile.ReadDead(FilePath, Group).Reading.Entry);
        Assert.False(RecordFile.ReadDead(FilePath, Group).Runs);
    }

    [Fact]
    public void S13_a_stopped_process_keeps_its_record_and_a_killed_one_lets_go_of_it()
    {
        using (RecordFile file = Open())
        {
            file.Adopt(First);
        }

        using Process holder = Process.Start("flock", ["--no-fork", "-x", FilePath, "sleep", "60"]);
        WaitFor(() => RecordFile.ReadDead(FilePath, Group).Runs);
        Signal(holder, "STOP");
        Assert.True(RecordFile.ReadDead(FilePath, Group).Runs);
        Signal(holder, "KILL");
        WaitFor(() => RecordFile.ReadDead(FilePath, Group).Reading.Entry == First);
    }

    [Fact]
    public void S13_a_record_that_is_missing_empty_or_of_the_other_group_is_no_record()
    {
        (WitnessReading none, bool runs) = RecordFile.ReadDead(FilePath, Group);
        Assert.Equal((ReadOutcome.Unavailable, false), (none.Outcome, runs));
        using (RecordFile empty = Open())
        {
            Assert.Null(empty.Entry);
        }

        Assert.Equal(ReadOutcome.Missing, RecordFile.ReadDead(FilePath, Group).Reading.Outcome);
        using (RecordFile file = Open())
        {
            file.Adopt(First);
        }

        Assert.Null(RecordFile.ReadDead(FilePath, new GroupId(0)).Reading.Entry);
    }

    [Fact]
    public void S13_two_forced_entries_of_one_term_stop_both_nodes()
    {
        GroupCore core = new(
            new GroupCoreOptions(Group, 1, 2, "b", 1, Guid.NewGuid) { NoWitness = true },
            DurableMemory.Empty with { RegisterId = First.RegisterId }, false, true, default);
        ulong asked = core.Step(new Tick(), default).OfType<ReadRegister>().Single().Operation;
        _ = core.Step(new ReadDone(asked, new(ReadOutcome.Found, Alone)), default);
        SessionId session = new(1, 2, 1, 1);
        _ = core.Step(new SessionUp(session), default);
        RegisterEntry theirs = Alone with { Owner = 2, StaleNode = 1, SwapId = Guid.NewGuid() };
        _ = core.Step(
            new ViewArrived(session, new GroupView(
                First.RegisterId, theirs, LogRole.Alone, SwapIntent.None, default, false,
                0, 0, "", NoWitness: true)), default);
        Assert.Equal(LogRole.Idle, core.Role);
        Assert.Contains("(S12)", core.Why, StringComparison.Ordinal);
    }

    /// <summary>
    /// Its partner has read the record meanwhile and goes on alone under the same term: a swap of
    /// before settled now would be another entry of that term, and both nodes would stop.
    /// </summary>
    [Fact]
    public void S13_a_swap_of_an_earlier_boot_that_is_not_in_the_record_never_was()
    {
        GroupCore core = new(
            new GroupCoreOptions(Group, 1, 2, "b", 1, Guid.NewGuid) { NoWitness = true },
            DurableMemory.Empty with
            {
                RegisterId = First.RegisterId,
                HighestTerm = First.Term,
                IntentTerm = First.Term.Next,
                Intent = SwapIntent.Handover,
            },
            false, true, default);
        ulong asked = core.Step(new Tick(), default).OfType<ReadRegister>().Single().Operation;
        List<GroupEffect> effects =
            [.. core.Step(new ReadDone(asked, new(ReadOutcome.Found, First)), default)];
        for (int i = 1; i < 100; i++)
        {
            effects.AddRange(core.Step(new Tick(), new Instant(i * 100_000_000L)));
        }

        Assert.Empty(effects.OfType<Swap>());
        Assert.Equal(SwapIntent.None, core.View.Undecided);
    }

    /// <summary>Its own record is read at once: a node must not do so without a pause.</summary>
    [Fact]
    public void S13_a_record_that_cannot_be_written_is_not_tried_again_without_a_pause()
    {
        GroupCore core = new(
            new GroupCoreOptions(Group, 1, 2, "b", 1, Guid.NewGuid) { NoWitness = true },
            DurableMemory.Empty with { RegisterId = First.RegisterId }, false, true, default);
        SessionId session = new(1, 2, 1, 1);
        RegisterEntry good = First with { Sync = SyncState.InSync };
        RegisterEntry later = good with { Term = good.Term.Next, SwapId = Guid.NewGuid() };
        GroupView partner = new(
            First.RegisterId, good, LogRole.Passive, SwapIntent.None, default, false, 0, 0, "",
            NoWitness: true);
        int reads = 0;
        Feed(new Tick());
        Feed(new SessionUp(session));
        Feed(new LogChanged(true, false, default, true, false, false));
        Feed(new ViewArrived(session, partner));
        Assert.Equal(LogRole.Mirrored, core.Role);
        Feed(new ViewArrived(session, partner with { Entry = later })); // Recorded in vain.
        Feed(new SessionLost(session, SessionEndReason.PartnerExited)); // To be marked.
        Assert.True(reads < 10, $"{reads} reads of the record in one moment");

        void Feed(GroupEvent input)
        {
            GroupEffect[] effects = [.. core.Step(input, default)];
            foreach (GroupEffect effect in reads < 100 ? effects : [])
            {
                if (effect is ReadRegister read)
                {
                    reads++;
                    Feed(new ReadDone(read.Operation, new(ReadOutcome.Found, good)));
                }
                else if (effect is FailoverMonitor.Core.Record { Adopted.Term.Value: > 1 })
                {
                    Feed(new RecordFailed("the disk is full"));
                }
                else if (effect is Push push)
                {
                    Feed(new LogDone(push.Operation, true));
                }
            }
        }
    }

    [Fact]
    public void S13_a_partner_with_other_rules_is_not_believed()
    {
        GroupCore core = new(
            new GroupCoreOptions(Group, 1, 2, "b", 1, Guid.NewGuid) { NoWitness = true },
            DurableMemory.Empty, false, false, default);
        SessionId session = new(1, 2, 1, 1);
        _ = core.Step(new SessionUp(session), default);
        IReadOnlyList<GroupEffect> effects = core.Step(
            new ViewArrived(session, new GroupView(
                First.RegisterId, First, LogRole.Passive, SwapIntent.None, default, false,
                0, 0, "")), default);
        Assert.DoesNotContain(
            effects, static effect => effect is FailoverMonitor.Core.Record or Swap);
        Assert.Contains("configured with a witness", core.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(SyncState.New, 0, true)]
    [InlineData(SyncState.Stale, 1, true)]
    [InlineData(SyncState.Stale, 2, false)]
    [InlineData(SyncState.InSync, 0, false)]
    public void S13_a_node_without_a_record_adopts_only_what_it_cannot_contradict(
        SyncState sync, ulong stale, bool adopts)
    {
        GroupCore core = new(
            new GroupCoreOptions(Group, 1, 2, "b", 2, Guid.NewGuid) { NoWitness = true },
            DurableMemory.Empty, true, false, default);
        SessionId session = new(1, 2, 1, 1);
        RegisterEntry entry = Alone with { Owner = 2, Sync = sync, StaleNode = stale };
        _ = core.Step(new SessionUp(session), default);
        IReadOnlyList<GroupEffect> effects = core.Step(
            new ViewArrived(session, new GroupView(
                entry.RegisterId, entry, LogRole.Frozen, SwapIntent.None, default, false,
                0, 0, "", NoWitness: true)), default);
        Assert.Equal(
            adopts, effects.OfType<FailoverMonitor.Core.Record>().Any(r => r.Adopted == entry));
        Assert.True(adopts || core.Why.Contains("no record", StringComparison.Ordinal), core.Why);
    }

    private RecordFile Open() =>
        new(LockedFile.Open(FilePath), FilePath, Group);

    private static void Signal(Process process, string signal)
    {
        using Process kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    private static void WaitFor(Func<bool> holds) =>
        Assert.True(SpinWait.SpinUntil(holds, TimeSpan.FromSeconds(10)));
}
