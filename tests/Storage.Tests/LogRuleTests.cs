using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NvramMirror;
using StorageOs.Storage.Tests.Harness;

namespace StorageOs.Storage.Tests;

/// <summary>The log's rules one by one, each with the fault that it is there for.</summary>
public sealed class LogRuleTests
{
    /// <summary>
    /// Found by the restless clients of the model, seed 814: a copy that was recovered beyond what
    /// is acknowledged was read again from its former head, whose space was in use again.
    /// </summary>
    [Fact]
    public void L2_WhoRecoveredBeyondWhatIsAcknowledgedFollowsFromTheNewHead()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.HeldWorkers.Add("group0-flush");
        for (int i = 0; i < 15; i++)
        {
            TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(60_000, (byte)i));
        }

        pair.A.Volume.Commit();
        pair.Reactor.Run(300); // The partner has all of it on its disk.
        pair.A.Port!.Held = true;
        TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(4096, 99));
        pair.A.Volume.Commit();
        pair.A.Port.Land(2); // It is there, tail and all, and nobody hears of it.
        pair.B.Crash();
        pair.Disconnect();
        pair.B.Boot();
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Drain();
        Assert.True(pair.B.Log.Summary.Tail > pair.B.Log.Acknowledged);
        Task<bool> push = pair.Reactor.Start(() => pair.A.Log.PushAsync(pair.Term, format: false));
        pair.Reactor.Drain();
        Assert.True(push.IsCompletedSuccessfully);
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: true);
        List<TestRequest> waiting = [];
        for (int i = 0; i < 8; i++)
        {
            waiting.Add(TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(60_000, (byte)i)));
        }

        pair.A.Volume.Commit();
        pair.A.ReleaseWorkers(); // The head moves, and what waited is put where the oldest were.
        pair.Reactor.Drain();
        Assert.All(waiting, one => Assert.Equal(VolumeStatus.Ok, one.Status));
        pair.A.Port.Held = true; // What is acknowledged is told a little later.
        pair.Reactor.Run(20);
        Assert.False(pair.B.Log.Summary.Forgot, pair.B.Log.Summary.ForgotWhy);
        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        pair.Reactor.Run(300);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void L2_ATornRecordIsNotTakenForTheOneThatFollows()
    {
        using TestPair pair = TestPair.InSync();
        Write(pair, 0, 4096, 1);
        Assert.Equal(VolumeStatus.Ok, Write(pair, 4096, 4096, 2).Status);
        pair.A.Port!.Held = true;
        Write(pair, 8192, 4096, 3); // In the own copy only.
        int at = RingAt(pair.A.Inner.Summary.Tail.Value) - 100;
        ulong acknowledged = pair.A.Log.Acknowledged.Value;
        pair.A.Crash();
        pair.Disconnect();
        LogLayout.WriteWord(pair.A.Nvram, LogLayout.TailWord, acknowledged);
        pair.A.Nvram[at] ^= 1; // The crash tore it.
        pair.A.Boot();
        Assert.False(pair.A.Log.Summary.Forgot, pair.A.Log.Summary.ForgotWhy);
        ulong generation = pair.A.Log.Summary.Generation;
        pair.A.Log.Freeze();
        pair.Connect();
        pair.Join(pair.A, pair.B, format: false);
        Assert.Equal(generation + 1, pair.A.Log.Summary.Generation);
        Write(pair, 8192, 512, 4);
        pair.A.Crash();
        pair.Disconnect();
        pair.TakeOver(pair.B);
        Assert.Equal(1, Byte(pair, pair.B, 0));
        Assert.Equal(2, Byte(pair, pair.B, 4096));
        Assert.Equal(4, Byte(pair, pair.B, 8192));
        Assert.Equal(0, Byte(pair, pair.B, 8192 + 512));
    }

    [Fact]
    public void L2_APrefixBelowItsOwnTailIsForgot()
    {
        using TestPair pair = TestPair.InSync();
        Write(pair, 0, 4096, 1);
        int at = RingAt(pair.A.Log.Summary.Tail.Value) - 100;
        pair.A.Crash();
        pair.A.Nvram[at] ^= 1;
        pair.A.Boot();
        Assert.True(pair.A.Log.Summary.Forgot);
        Assert.Contains("chain", pair.A.Log.Summary.ForgotWhy, StringComparison.Ordinal);
    }

    [Fact]
    public void L2_AnOwnerThatEndsBelowWhatItsPartnerKnowsForgot()
    {
        using TestPair pair = TestPair.InSync();
        pair.Reactor.Run(100);
        ulong end = pair.A.Log.Summary.Tail.Value;
        Write(pair, 0, 4096, 1);
        pair.Reactor.Run(10);
        pair.A.Crash();
        pair.Disconnect();
        // The own copy lost its last page, and the words that would tell.
        LogLayout.WriteWord(pair.A.Nvram, LogLayout.TailWord, end);
        LogLayout.WriteWord(pair.A.Nvram, LogLayout.AckedWord, end);
        pair.A.Nvram.AsSpan(RingAt(end), 64).Clear();
        pair.A.Boot();
        Assert.False(pair.A.Log.Summary.Forgot, pair.A.Log.Summary.ForgotWhy);
        pair.A.Log.Freeze();
        Assert.IsType<RefusedException>(PushAgain(pair, pair.A, pair.B));
        Assert.True(pair.A.Log.Summary.Forgot);
        pair.A.Crash();
        pair.A.Boot();
        Assert.True(pair.A.Log.Summary.Forgot); // Durably.
    }

    [Fact]
    public void L2_APartnerThatLacksWhatWasAcknowledgedCountsAsGone()
    {
        using TestPair pair = TestPair.InSync();
        pair.Reactor.Run(100);
        ulong end = pair.B.Log.Summary.Tail.Value;
        Write(pair, 0, 4096, 1);
        pair.A.Log.Freeze();
        pair.B.Crash();
        pair.Disconnect();
        LogLayout.WriteWord(pair.B.Nvram, LogLayout.TailWord, end);
        LogLayout.WriteWord(pair.B.Nvram, LogLayout.AckedWord, end);
        pair.B.Nvram.AsSpan(RingAt(end), 64).Clear();
        pair.B.Boot();
        Assert.IsType<RefusedException>(PushAgain(pair, pair.A, pair.B));
        Assert.True(pair.A.Log.PartnerFailed);
        Assert.False(pair.A.Log.Summary.Forgot);
        Assert.Contains("partnerFailedWhy", pair.A.Inner.Report().ToJsonString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void L2_TheWordsOfAFormerOwnerDoNotGoBack()
    {
        using TestPair pair = TestPair.InSync();
        TestRequest write = Write(pair, 0, 4096, 1);
        Assert.Equal(VolumeStatus.Ok, write.Status);
        Assert.True(pair.B.Log.Acknowledged < pair.A.Log.Acknowledged); // Told by timer.
        pair.B.Log.Fence();
        pair.A.Log.StepDown();
        pair.Swapped(pair.B, SyncState.InSync);
        pair.Join(pair.B, pair.A, format: false);
        pair.Reactor.Run(300);
        Assert.False(pair.A.Log.Summary.Forgot, pair.A.Log.Summary.ForgotWhy);
        Assert.Equal(pair.B.Log.Acknowledged, pair.A.Log.Acknowledged);
        Assert.Equal(pair.B.Log.Acknowledged, pair.B.Log.FlushedOnBoth);
    }

    [Fact]
    public void L2_ARecordDamagedWhileItIsFollowedIsToldAtOnce()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.HeldWorkers.Add("group0-flush");
        Write(pair, 0, 4096, 1);
        pair.Reactor.Run(100); // Followed; a flush of it waits for the disk.
        Write(pair, 4096, 4096, 2);
        pair.Reactor.Run(20);
        pair.B.Nvram[RingAt(pair.B.Log.Acknowledged.Value) - 100] ^= 1;
        bool told = false;
        pair.B.Log.Changed += () => told = true;
        pair.B.ReleaseWorkers();
        pair.Reactor.Run(200);
        Assert.True(told && pair.B.Log.Summary.Forgot);
        pair.B.Log.ClearForgot(); // A late InSync clears what a copy made good, not this.
        Assert.True(pair.B.Log.Summary.Forgot);
    }

    [Fact]
    public void L2_AFormatThatBeginsBetweenTwoLooksIsNotTakenHalf()
    {
        using TestPair pair = Away();
        pair.B.Boot();
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Drain();
        pair.A.Port!.Held = true;
        Task<bool> push = pair.Reactor.Start(() => pair.A.Log.PushAsync(pair.Term, true));
        pair.A.Port.Carry(1); // The header is read.
        pair.Reactor.Drain();
        int looks = 0;
        pair.B.LogRegion.Looked = () =>
        {
            // The first look of all reads the generation; then the new header lands.
            pair.A.Port.Carry(looks++ == 1 ? 2 : 0);
        };
        Assert.False(pair.B.Inner.Look());
        pair.B.LogRegion.Looked = null;
        ulong least = Math.Min(pair.B.Log.Flushed.Value, pair.A.Log.Summary.Head.Value);
        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        pair.Reactor.Run(50);
        Assert.True(push.IsCompletedSuccessfully && looks > 1);
        Assert.True(pair.B.Log.Flushed.Value >= least);
        Assert.Equal(pair.A.Log.Summary.LogId, pair.B.Log.Summary.LogId);
        Assert.Equal(pair.A.Log.Acknowledged, pair.B.Log.Acknowledged);
    }

    [Fact]
    public void L3_NothingIsMovedToEitherDiskBeyondTheAcknowledgedLsn()
    {
        using TestPair pair = TestPair.InSync();
        pair.Reactor.Run(100);
        pair.A.Port!.Held = true;
        TestRequest write = Write(pair, 0, 4096, 5);
        pair.A.Port.Carry(2); // Landed at the partner, tail and all; nobody here knows.
        Assert.Equal(pair.A.Log.Summary.Tail.Value,
            LogLayout.ReadWord(pair.B.Nvram, LogLayout.TailWord));
        int changes = pair.A.Disk.Changes + pair.B.Disk.Changes;
        pair.A.Port.Held = true;
        for (int i = 0; i < 50 && write.Status is null; i++)
        {
            pair.B.Reactor.Run(0);
        }

        Assert.Null(write.Status);
        Assert.Equal(changes, pair.A.Disk.Changes + pair.B.Disk.Changes);
        pair.A.Log.Freeze();
        pair.Reactor.Run(500);
        Assert.Equal(changes, pair.A.Disk.Changes + pair.B.Disk.Changes);
        Assert.Equal(0, pair.A.Disk.Bytes[0] + pair.B.Disk.Bytes[0]);
    }

    [Fact]
    public void RecordsInFlightAreBoundedAndALogAppendedToWithoutAPauseStillTellsItsTail()
    {
        using TestPair pair = TestPair.InSync(32 * Size.MiB);
        pair.A.Port!.Held = true;
        List<TestRequest> writes = [];
        for (int i = 0; i < 20; i++)
        {
            writes.Add(Write(pair, 0, 100_000, (byte)i));
        }

        for (int i = 0; i < 50; i++)
        {
            Assert.True(pair.A.Port.WaitingBytes
                < Limits.BytesInFlightMax + LogLayout.PostBytesMax + 1000);
            pair.A.Port.Carry(1);
            for (int more = 0; more < 3; more++)
            {
                writes.Add(Write(pair, 0, 100_000, (byte)i)); // More than what was carried.
            }

            pair.Reactor.Run(1);
        }

        Assert.Equal(VolumeStatus.Ok, writes[20].Status);
        Assert.Null(writes[^1].Status);
        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        pair.Reactor.Run(1000);
        Assert.All(writes, write => Assert.Equal(VolumeStatus.Ok, write.Status));
    }

    [Fact]
    public void L3_SpaceIsUsedAgainOnlyOnceTheHeadStandsOnBothSides()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.HoldsAtWord = LogLayout.HeadWord;
        List<TestRequest> writes = [];
        for (int i = 0; i < 12; i++)
        {
            writes.Add(Write(pair, 0, 100_000, (byte)i));
        }

        pair.Reactor.Run(1000);
        Assert.True(pair.A.Port.Held); // A head that moved waits to be carried.
        for (int i = 0; i < 12; i++)
        {
            writes.Add(Write(pair, 0, 100_000, (byte)i));
        }

        ulong partnerHead = LogLayout.ReadWord(pair.B.Nvram, LogLayout.HeadWord);
        Assert.True(pair.A.Log.Summary.Head.Value > partnerHead);
        Assert.True(pair.A.Log.Summary.Tail.Value
            <= partnerHead + (ulong)pair.A.Log.Summary.CapacityBytes);
        Assert.Null(writes[^1].Status);
        pair.A.Port.HoldsAtWord = null;
        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        pair.Reactor.Run(1000);
        Assert.All(writes, write => Assert.Equal(VolumeStatus.Ok, write.Status));
    }

    [Fact]
    [Raises("log-forgot", "mirror-lost")]
    public void L3_AHeadBeyondWhatIsOnThisDiskIsDamage()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.HeldWorkers.Add("group0-flush");
        Write(pair, 0, 4096, 1);
        Write(pair, 4096, 4096, 1);
        ulong head = pair.A.Log.Acknowledged.Value - RingRecord(4096);
        pair.Reactor.Run(100);
        pair.B.Crash();
        LogLayout.WriteWord(pair.B.Nvram, LogLayout.HeadWord, head);
        pair.B.Boot();
        Assert.True(pair.B.Log.Summary.Forgot);
        Assert.Contains("on disk", pair.B.Log.Summary.ForgotWhy, StringComparison.Ordinal);
    }

    [Fact]
    public void L3_AFailedFlushMakesThatDiskStale()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.Disk.Writes = DiskFailed;
        Write(pair, 0, 4096, 1);
        pair.Reactor.Run(200);
        Assert.NotNull(pair.B.Store.DiskFault(new GroupId(0)));
        Assert.True(pair.B.Log.Summary.Forgot);
        pair.B.Crash();
        pair.B.Boot();
        Assert.True(pair.B.Log.Summary.Forgot); // Also for a process that knows nothing of it.
    }

    [Fact]
    public void L5_ABootMovesNothingToDiskBeforeOwnershipIsKnown()
    {
        using TestPair pair = TestPair.InSync();
        pair.Reactor.Run(100);
        pair.A.HeldWorkers.Add("group0-flush");
        pair.B.HeldWorkers.Add("group0-flush");
        Write(pair, 0, 4096, 6);
        pair.Reactor.Run(20);
        pair.A.Crash();
        pair.B.Crash();
        pair.Disconnect();
        pair.A.HeldWorkers.Clear();
        pair.B.HeldWorkers.Clear();
        int changes = pair.A.Disk.Changes + pair.B.Disk.Changes;
        pair.A.Boot();
        pair.B.Boot();
        pair.Connect();
        pair.Reactor.Run(2000);
        Assert.Equal(changes, pair.A.Disk.Changes + pair.B.Disk.Changes);
        pair.A.Log.Freeze();
        pair.Reactor.Run(2000);
        Assert.Equal(changes, pair.A.Disk.Changes + pair.B.Disk.Changes);
        pair.B.Log.Fence();
        pair.Reactor.Run(2000);
        Assert.Equal(changes, pair.A.Disk.Changes + pair.B.Disk.Changes);
        pair.GoAlone(pair.B);
        pair.Reactor.Run(200);
        Assert.Equal(6, pair.B.Disk.Bytes[0]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(8)]
    public void L7_AFormatCutOffAnywhereIsForgotUntilACopyIsInSync(int posts)
    {
        using TestPair pair = Away();
        pair.B.Boot();
        Assert.False(pair.B.Log.Summary.Forgot);
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Drain();
        pair.A.Port!.Held = true;
        Task<bool> push = pair.Reactor.Start(() => pair.A.Log.PushAsync(pair.Term, true));
        for (int i = 0; i <= posts; i++)
        {
            pair.A.Port.Carry(1);
            pair.Reactor.Drain();
        }

        pair.Reactor.Run(10);
        Assert.True(pair.B.Log.Summary.Forgot); // Before anything of it is taken for good.
        pair.B.Crash();
        pair.Disconnect();
        Assert.True(push.IsCompleted);
        pair.B.Boot();
        Assert.True(pair.B.Log.Summary.Forgot);
        pair.GoAlone(pair.A);
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Run(1);
        Assert.True(pair.Reactor.Await(() => pair.A.Log.PushAsync(pair.Term, format: true)));
        pair.Reactor.Run(50);
        Assert.True(pair.B.Log.Summary.Forgot); // The log is good; the disk is not, yet.
        pair.B.Log.ClearForgot();
        pair.B.Crash();
        pair.B.Boot();
        Assert.False(pair.B.Log.Summary.Forgot);
    }

    [Fact]
    public void L7_S12_AForcedOwnersCopyCountsAndALostOneDoesNot()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Crash();
        pair.Disconnect();
        pair.A.MachineBootId = "boot-2";
        pair.A.Boot();
        pair.A.Log.ClearForgot(); // An InSync that was under way when the memory was lost.
        Assert.True(pair.A.Log.Summary.Forgot);
        pair.A.Log.Freeze();
        pair.GoAlone(pair.A); // Forced.
        Assert.True(pair.A.Log.Summary.Forgot); // Until a copy of it is in sync.
        pair.A.Log.ClearForgot();
        Assert.False(pair.A.Log.Summary.Forgot);
    }

    [Fact]
    public void S9_WhatThePartnerHasFlushedIsKnownOverABootAndForgottenWithItsCopy()
    {
        using TestPair pair = TestPair.InSync();
        Write(pair, 0, 4096, 1);
        pair.Reactor.Run(200);
        Lsn since = pair.A.Log.PartnerFlushed;
        Assert.Equal(pair.A.Log.Acknowledged, since);
        pair.B.HeldWorkers.Add("group0-flush");
        Write(pair, 4096, 4096, 2);
        pair.Reactor.Run(200);
        Assert.Equal(since, pair.A.Log.PartnerFlushed); // Mirrored, and not on its disk.
        pair.B.Crash();
        pair.Disconnect();
        pair.A.Crash();
        pair.A.Boot();
        Assert.Equal(since, pair.A.Log.PartnerFlushed);
        pair.A.Log.Freeze();
        pair.GoAlone(pair.A);
        TestRequest alone = Write(pair, 8192, 4096, 3);
        Assert.Equal(VolumeStatus.Ok, alone.Status);
        pair.A.Crash(); // What was recorded before it was acknowledged is there.
        pair.A.Boot();
        pair.A.Log.Freeze();
        pair.GoAlone(pair.A);
        Assert.Equal(3, Byte(pair, pair.A, 8192));
        Write(pair, 8192, 4096, 4);
        pair.Reactor.Run(200);
        pair.B.Boot();
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Run(1);
        Assert.True(pair.Reactor.Await(() => pair.A.Log.PushAsync(new Term(2), format: true)));
        Assert.True(pair.A.Log.PartnerFlushed <= pair.A.Log.Summary.Head);
    }

    [Fact]
    public void S8_ARequestDiesWithItsOwnershipWhereverItWaits()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Disk.Cached = false;
        pair.A.HeldWorkers.Add("group0-read");
        TestRequest reading = TestRequest.Read(pair.A.Volume, 200_000, 512);
        pair.Reactor.Run(5); // Proved; waits for the disk.
        pair.A.Port!.Held = true;
        TestRequest proving = TestRequest.Read(pair.A.Volume, 0, 512);
        List<TestRequest> writes = [];
        for (int i = 0; i < 12; i++)
        {
            writes.Add(Write(pair, 0, 100_000, 1)); // In the log, and beyond what it holds.
        }

        pair.A.Log.StepDown();
        Assert.Equal(VolumeStatus.NotOwner, proving.Status);
        Assert.All(writes, write => Assert.Equal(VolumeStatus.NotOwner, write.Status));
        // Owner again before the disk answers: the read is of the former ownership all the same.
        pair.A.Log.Freeze();
        pair.A.Log.ServeAlone(new Term(3));
        pair.A.ReleaseWorkers();
        pair.Reactor.Run(5);
        Assert.Equal(VolumeStatus.NotOwner, reading.Status);
    }

    internal static TestRequest Write(TestPair pair, long offset, int length, byte value)
    {
        TestRequest write =
            TestRequest.Write(pair.A.Volume, offset, LogTests.Bytes(length, value));
        pair.A.Volume.Commit();
        return write;
    }

    private static Volumes.DiskResult DiskFailed => Volumes.DiskResult.Failed;

    /// <summary>In sync once; then B is away, stale, and A alone.</summary>
    private static TestPair Away()
    {
        TestPair pair = TestPair.InSync();
        Write(pair, 0, 4096, 1);
        pair.Reactor.Run(100);
        pair.B.Crash();
        pair.Disconnect();
        pair.GoAlone(pair.A);
        Write(pair, 0, 4096, 2);
        return pair;
    }

    private static Exception? PushAgain(TestPair pair, TestNode owner, TestNode partner)
    {
        if (partner.Log.Role == LogRole.Passive)
        {
            partner.Log.StepDown();
        }

        pair.Connect();
        partner.Log.BecomePassive();
        pair.Reactor.Run(1);
        return Record.Exception(
            () => pair.Reactor.Await(() => owner.Log.PushAsync(pair.Term, format: false)));
    }

    private static int RingAt(ulong lsn) =>
        LogLayout.HeaderBytes + (int)(lsn % (ulong)(Size.MiB - LogLayout.HeaderBytes));

    private static ulong RingRecord(int payload) => (ulong)RecordCodec.TotalBytes(payload);

    private static byte Byte(TestPair pair, TestNode node, long at)
    {
        TestRequest read = TestRequest.Read(node.Volume, at, 1);
        pair.Reactor.Run(5);
        Assert.Equal(VolumeStatus.Ok, read.Status);
        return read.Buffer.Span[0];
    }
}
