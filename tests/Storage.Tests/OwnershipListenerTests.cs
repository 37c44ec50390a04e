using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Services;
using StorageOs.FailoverMonitor.Edge;
using StorageOs.Storage.Tests.Harness;

namespace StorageOs.Storage.Tests;

/// <summary>Plugins that listen to who owns a group, beside the real log and volumes.</summary>
public sealed class OwnershipListenerTests
{
    private static readonly GroupId Group = new(0);

    /// <summary>S2: the loser stops first, whatever those throw whom it tells before.</summary>
    [Fact]
    public void S2_ANodeThatLostItsGroupStopsAlsoWhenSomebodyWhoIsToldOfItThrows()
    {
        using TestPair pair = TestPair.InSync();
        pair.Reactor.Run(100);
        pair.A.Crash();
        pair.B.Crash();
        pair.A.Boot();
        using TestWitness witness = new();
        MonitorSeams seams = new(
            _ => new TestFile(), Guid.NewGuid, _ => new TestFile(),
            (_, _) => throw new NotSupportedException());
        MonitorClient monitor = new(
            pair.A.Info, new MonitorSettings(TimeSpan.Zero), pair.Reactor, pair.A.Mirror,
            pair.A.Store, NullLogger<MonitorClient>.Instance,
            new MovableWitness(witness, null, Guid.NewGuid), seams);
        Assert.True(pair.Reactor.Await(async () =>
        {
            await monitor.StartAsync(pair.A, default);
            return true;
        }));
        pair.Reactor.Run(1000);
        Assert.True(pair.A.Log.Role == LogRole.Alone, monitor.Of(Group).ToString());
        TestModule module = new(pair.Reactor);
        int told = 0;
        module.Call(() => monitor.Changed += () => throw new TimeZoneNotFoundException());
        monitor.Changed += () => told++;
        witness.Set(witness.Of(Group) with { Term = new(9), Owner = 2, StaleNode = 1 });
        pair.Reactor.Run(3000);
        Assert.Equal(LogRole.Idle, pair.A.Log.Role);
        Assert.False(monitor.Of(Group).Serves);
        Assert.NotEqual(0, told);
        Assert.IsType<TimeZoneNotFoundException>(Assert.Single(module.Faults));
        Assert.True(monitor.StopAsync(default).AsTask().IsCompletedSuccessfully);
    }

    /// <summary>A register that answers at once.</summary>
    private sealed class TestWitness : IWitness
    {
        private readonly RegisterEntry[] entries =
        [
            .. GroupId.All.Select(group => new RegisterEntry(
                new Guid(1, 0, 0, new byte[8]), group, new Term(5), 1, SyncState.Stale, 2, default,
                Guid.NewGuid())),
        ];

        public string Description => "test";

        public RegisterEntry Of(GroupId group) => entries[group.Value];

        public void Set(RegisterEntry entry) => entries[entry.Group.Value] = entry;

        public ValueTask<WitnessReading> ReadAsync(
            GroupId group, CancellationToken cancellation) =>
            new(new WitnessReading(ReadOutcome.Found, Of(group)));

        public ValueTask<SwapOutcome> TrySwapAsync(
            GroupId group, RegisterEntry next, CancellationToken cancellation)
        {
            bool won = next.Term == Of(group).Term.Next;
            if (won)
            {
                Set(next);
            }

            return new(new SwapOutcome(won ? SwapResult.Won : SwapResult.Lost, Of(group)));
        }

        public void Dispose()
        {
        }
    }
}
