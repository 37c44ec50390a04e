using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;
using StorageOs.Volumes.Core;

namespace StorageOs.Storage.Tests;

/// <summary>S11: a stale partner is copied to, compared with, and only then in sync.</summary>
public sealed class ResyncTests
{
    /// <summary>Found by the simulation, seed 784.</summary>
    [Fact]
    public void S11_ACopyToAPartnerLostJustAfterItsPushComesToNothing()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.Crash();
        pair.Disconnect();
        pair.GoAlone(pair.A);
        pair.GiveLog(pair.A, pair.B);
        pair.B.Crash();
        pair.Disconnect();
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: false);
        Assert.Equal(LogRole.Alone, pair.A.Log.Role);
        Assert.False(pair.Reactor.Await(
            () => pair.A.Store.ResyncAsync(new GroupId(0), pair.Copied, default)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void S11_AFullCopyEndsWhileClientsFillTheLog(bool cached)
    {
        using TestPair pair = Stale();
        pair.A.Disk.Cached = cached;
        Task<bool> copy = StartCopy(pair);
        Random random = new(7);
        List<TestRequest> writes = [];
        for (int round = 0; round < 400 && !copy.IsCompleted; round++)
        {
            // More than the log holds: writers wait for space that the copy's append frees.
            while (writes.Count(w => w.Status is null) < 12)
            {
                byte[] data = new byte[100_000];
                random.NextBytes(data);
                writes.Add(TestRequest.Write(pair.A.Volume, random.Next(150_000), data));
            }

            pair.A.Volume.Commit();
            pair.Reactor.Run(3);
        }

        pair.Reactor.Run(3000);
        Assert.True(Ended(copy));
        Assert.All(writes, write => Assert.Equal(VolumeStatus.Ok, write.Status));
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
        byte[] before = Content(pair, pair.A);
        pair.A.Crash();
        pair.Disconnect();
        pair.TakeOver(pair.B);
        Assert.Equal(before, Content(pair, pair.B));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Raises("resync-decided", "copy-differs")]
    public void S11_AByteFlippedOrDroppedAtThePartnerIsFoundAndRepaired(bool dropped)
    {
        using TestPair pair = Stale();
        int spoiled = 0;
        pair.B.Disk.Wrote = (disk, offset, length) =>
        {
            if (length > 100_000 && spoiled++ == 0) // The first extent of the copy.
            {
                // A write that never reached the medium, or reached it with one bit changed.
                disk.Bytes[offset + 33_333] = dropped
                    ? (byte)0 : (byte)(disk.Bytes[offset + 33_333] ^ 4);
            }
        };
        Assert.True(Copy(pair));
        Assert.True(spoiled > 0);
        Assert.Equal(1, ((TestProgress)pair.Copied).Last.Mismatches);
        Assert.Contains("\"copyMismatches\":1", pair.A.Store.Report()!.ToJsonString(),
            StringComparison.Ordinal);
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S11_DataWhereZerosBelongIsFoundAndRepaired()
    {
        using TestPair pair = Stale();
        TestRequest.Trim(pair.A.Volume, 196_608, 4096);
        pair.A.Volume.Commit();
        pair.Reactor.Run(20);
        bool spoiled = false;
        pair.B.Disk.Wrote = (disk, offset, length) =>
        {
            if (!spoiled && offset + length == TestNode.VolumeBytes)
            {
                spoiled = true;
                disk.Bytes[^9000] = 1;
            }
        };
        Assert.True(Copy(pair));
        Assert.True(spoiled && ((TestProgress)pair.Copied).Last.Mismatches == 1);
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    [Raises("resync-failed")]
    public void S11_ADiskThatSpoilsEachTimeIsNeverCalledGood()
    {
        using TestPair pair = Stale();
        pair.B.Disk.Wrote = (disk, offset, length) =>
            disk.Bytes[offset] ^= (byte)(length > 40_000 ? 1 : 0);
        Assert.False(Copy(pair));
        Assert.True(((TestProgress)pair.Copied).Last.Mismatches > 3);
    }

    [Fact]
    public void S11_AClientsWriteDroppedDuringTheCopyIsFound()
    {
        using TestPair pair = Stale();
        bool spoiled = false;
        pair.B.Disk.Wrote = (disk, offset, length) =>
        {
            if (offset == 200_704 && length == 512)
            {
                disk.Bytes.AsSpan(200_704, spoiled ? 0 : 512).Clear();
                spoiled = true;
            }
        };
        Task<bool> copy = StartCopy(pair);
        ((TestProgress)pair.Copied).Told = now =>
        {
            if (now.BytesDone == now.BytesTotal)
            {
                pair.A.HeldWorkers.Add("group0-read"); // The comparison waits for the write.
            }
        };
        pair.Reactor.Run(200);
        ((TestProgress)pair.Copied).Told = null;
        TestRequest.Write(pair.A.Volume, 200_704, LogTests.Bytes(512, 77));
        pair.A.Volume.Commit();
        pair.A.ReleaseWorkers();
        pair.Reactor.Run(3000);
        Assert.True(Ended(copy) && spoiled);
        Assert.Equal(1, ((TestProgress)pair.Copied).Last.Mismatches);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S11_WhatAnEndedCopyReadIsNotTakenByTheNext()
    {
        using TestPair pair = Stale();
        Task<bool> first = StartCopy(pair);
        pair.A.HeldWorkers.Add("group0-read");
        pair.Reactor.Run(200); // A read somewhere behind the start is held by its disk.
        pair.B.Crash();
        pair.Disconnect();
        Assert.False(Ended(first));
        pair.GoAlone(pair.A);
        pair.B.Boot();
        pair.Connect();
        Task<bool> second = StartCopy(pair);
        pair.A.ReleaseWorkers();
        pair.Reactor.Run(3000);
        Assert.True(Ended(second));
        Assert.Equal(0, ((TestProgress)pair.Copied).Last.Mismatches);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S11_InSyncWaitsForWhatWasAcknowledgedWhileResyncing()
    {
        using TestPair pair = Stale();
        Assert.True(Copy(pair));
        pair.A.Port!.Held = true;
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(4096, 9));
        pair.A.Volume.Commit();
        Assert.Equal(VolumeStatus.Ok, write.Status); // By this copy alone.
        int heard = 0;
        pair.A.Log.Changed += () => heard += pair.A.Log.PartnerHoldsAll ? 1 : 0;
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: true);
        pair.Reactor.Run(50);
        Assert.False(pair.A.Log.PartnerHoldsAll);
        Assert.Equal(0, heard);
        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        pair.Reactor.Run(1);
        Assert.True(pair.A.Log.PartnerHoldsAll);
        Assert.Equal(1, heard);
    }

    [Fact]
    [Raises("resync-started", "resync-done", "change-record")]
    public void S9_OnlyWhatALoneOwnerChangedIsCopied()
    {
        using TestPair pair = Stale();
        pair.Reactor.Run(100);
        Assert.True(Copy(pair));
        CopyProgress last = ((TestProgress)pair.Copied).Last;
        Assert.Equal("Changes", last.Kind);
        Assert.Equal(2 * 65_536, last.BytesDone); // 50,000 bytes from 30,000 on.
        Assert.Equal(0, last.Mismatches);
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
        Assert.False(pair.A.Store.Report()!.ToJsonString()
            .Contains("\"changesRecorded\":true", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void S9_L5_ACrashOfTheLoneOwnerForgetsNoChange(bool flushed, bool twice)
    {
        using TestPair pair = Stale(returns: false);
        pair.Reactor.Run(flushed ? 500 : 0);
        pair.A.Crash();
        BootAlone(pair);
        TestRequest.Write(pair.A.Volume, 131_072, LogTests.Bytes(4096, 8));
        pair.A.Volume.Commit();
        pair.Reactor.Run(twice ? 500 : 0);
        if (twice)
        {
            pair.A.Crash();
            BootAlone(pair);
        }

        Return(pair);
        Assert.True(Copy(pair));
        CopyProgress last = ((TestProgress)pair.Copied).Last;
        Assert.Equal("Changes", last.Kind);
        Assert.True(last.BytesDone <= 3 * 65_536);
        Assert.Equal(0, last.Mismatches);
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S9_L5_NothingLeavesALoneOwnersLogBeforeItStandsInTheRecord()
    {
        using TestPair pair = Stale(returns: false);
        TestRequest.Write(pair.A.Volume, 200_000, LogTests.Bytes(512, 4));
        pair.A.Volume.Commit();
        pair.A.HeldWorkers.Add("group0-flush");
        ulong head = pair.A.Log.Summary.Head.Value;
        pair.Reactor.Run(500);
        Assert.Equal(head, pair.A.Log.Summary.Head.Value);
        pair.A.ReleaseWorkers();
        pair.A.Record.Drops = _ => true; // What is written from now on never reaches the disk.
        pair.Reactor.Run(500);
        Assert.True(pair.A.Log.Summary.Head.Value > head);
        pair.A.Record.Drops = null;
        pair.A.Crash();
        BootAlone(pair);
        Return(pair);
        Assert.True(Copy(pair));
        Assert.True(((TestProgress)pair.Copied).Last.Mismatches > 0); // The sample found it.
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S9_L5_WhatThePartnerHadNotFlushedStaysInTheLogUntilItIsMarked()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.HeldWorkers.Add("group0-flush");
        TestRequest.Write(pair.A.Volume, 30_000, LogTests.Bytes(50_000, 3));
        TestRequest.Write(pair.A.Volume, 200_000, LogTests.Bytes(512, 4));
        pair.A.Volume.Commit();
        pair.Reactor.Run(300);
        Assert.True(pair.A.Log.Flushed > pair.A.Log.PartnerFlushed);
        pair.B.Crash();
        pair.B.ReleaseWorkers();
        pair.Disconnect();
        pair.A.HeldWorkers.Add("group0-flush"); // Nothing can be written to the record.
        pair.GoAlone(pair.A);
        pair.Reactor.Run(300);
        Assert.True(pair.A.Log.Summary.Head <= pair.A.Log.PartnerFlushed);
        pair.A.Crash();
        pair.A.ReleaseWorkers();
        BootAlone(pair);
        Return(pair);
        Assert.True(Copy(pair));
        Assert.Equal(0, ((TestProgress)pair.Copied).Last.Mismatches);
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S9_WritesToWhatWasChangedBeforeWriteNothingToTheRecord()
    {
        using TestPair pair = Stale(returns: false);
        pair.Reactor.Run(500);
        int writes = pair.A.Record.Writes;
        for (int i = 0; i < 300; i++)
        {
            TestRequest write = TestRequest.Write(
                pair.A.Volume, 30_000 + (i * 160), LogTests.Bytes(512, (byte)i));
            pair.A.Volume.Commit();
            Assert.Equal(VolumeStatus.Ok, write.Status);
            pair.Reactor.Run(5);
        }

        pair.Reactor.Run(500);
        Assert.Equal(writes, pair.A.Record.Writes);
        Assert.Equal(pair.A.Log.Acknowledged, pair.A.Log.Flushed);
    }

    [Fact]
    public void S11_FromTheFirstExtentOnEveryWriteIsMarkedUntilInSync()
    {
        using TestPair pair = Stale(slow: true);
        Task<bool> copy = StartCopy(pair);
        pair.Reactor.Run(20);
        int before = Changed(pair);
        TestRequest.Write(pair.A.Volume, 200_000, LogTests.Bytes(4096, 6));
        pair.A.Volume.Commit();
        pair.Reactor.Run(20);
        Assert.Equal(before + 1, Changed(pair));
        pair.Reactor.Run(3000);
        Assert.True(Ended(copy));
        Assert.Equal(before + 1, Changed(pair)); // The copy's end is not InSync yet.
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: true);
        TestRequest.Write(pair.A.Volume, 131_072, LogTests.Bytes(4096, 6));
        pair.A.Volume.Commit();
        pair.Reactor.Run(300);
        Assert.Equal(before + 2, Changed(pair));
        pair.Swapped(pair.A, SyncState.InSync);
        Assert.Equal(0, Changed(pair));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void S11_AResyncGoesOnWhereItWasCutOff(bool ownerCrashes)
    {
        using TestPair pair = Stale(returns: false, slow: true);
        TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(262_144, 5));
        pair.A.Volume.Commit();
        pair.Reactor.Run(300);
        Return(pair);
        Task<bool> first = StartCopy(pair);
        pair.Reactor.Run(240);
        long done = ((TestProgress)pair.Copied).Last.BytesDone;
        Assert.InRange(done, 65_536, 262_143);
        TestNode dies = ownerCrashes ? pair.A : pair.B;
        dies.Crash();
        pair.Disconnect();
        if (ownerCrashes)
        {
            BootAlone(pair);
        }
        else
        {
            Assert.False(Ended(first));
            pair.GoAlone(pair.A);
        }

        pair.Reactor.Run(100);
        Return(pair);
        Assert.True(Copy(pair));
        CopyProgress last = ((TestProgress)pair.Copied).Last;
        Assert.InRange(last.BytesTotal, 1, 262_144 - 65_536);
        Assert.Equal(262_144, last.BytesCompared);
        Assert.Equal(0, last.Mismatches);
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void S11_ABitDroppedFromTheRecordIsFound(bool checksumFits)
    {
        using TestPair pair = Stale(returns: false);
        TestRequest.Write(pair.A.Volume, 200_000, LogTests.Bytes(4096, 6));
        pair.A.Volume.Commit();
        pair.Reactor.Run(500);
        pair.A.Crash();
        DropGranule(pair.A.Record, 3, checksumFits);
        BootAlone(pair);
        Return(pair);
        Assert.True(Copy(pair));
        CopyProgress last = ((TestProgress)pair.Copied).Last;
        Assert.Equal(TestNode.VolumeBytes, last.BytesToCompare);
        Assert.Contains(checksumFits ? "granules of" : "damaged", last.Why,
            StringComparison.Ordinal);
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S10_AfterAForkTheUnionOfBothSidesChangesIsCopied()
    {
        using TestPair pair = Stale(returns: false);
        TestRequest.Write(pair.A.Volume, 200_000, LogTests.Bytes(4096, 6));
        pair.A.Volume.Commit();
        pair.Reactor.Run(500);
        pair.A.Crash();
        pair.B.Boot();
        pair.TakeOver(pair.B); // Forced: it is stale.
        TestRequest.Write(pair.B.Volume, 131_072, LogTests.Bytes(4096, 7));
        pair.B.Volume.Commit();
        pair.Reactor.Run(500);
        pair.A.Boot();
        pair.Connect();
        Assert.True(Copy(pair, pair.B));
        CopyProgress last = ((TestProgress)pair.Copied).Last;
        Assert.Equal(("Union", 4L * 65_536, 0L), (last.Kind, last.BytesDone, last.Mismatches));
        Mirrored(pair, pair.B);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S10_AnotherDiskIsCopiedToInFullAndTheReasonIsSaid()
    {
        using TestPair pair = Stale(returns: false);
        pair.Reactor.Run(500);
        pair.B.Record.Bytes = [];
        Array.Clear(pair.B.Disk.Bytes);
        Return(pair);
        Assert.True(Copy(pair));
        CopyProgress last = ((TestProgress)pair.Copied).Last;
        Assert.Equal(("Everything", TestNode.VolumeBytes), (last.Kind, last.BytesDone));
        Assert.Contains("not about the partner's disk", last.Why, StringComparison.Ordinal);
        Mirrored(pair);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S10_AStaleNodeMovesNothingToItsDiskBeforeItsLogIsMadeAnew()
    {
        using TestPair pair = Stale(returns: false);
        TestRequest.Write(pair.A.Volume, 100_000, LogTests.Bytes(4096, 9));
        pair.A.Volume.Commit();
        pair.A.Crash(); // What it wrote alone is in its log, and not on its disk.
        pair.B.Boot();
        pair.TakeOver(pair.B);
        pair.A.Boot();
        pair.Connect();
        byte[] before = [.. pair.A.Disk.Bytes];
        pair.A.Log.BecomePassive();
        pair.Reactor.Run(1000);
        Assert.Equal(before, pair.A.Disk.Bytes);
        Assert.True(Copy(pair, pair.B));
        Assert.Equal(0, ((TestProgress)pair.Copied).Last.Mismatches);
        Mirrored(pair, pair.B);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void S10_WhatCannotBeToldStopsAndSaysWhy()
    {
        using TestPair pair = Stale();
        pair.Swapped(pair.B, SyncState.Stale); // The register names another owner.
        Task<bool> copy = StartCopy(pair);
        pair.Reactor.Run(3000);
        Assert.False(copy.IsCompleted);
        CopyProgress last = ((TestProgress)pair.Copied).Last;
        Assert.Equal(("Stop", 0L), (last.Kind, last.BytesDone));
        Assert.Contains("does not say that the partner is stale", last.Why,
            StringComparison.Ordinal);
        pair.Swapped(pair.A, SyncState.Stale);
        pair.Reactor.Run(3000);
        Assert.True(Ended(copy));
    }

    /// <summary>Takes a granule out of a record's file, as a bug or a bad disk might.</summary>
    private static void DropGranule(TestFile file, int granule, bool checksumFits)
    {
        Span<byte> page = file.Bytes.AsSpan(RecordCodec.PagesAt, RecordCodec.PageBytes);
        Assert.NotEqual(0, page[16] & (1 << granule));
        page[16] &= (byte)~(1 << granule);
        if (checksumFits)
        {
            BitConverter.TryWriteBytes(page, Crc32C.Of(page[4..]));
        }
    }

    private static int Changed(TestPair pair) =>
        (int)(pair.A.Store.Report()![0]!["changedBytes"]!.GetValue<long>() / 65_536);

    private static void BootAlone(TestPair pair)
    {
        pair.A.Boot();
        pair.Tell();
        pair.A.Log.Freeze();
        pair.A.Log.ServeAlone(pair.Term);
        pair.Reactor.Drain();
    }

    private static void Return(TestPair pair)
    {
        pair.B.Boot();
        pair.Connect();
    }

    /// <summary>B was away and is back: its log was made anew and it is copied to.</summary>
    private static TestPair Stale(bool returns = true, bool slow = false)
    {
        TestPair pair = new();
        pair.A.Settings["resync:bytesPerSecond"] =
            pair.A.Settings["resync:bytesPerSecondWithClients"] = slow ? "1048576" : null;
        pair.A.Boot();
        pair.B.Boot();
        pair.Connect();
        pair.Join(pair.A, pair.B, format: true);
        byte[] data = new byte[170_000];
        new Random(1).NextBytes(data);
        TestRequest.Write(pair.A.Volume, 0, data);
        pair.A.Volume.Commit();
        pair.Reactor.Run(200);
        pair.B.Crash();
        pair.Disconnect();
        pair.GoAlone(pair.A);
        TestRequest.Write(pair.A.Volume, 30_000, LogTests.Bytes(50_000, 3));
        pair.A.Volume.Commit();
        if (returns)
        {
            Return(pair);
        }

        return pair;
    }

    private static Task<bool> StartCopy(TestPair pair, TestNode? by = null)
    {
        TestNode owner = by ?? pair.A;
        owner.Peer!.Log.BecomePassive();
        pair.Reactor.Run(1);
        Assert.True(pair.Reactor.Await(() => owner.Log.PushAsync(pair.Term, format: true)));
        owner.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: false);
        Assert.Equal(LogRole.Resyncing, owner.Log.Role);
        return pair.Reactor.Start(
            () => owner.Store.ResyncAsync(new GroupId(0), pair.Copied, default));
    }

    private static bool Copy(TestPair pair, TestNode? by = null)
    {
        Task<bool> copy = StartCopy(pair, by);
        pair.Reactor.Run(5000);
        return Ended(copy);
    }

    private static bool Ended(Task<bool> copy)
    {
        Assert.True(copy.IsCompletedSuccessfully, "the copy has not ended");
        return copy.Result;
    }

    private static void Mirrored(TestPair pair, TestNode? by = null)
    {
        TestNode owner = by ?? pair.A;
        owner.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: true);
        pair.Reactor.Run(50);
        Assert.True(owner.Log.PartnerHoldsAll);
        pair.Swapped(owner, SyncState.InSync);
        pair.A.Log.ClearForgot();
        pair.B.Log.ClearForgot();
        pair.Reactor.Run(300);
    }

    private static byte[] Content(TestPair pair, TestNode node)
    {
        TestRequest read = TestRequest.Read(node.Volume, 0, (int)TestNode.VolumeBytes);
        pair.Reactor.Run(5);
        Assert.Equal(VolumeStatus.Ok, read.Status);
        return read.Buffer.ToArray();
    }
}
