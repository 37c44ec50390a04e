using StorageOs.FailoverMonitor.Core;
using StorageOs.Simulator.Whole;

namespace StorageOs.Simulation.Tests;

/// <summary>What a whole pair tells its operator while faults befall it.</summary>
public sealed class EventTests
{
    [Fact]
    [Raises(
        "session-ready", "session-ended", "partner-condition", "register-seen", "register-swapped",
        "swap-failed", "takeover-step", "takeover-done", "takeover-false", "group-state",
        "group-mirrored", "group-alone", "group-frozen", "group-moved", "ownership-lost",
        "giveback-waits", "giveback-offered", "giveback-asked", "giveback-deferred",
        "witness-lost", "witness-back", "memory-unwritten", "disk-failed", "disk-good",
        "mirror-lost", "resync-started", "resync-done", "resync-failed")]
    public void A_pair_under_all_faults_tells_of_each_of_them()
    {
        for (ulong seed = 30_001; seed <= 30_060; seed++)
        {
            Assert.Null(new WholePair(seed, FaultKinds.All).Run().Violation);
        }
    }

    [Fact]
    [Raises("giveback-latched")]
    public void A_home_that_is_lost_after_each_giveback_gets_no_more()
    {
        PairShape shape = PairShape.Powered with
        {
            Giveback = new GivebackSettings(
                TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5), 1,
                TimeSpan.FromMinutes(1)),
        };
        int before = RaisesAttribute.CountOf("giveback-latched");
        for (ulong seed = 1; RaisesAttribute.CountOf("giveback-latched") == before; seed++)
        {
            Assert.True(seed <= 60, "never latched");
            _ = new WholePair(seed, FaultKinds.Power | FaultKinds.Kill, shape: shape).Run();
        }
    }
}
