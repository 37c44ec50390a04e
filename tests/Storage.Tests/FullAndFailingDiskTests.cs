using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NvramMirror;
using StorageOs.Storage.Tests.Harness;
using StorageOs.Volumes;

namespace StorageOs.Storage.Tests;

/// <summary>L4 and L6: a log that fills, disks that are full, slow or must be flushed.</summary>
public sealed class FullAndFailingDiskTests
{
    private const ulong Capacity = 1024;

    [Fact]
    [Raises("log-stalled", "log-flows")]
    public void L4_AFullLogPushesBackAndDropsNothing()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Disk.Writes = DiskResult.NoSpace;
        List<TestRequest> writes = Fill(pair, 30);
        pair.Reactor.Run(60_000);
        Assert.Contains(writes, write => write.Status is null);
        Assert.All(writes, write => Assert.NotEqual(VolumeStatus.IoError, write.Status ?? 0));
        Assert.Contains("no space", StatusOf(pair.A), StringComparison.Ordinal);
        Assert.Equal(LogRole.Mirrored, pair.A.Log.Role); // Its own disk is what fills the log.
        TestRequest read = TestRequest.Read(pair.A.Volume, 0, 4096);
        pair.Reactor.Run(1);
        Assert.Equal(VolumeStatus.Ok, read.Status);

