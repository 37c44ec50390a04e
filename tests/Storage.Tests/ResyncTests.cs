using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;

namespace StorageOs.Storage.Tests;

/// <summary>S11: a stale partner is copied to, compared with, and only then in sync.</summary>
public sealed class ResyncTests
{
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

    /// <summary>B was away and is back: its log was made anew and it is copied to.</summary>
    private static TestPair Stale()
    {
        TestPair pair = TestPair.InSync();
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
        pair.B.Boot();
        pair.Connect();
        return pair;
    }

    private static Task<bool> StartCopy(TestPair pair)
    {
        pair.B.Log.BecomePassive();
        pair.Reactor.Run(1);
        Assert.True(pair.Reactor.Await(() => pair.A.Log.PushAsync(pair.Term, format: true)));
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: false);
        Assert.Equal(LogRole.Resyncing, pair.A.Log.Role);
        return pair.Reactor.Start(
            () => pair.A.Store.ResyncAsync(new GroupId(0), pair.Copied, default));
    }

    private static bool Copy(TestPair pair)
    {
        Task<bool> copy = StartCopy(pair);
        pair.Reactor.Run(5000);
        return Ended(copy);
    }

    private static bool Ended(Task<bool> copy)
    {
        Assert.True(copy.IsCompletedSuccessfully, "the copy has not ended");
        return copy.Result;
    }

    private static void Mirrored(TestPair pair)
    {
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: true);
        pair.A.Log.ClearForgot();
        pair.B.Log.ClearForgot();
        pair.Reactor.Run(300);
        Assert.True(pair.A.Log.PartnerHoldsAll);
    }

    private static byte[] Content(TestPair pair, TestNode node)
    {
        TestRequest read = TestRequest.Read(node.Volume, 0, (int)TestNode.VolumeBytes);
        pair.Reactor.Run(5);
        Assert.Equal(VolumeStatus.Ok, read.Status);
        return read.Buffer.ToArray();
    }
}
