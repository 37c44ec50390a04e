using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;
using StorageOs.Volumes;
using StorageOs.Volumes.Core;

namespace StorageOs.Storage.Tests;

/// <summary>Both copies are compared while they are in sync, and nobody's is chosen
/// silently.</summary>
public sealed class ScrubTests
{
    private static readonly GroupId Group = new(0);

    [Fact]
    [Raises("scrub-repaired")]
    public void ADifferenceIsRepairedWhenItIsKnownWhatBothWere()
    {
        using TestPair pair = Written();
        Pass(pair);
        Assert.Equal(0, Number(pair, "repaired") + Number(pair, "unresolved"));
        Assert.Empty(pair.A.Vetoes.All);
        pair.B.Disk.Bytes[140_000] ^= 16;
        Pass(pair);
        Assert.Equal((1, 0), (Number(pair, "repaired"), Number(pair, "unresolved")));
        pair.Reactor.Run(300);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
        Pass(pair);
        Assert.Equal((1, 0), (Number(pair, "repaired"), Number(pair, "unresolved")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Raises("scrub-unresolved")]
    public void ADifferenceIsReportedAndLeftAloneWhenItCannotBeTold(bool ours)
    {
        using TestPair pair = Written();
        if (ours)
        {
            Pass(pair); // What both were is known, and this node's is not that any more.
        }

        TestDisk spoiled = ours ? pair.A.Disk : pair.B.Disk;
        spoiled.Bytes[140_000] ^= 16;
        Pass(pair);
        Assert.Equal((0, 1), (Number(pair, "repaired"), Number(pair, "unresolved")));
        JsonNode at = Scrub(pair)["unresolvedAt"]![0]!;
        Assert.Equal("vol0", $"{at["volume"]}");
        Assert.InRange(140_000, at["offset"]!.GetValue<long>(),
            at["offset"]!.GetValue<long>() + at["length"]!.GetValue<long>());
        Assert.NotEqual(pair.A.Disk.Bytes, pair.B.Disk.Bytes);

        // A planned move would let clients read the other side's: not without a person's word.
        HandoverVeto veto = Assert.Single(pair.A.Vetoes.All);
        Assert.Equal(Group, veto.Group);
        Assert.Contains("differ", veto.Why, StringComparison.Ordinal);
        Assert.Empty(pair.B.Vetoes.All);
        pair.A.Disk.Bytes.CopyTo(pair.B.Disk.Bytes, 0); // A person has looked.
        Pass(pair);
        Assert.Empty(pair.A.Vetoes.All);
    }

    [Fact]
    [Raises("scrub-unreadable", "scrub-passed")]
    public void WhatTheOwnerCannotReadIsReportedAndTheRestCompared()
    {
        using TestPair pair = Written();
        Pass(pair);
        pair.A.Disk.UnreadableAt = 70_000;
        pair.B.Disk.Bytes[140_000] ^= 16;
        Pass(pair);
        Assert.Equal((1, 1), (Number(pair, "repaired"), Number(pair, "unresolved")));
        Assert.Empty(pair.A.Vetoes.All); // The partner's copy may be the better one.
    }

    [Fact]
    public void ClientsWriteOnAndNothingTheyWroteIsTakenForADifference()
    {
        using TestPair pair = Written();
        Random random = new(3);
        Assert.Equal("", pair.A.Store.Scrub(Group));
        pair.A.Port!.Held = false;
        for (int i = 0; i < 400; i++)
        {
            pair.A.Port.Held = random.Next(3) == 0;
            pair.A.Port.Carry(pair.A.Port.Held ? 0 : int.MaxValue);
            TestRequest.Write(pair.A.Volume, random.Next(250_000), LogTests.Bytes(4096, (byte)i));
            pair.A.Volume.Commit();
            pair.Reactor.Run(3);
            _ = i % 50 != 0 ? "" : pair.A.Store.Scrub(Group);
        }

        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        Pass(pair);
        Assert.Equal((0, 0), (Number(pair, "repaired"), Number(pair, "unresolved")));
        Assert.True(Number(pair, "passes") > 1);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    /// <summary>
    /// A part of it is in the log, the rest is held for a move: a repair must not put what was
    /// there before behind that part.
    /// </summary>
    [Fact]
    public void AWriteThatIsHeldHalfWrittenIsNotTakenBackByARepair()
    {
        using TestPair pair = Written();
        Pass(pair); // What both were is known.
        pair.B.Disk.Bytes[1000] ^= 16;
        pair.A.HeldWorkers.Add("group0-flush");
        while (pair.A.Log.Summary.Tail.Value - pair.A.Log.Summary.Head.Value < 850_000)
        {
            TestRequest.Write(pair.A.Volume, 254_000, LogTests.Bytes(4096, 1));
            pair.A.Volume.Commit();
        }

        pair.Reactor.Run(200);
        Assert.Equal("", pair.A.Store.Scrub(Group));
        AwaitComparison(pair);
        AwaitComparison(pair); // It looks again, and this time repairs.
        pair.B.HeldWorkers.Add("group0-flush");
        byte[] data = LogTests.Bytes(200_000, 9);
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, data);
        pair.A.Volume.Commit();
        Assert.InRange(write.Progress, 1, data.Length - 1);
        Task<bool> drain = pair.Reactor.Start(async () =>
        {
            await pair.A.Store.DrainAsync(Group, default);
            return true;
        });
        pair.A.ReleaseWorkers();
        pair.Reactor.Run(300);
        pair.B.ReleaseWorkers();
        pair.Reactor.Run(300);
        Assert.True(drain.IsCompletedSuccessfully);
        Assert.Null(write.Status);
        pair.A.Store.Resume(Group); // The move came to nothing.
        pair.Reactor.Run(3000);
        Assert.Equal(VolumeStatus.Ok, write.Status);
        Assert.Equal(data, pair.A.Disk.Bytes[..data.Length]);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    [Fact]
    public void OnlyAnOwnerInSyncScrubsAndSaysSo()
    {
        using TestPair pair = Written();
        Assert.Contains("only an owner in sync", pair.B.Store.Scrub(Group),
            StringComparison.Ordinal);
        pair.B.Crash();
        pair.Disconnect();
        pair.GoAlone(pair.A);
        pair.Reactor.Run(20);
        Assert.Contains("only an owner in sync", pair.A.Store.Scrub(Group),
            StringComparison.Ordinal);
        Assert.Equal("NotHere", $"{Scrub(pair)["state"]}");
    }

    [Fact]
    public void TheOldestExtentsAgeIsThatOfTheOneThatWaitsLongest()
    {
        Instant start = new(0);
        ScrubPlan plan = new([10 * 4096, 0, 4096], 8192, start);
        Assert.Equal(6, plan.Parts);
        Instant now = start;
        for (int pass = 0; pass < 2; pass++)
        {
            plan.Begin();
            for (int part = 0; plan.Next(out Extent extent); part++)
            {
                Assert.Equal(part == 5 ? (2, 0L, 4096L) : (0, part * 8192L, 8192L),
                    (extent.Volume, extent.Offset, extent.Length));
                now += TimeSpan.FromSeconds(1);
                Assert.Equal(ScrubVerdict.Equal, plan.Take(7, false, now));
                double oldest = (plan.Oldest - start).TotalSeconds;
                Assert.Equal(pass == 0 ? (part == 5 ? 1 : 0) : part == 5 ? 7 : part + 2, oldest);
            }
        }

        plan.Begin();
        Assert.Equal(ScrubVerdict.LookAgain, plan.Take(7, true, now));
        Assert.Equal(ScrubVerdict.OursIsGood, plan.Take(7, true, now));
        Assert.Equal(ScrubVerdict.LookAgain, plan.Take(9, true, now));
        Assert.Equal(ScrubVerdict.OursChanged, plan.Take(9, true, now));
        plan.Wrote(0, 16_384, 1);
        Assert.Equal(ScrubVerdict.LookAgain, plan.Take(7, true, now));
        Assert.Equal(ScrubVerdict.CannotTell, plan.Take(7, true, now));
    }

    private static TestPair Written()
    {
        TestPair pair = TestPair.InSync();
        byte[] data = new byte[200_000];
        new Random(1).NextBytes(data);
        TestRequest.Write(pair.A.Volume, 0, data);
        pair.A.Volume.Commit();
        pair.Reactor.Run(300);
        return pair;
    }

    private static void Pass(TestPair pair)
    {
        Assert.Equal("", pair.A.Store.Scrub(Group));
        pair.Reactor.Run(3000);
        Assert.Equal("Waiting", $"{Scrub(pair)["state"]}");
    }

    private static void AwaitComparison(TestPair pair)
    {
        Lsn before = pair.A.Log.Summary.Tail;
        for (int i = 0; i < 1000 && pair.A.Log.Summary.Tail == before; i++)
        {
            pair.Reactor.Run(1);
        }

        Assert.NotEqual(before, pair.A.Log.Summary.Tail);
    }

    private static JsonNode Scrub(TestPair pair) => pair.A.Store.Report()![0]!["scrub"]!;

    private static long Number(TestPair pair, string key) =>
        Scrub(pair)[key]!.GetValue<long>();
}
