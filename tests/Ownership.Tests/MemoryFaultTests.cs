using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Core;
using CoreRecord = StorageOs.FailoverMonitor.Core.Record;

namespace StorageOs.Ownership.Tests;

/// <summary>A disk that takes nothing for a while.</summary>
public sealed class MemoryFaultTests
{
    private static readonly GroupId Group = new(0);

    [Fact]
    public void S7_A_memory_that_could_not_be_written_is_written_again_with_a_witness_too()
    {
        GroupCore core = new(
            new(Group, 1, 2, "b", 1, Guid.NewGuid), DurableMemory.Empty, false, false, At(0));
        RegisterEntry entry = new(
            Guid.NewGuid(), Group, new Term(3), 2, SyncState.InSync, 0, default, Guid.NewGuid());
        ReadRegister read = core.Step(new Tick(), At(0)).OfType<ReadRegister>().Single();
        Assert.Single(Answer(core, read, entry, At(1)).OfType<CoreRecord>());
        core.Step(new RecordFailed("full"), At(2));
        Assert.Equal(Guid.Empty, core.View.RecordedRegister); // The partner waits.

        read = core.Step(new Tick(), At(1000)).OfType<ReadRegister>().Single();
        CoreRecord again = Assert.Single(
            Answer(core, read, entry, At(1001)).OfType<CoreRecord>());
        Assert.Null(again.Adopted); // There is no record of one's own beside a witness.
        Assert.Equal(entry.RegisterId, again.Memory.RegisterId);
        Assert.Equal(entry.RegisterId, core.View.RecordedRegister);
    }

    private static GroupEffect[] Answer(
        GroupCore core, ReadRegister read, RegisterEntry entry, Instant now) =>
        [.. core.Step(
            new ReadDone(read.Operation, new WitnessReading(ReadOutcome.Found, entry)), now)];

    private static Instant At(int milliseconds) => new(milliseconds * 1_000_000L);
}