        pair.A.Disk.Writes = DiskResult.Ok;
        pair.Reactor.Run(5000);
        Assert.All(writes, write => Assert.Equal(VolumeStatus.Ok, write.Status));
        Assert.DoesNotContain("no space", StatusOf(pair.A), StringComparison.Ordinal);
        Assert.Equal(30, pair.A.Disk.Bytes[0]);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S14_ADrainDoesNotWaitForRoomInALogThatAFailedDiskKeepsFull()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Disk.Writes = DiskResult.Failed;
        List<TestRequest> writes = Fill(pair, 30);
        pair.Reactor.Run(1000);
        Assert.Null(writes[^1].Status);
        Assert.NotNull(pair.A.Store.DiskFault(pair.A.Log.Group));
        Assert.True(pair.Reactor.Await(async () =>
        {
            await pair.A.Store.DrainAsync(pair.A.Log.Group, default);
            return true;
        }));
        Assert.Null(writes[^1].Status); // Held, to be asked again of whoever owns then.
        pair.A.Log.StepDown();
        Assert.Equal(VolumeStatus.NotOwner, writes[^1].Status);
    }

    [Fact]
    public void L4_ACrashWhileTheDiskIsFullLosesNothingAcknowledged()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Disk.Writes = pair.B.Disk.Writes = DiskResult.NoSpace;
        List<TestRequest> writes = Fill(pair, 30);
        pair.Reactor.Run(3000);
        int acknowledged = writes.Count(write => write.Status == VolumeStatus.Ok);
        Assert.InRange(acknowledged, 1, 29);
        pair.A.Crash();
        pair.Disconnect();
        pair.TakeOver(pair.B);
        pair.B.Disk.Writes = DiskResult.Ok;
        pair.Reactor.Run(3000);
        Assert.InRange(pair.B.Disk.Bytes[0], acknowledged, 30);
    }

    /// <summary>
    /// A device does not say that its volume was larger; what clients were answered for and only
    /// the log holds would be passed over.
    /// </summary>
    [Fact]
    public void L5_AVolumeSmallerThanWhatTheLogHoldsForItIsRefused()
    {
        const long Half = TestNode.VolumeBytes / 2;
        using TestPair pair = TestPair.InSync();
        pair.A.HeldWorkers.Add("group0-flush");
        ulong lsn = pair.A.Log.Summary.Tail.Value;
        TestRequest write = TestRequest.Write(pair.A.Volume, Half, [.. new byte[4095], 7]);
        pair.A.Volume.Commit();
        pair.Reactor.Run(100);
        Assert.Equal(VolumeStatus.Ok, write.Status);
        pair.A.Crash();
        pair.Disconnect();

        pair.A.Settings["volumes:0:sizeBytes"] = $"{Half}";
        Refusal refusal = Assert.Throws<RefusedException>(pair.A.Boot).Refusal;
        Assert.Equal("volume vol0", refusal.Subject);
        Assert.Contains($"LSN {lsn} is of bytes {Half} to {Half + 4096}", refusal.Expected,
            StringComparison.Ordinal);
        Assert.Equal($"{Half} bytes", refusal.Actual);
        Assert.Contains("configure the former size", refusal.Remedy, StringComparison.Ordinal);
        pair.A.Crash();

        pair.A.Settings.Clear();
        pair.A.HeldWorkers.Clear();
        pair.A.Boot();
        pair.TakeOver(pair.A);
        pair.Reactor.Run(1000);
        Assert.Equal(7, pair.A.Disk.Bytes[Half + 4095]);
    }

    [Fact]
    public void L3_AVolumeSmallerThanThePartnersMakesItsNodeStaleAndItSaysWhy()
    {
        const long Half = TestNode.VolumeBytes / 2;
        using TestPair pair = new();
        pair.B.Settings["volumes:0:sizeBytes"] = $"{Half}";
        pair.A.Boot();
        pair.B.Boot();
        pair.Connect();
        pair.Join(pair.A, pair.B, format: true);
        LogRuleTests.Write(pair, 0, 4096, 1);
        pair.Reactor.Run(200);
        Assert.False(pair.B.Log.Summary.Forgot, pair.B.Log.Summary.ForgotWhy);

        LogRuleTests.Write(pair, 4096, 4096, 2);
        LogRuleTests.Write(pair, Half, 4096, 3);
        pair.Reactor.Run(200);
        Assert.True(pair.B.Log.Summary.Forgot);
        Assert.Contains(
            $"found {Half} bytes", pair.B.Log.Summary.ForgotWhy, StringComparison.Ordinal);
        Assert.Equal((1, 2), (pair.B.Disk.Bytes[0], pair.B.Disk.Bytes[4096]));

        // A log that does not count keeps nobody from booting.
        pair.B.Crash();
        pair.Disconnect();
        pair.B.Boot();
        Assert.True(pair.B.Log.Summary.Forgot);
    }

    [Fact]
    public void L4_AFullLogOutlivesAnyNumberOfSessionsAndBoots()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Disk.Writes = pair.B.Disk.Writes = DiskResult.NoSpace;
        List<TestRequest> writes = [];
        for (int i = 0; i < 2500; i++)
        {
            writes.Add(LogRuleTests.Write(pair, 0, 512, (byte)(i / 10)));
        }

        int acknowledged = writes.Count(write => write.Status == VolumeStatus.Ok) / 10;
        for (int i = 0; i < 150; i++)
        {
            pair.Disconnect();
            Assert.Equal(LogRole.Frozen, pair.A.Log.Role);
            if (i % 3 == 0)
            {
                pair.A.Crash();
                pair.A.Boot();
                pair.A.Log.Freeze();
            }

            pair.B.Log.StepDown();
            pair.Connect();
            pair.Join(pair.A, pair.B, format: false);
        }

        pair.Disconnect();
        pair.GoAlone(pair.A);
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Run(1);
        Assert.IsType<RefusedException>(Record.Exception(
            () => pair.Reactor.Await(() => pair.A.Log.PushAsync(new Term(2), format: true))));
        pair.A.Disk.Writes = DiskResult.Ok;
        pair.Reactor.Run(3000);
        Assert.InRange(pair.A.Disk.Bytes[0], acknowledged - 1, 249);
        Assert.True(pair.Reactor.Await(() => pair.A.Log.PushAsync(new Term(2), format: true)));
    }

    [Fact]
    public void L4_APartnerWhoseDiskStandsStillIsGivenUpAndTriedAgainLater()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.Disk.Writes = DiskResult.NoSpace;
        List<TestRequest> writes = Fill(pair, 30);
        pair.Reactor.Run(9_000);
        Assert.Equal(LogRole.Mirrored, pair.A.Log.Role);
        Assert.Null(writes[^1].Status);
        pair.Reactor.Run(2_000);
        Assert.Equal(LogRole.Frozen, pair.A.Log.Role); // S1: until the register says so.
        Assert.True(pair.A.Log.PartnerFailed);
        Assert.False(pair.A.Log.PartnerOffered);
        Assert.Null(writes[^1].Status);
        pair.GoAlone(pair.A);
        pair.Reactor.Run(2_000);
        Assert.All(writes, write => Assert.Equal(VolumeStatus.Ok, write.Status));
        Assert.Contains("stood still", pair.A.Inner.Report().ToJsonString(),
            StringComparison.Ordinal);
        Assert.False(pair.A.Log.PartnerOffered);
        pair.Reactor.Run(60_000);
        Assert.True(pair.A.Log.PartnerOffered);
    }

    [Fact]
    public void L4_AStalePartnerWhoseDiskStandsStillIsGivenUpAtOnce()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.Log.StepDown();
        pair.A.Log.Freeze();
        pair.GoAlone(pair.A);
        pair.Disconnect();
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Run(1);
        pair.B.Disk.Writes = DiskResult.NoSpace;
        Assert.True(pair.Reactor.Await(() => pair.A.Log.PushAsync(new Term(2), format: true)));
        pair.A.Log.ServeWithPartner(new Term(2), acknowledgeOnBoth: false);
        List<TestRequest> writes = Fill(pair, 30);
        pair.Reactor.Run(12_000);
        Assert.Equal(LogRole.Alone, pair.A.Log.Role);
        Assert.True(pair.A.Log.PartnerFailed);
        pair.GoAlone(pair.A);
        pair.Reactor.Run(1_000);
        Assert.All(writes, write => Assert.Equal(VolumeStatus.Ok, write.Status));
    }

    [Fact]
    public void L4_WhenToGiveAPartnerUpByValue()
    {
        StandstillWatch watch = new();
        Instant start = new(5_000_000_000);
        watch.Begin(start);
        LogFill full = new(End: 1000, Freed: 100, Capacity, Flushed: 990, PartnerFlushed: 100);
        Assert.False(watch.Stands(start, full)); // The first look: since now.
        Assert.False(watch.Stands(start + Almost, full));
        Assert.True(watch.Stands(start + Limits.PartnerStandstillMax, full));

        // It moves, if only a little; nearly empty; this node's own disk is what fills the log.
        LogFill moved = full with { PartnerFlushed = 101 };
        Instant later = start + Limits.PartnerStandstillMax;
        Assert.False(watch.Stands(later, moved));
        Assert.False(watch.Stands(later + Almost, moved));
        Assert.False(watch.Stands(later + Limits.PartnerStandstillMax, moved with { End = 150 }));
        Assert.False(watch.Stands(
            later + (2 * Limits.PartnerStandstillMax), moved with { Flushed = 120 }));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void L6_AtPowerLevelFlushAndFuaWaitForAFlushOfThePartnersMemory(bool fua)
    {
        using TestPair pair = PowerPair();
        pair.B.Disk.Flushes = DiskResult.NoSpace; // The log is safe: disks are not waited for.
        LogRuleTests.Write(pair, 0, 4096, 7);
        int before = pair.A.Port!.Flushes;
        pair.A.Port.Held = true;
        TestRequest request = fua
            ? new TestRequest
            {
                Operation = VolumeOperation.Write,
                Offset = 8192,
                Length = 4096,
                Buffer = LogTests.Bytes(4096, 8),
                ForceUnitAccess = true,
            }
            : new TestRequest { Operation = VolumeOperation.Flush };
        pair.A.Volume.Submit(request);
        pair.A.Volume.Commit();
        for (int posts = 0; pair.A.Port.Flushes == before; posts++)
        {
            Assert.Null(request.Status);
            Assert.True(posts < 10, "no flush was posted");
            pair.A.Port.Carry(1);
            pair.Reactor.Drain();
        }

        Assert.Equal(VolumeStatus.Ok, request.Status);
        Assert.Equal(before + 1, pair.A.Port.Flushes);
    }

    /// <summary>
    /// The partner may come back from a loss of power without what it had not flushed, go on alone
    /// and never hear of it: then this disk must not have it, either.
    /// </summary>
    [Fact]
    public void L6_AtPowerLevelNoDiskGetsAheadOfWhatIsDurableAtThePartner()
    {
        using TestPair pair = PowerPair();
        pair.Reactor.Run(1000);
        LogRuleTests.Write(pair, 0, 4096, 7);
        pair.A.Port!.Held = true;
        pair.Reactor.Run(500);
        Assert.Equal(0, pair.A.Disk.Bytes[0]);
        pair.A.Port.Held = false;
        pair.A.Port.Carry(100);
        pair.Reactor.Run(500);
        Assert.Equal(7, pair.A.Disk.Bytes[0]);
    }

    [Fact]
    public void L6_AtPowerLevelWhatReachedTheDiskIsFlushedBeforeTheLogForgetsIt()
    {
        using TestPair pair = PowerPair();
        LogRuleTests.Write(pair, 0, 4096, 7);
        pair.Reactor.Run(3000);
        foreach (TestNode node in new[] { pair.A, pair.B })
        {
            Assert.Equal(7, node.Disk.Durable[0]);
            Assert.Equal(node.Log.Acknowledged, node.Log.Flushed);
        }
    }

    [Fact]
    public void L6_AtProcessLevelAFlushWaitsForNoDisk()
    {
        using TestPair pair = TestPair.InSync();
        LogRuleTests.Write(pair, 0, 4096, 7);
        TestRequest flush = TestRequest.Flush(pair.A.Volume);
        pair.Reactor.Drain();
        Assert.Equal(VolumeStatus.Ok, flush.Status);
        Assert.Equal(0, pair.A.Disk.Durable[0]);
        Assert.Equal(0, pair.A.Port!.Flushes);
    }

    private static TimeSpan Almost =>
        Limits.PartnerStandstillMax - TimeSpan.FromMilliseconds(1);

    private static TestPair PowerPair()
    {
        TestPair pair = new();
        pair.A.Persistence = pair.B.Persistence = PersistenceLevel.Power;
        pair.A.Boot();
        pair.B.Boot();
        pair.Connect();
        pair.Join(pair.A, pair.B, format: true);
        return pair;
    }

    private static string StatusOf(TestNode node) =>
        node.Store.Report()![0]!["waits"]!.GetValue<string>();

    private static List<TestRequest> Fill(TestPair pair, int count)
    {
        List<TestRequest> writes = [];
        for (int i = 1; i <= count; i++)
        {
            writes.Add(LogRuleTests.Write(pair, 0, 100_000, (byte)i));
        }

        return writes;
    }
}
