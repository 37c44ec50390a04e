using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NvramMirror;
using StorageOs.Storage.Tests.Harness;

namespace StorageOs.Storage.Tests;

/// <summary>Clients that call the volumes from within what the volumes call.</summary>
public sealed class ReentrancyTests
{
    private static readonly GroupId Group = new(0);

    /// <summary>Whoever throws when told that a volume is served hinders nobody else.</summary>
    [Fact]
    public void S6_ATakeoverIsCompleteAlsoWhenSomebodyWhoIsToldOfItThrows()
    {
        using TestPair pair = TestPair.InSync();
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(4096, 7));
        pair.A.Volume.Commit();
        pair.Reactor.Drain();
        Assert.Equal(VolumeStatus.Ok, write.Status);
        int told = 0;
        TestModule module = new(pair.Reactor);
        module.Call(() => pair.B.Store.ServingChanged += () =>
        {
            TestRequest.Read(pair.B.Volume, 0, 4096);
            throw new TimeZoneNotFoundException();
        });
        pair.B.Store.ServingChanged += () => told++;
        pair.A.Crash();
        pair.Disconnect();
        pair.B.Log.Fence();
        pair.Swapped(pair.B, SyncState.Stale);
        pair.B.Log.ServeAlone(pair.Term);
        Assert.Equal(1, told);
        pair.Reactor.Drain();
        Assert.IsType<TimeZoneNotFoundException>(Assert.Single(module.Faults));
        TestRequest read = TestRequest.Read(pair.B.Volume, 0, 4096);
        pair.Reactor.Run(5);
        Assert.Equal(write.Buffer.ToArray(), read.Buffer.ToArray());
        pair.B.Log.StepDown();
        pair.Reactor.Drain();
        Assert.Equal(2, told);
        Assert.Single(module.Faults); // It is told no more.
    }

    /// <summary>The same of the log, which tells of one thing after the other.</summary>
    [Fact]
    public void S6_ATakeoverIsCompleteAlsoWhenSomebodyWhoListensToTheLogThrows()
    {
        using TestPair pair = TestPair.InSync();
        TestModule module = new(pair.Reactor);
        int told = 0;
        module.Call(() => pair.B.Log.Changed += () => throw new TimeZoneNotFoundException());
        pair.B.Log.Changed += () => told++;
        pair.B.Log.Advanced += () => told += 10;
        pair.A.Crash();
        pair.Disconnect();
        pair.Swapped(pair.B, SyncState.Stale);
        told = 0;
        pair.B.Log.Fence();
        pair.B.Log.ServeAlone(pair.Term);
        Assert.Equal(12, told);
        pair.Reactor.Drain();
        Assert.IsType<TimeZoneNotFoundException>(Assert.Single(module.Faults));
    }

    /// <summary>Whoever throws when answered takes nobody else's answer away.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void S8_EachRequestIsAnsweredAlsoWhenOneThrowsWhenItIs(bool lost)
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.Held = true;
        TestModule module = new(pair.Reactor);
        TestRequest[] all = new TestRequest[8];
        for (int i = 0; i < all.Length; i++)
        {
            int number = i;
            all[i] = new() { Answered = _ => Throw(number < 3) };
            _ = i % 4 == 3 ? all[i].ToRead(0, 4096) : ToWrite(all[i], i * 4096);
            module.Call(() => pair.A.Volume.Submit(all[number]));
        }

        pair.A.Volume.Commit();
        Task<bool> drain = pair.Reactor.Start(async () =>
        {
            await pair.A.Store.DrainAsync(Group, default);
            return true;
        });
        TestRequest held = TestRequest.Read(pair.A.Volume, 0, 4096);
        if (lost)
        {
            pair.A.Log.StepDown();
        }

        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        pair.Reactor.Run(5);
        Assert.Equal(3, module.Faults.Count);
        Assert.All(all, one => Assert.Equal(
            lost ? VolumeStatus.NotOwner : VolumeStatus.Ok, one.Status));
        Assert.True(drain.IsCompletedSuccessfully);
        Assert.Equal(lost ? VolumeStatus.NotOwner : null, held.Status);
    }

    /// <summary>Who asks again from each answer comes to an end when the volumes do.</summary>
    [Fact]
    public void S8_WhatIsSubmittedWhileTheVolumesStopIsRefusedAndNothingIsLeftUnanswered()
    {
        using TestPair pair = TestPair.InSync();
        TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(4096, 7));
        pair.A.Volume.Commit();
        pair.Reactor.Run(100);
        pair.A.Port!.Held = true;
        IVolume volume = pair.A.Volume;
        List<TestRequest> all = [];
        void Submit(VolumeOperation operation, int more)
        {
            TestRequest one = new()
            {
                Answered = _ =>
                {
                    if (more > 0)
                    {
                        Submit(operation, more - 1);
                        volume.Commit();
                    }
                },
            };
            all.Add(one);
            (one.Operation, one.Length, one.Buffer) = (operation, 4096, new byte[4096]);
            volume.Submit(one);
        }

        Submit(VolumeOperation.Write, 5);
        Submit(VolumeOperation.Read, 5);
        Submit(VolumeOperation.Flush, 5);
        pair.A.Volume.Commit();
        Assert.True(pair.A.Store.StopAsync(default).AsTask().IsCompletedSuccessfully);
        Assert.False(volume.Served);
        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        pair.Reactor.Run(5);
        pair.A.Mirror.Dispose();
        Assert.Equal(18, all.Count);
        Assert.All(all, one => Assert.Equal(VolumeStatus.NotOwner, one.Status));
    }

    /// <summary>What waits for a proof when the log stops is answered, too.</summary>
    [Fact]
    public void S8_WhoWaitsForAProofWhenTheLogStopsIsAnswered()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.Held = true;
        List<LogOutcome> outcomes = [];
        pair.A.Log.Prove((_, outcome) => outcomes.Add(outcome), this);
        pair.A.Store.Dispose();
        pair.A.Mirror.Dispose();
        Assert.Equal([LogOutcome.NotOwner], outcomes);
    }

    /// <summary>
    /// Each read from the answer of the former one: neither the stack nor the turn has an end then.
    /// </summary>
    [Theory]
    [InlineData(true, VolumeOperation.Read, 4096)]
    [InlineData(true, VolumeOperation.Flush, 0)]
    [InlineData(true, VolumeOperation.Write, 0)]
    [InlineData(true, VolumeOperation.Write, 4096)]
    [InlineData(false, VolumeOperation.Read, 4096)]
    [InlineData(false, VolumeOperation.Flush, 0)]
    [InlineData(false, VolumeOperation.Write, 4096)]
    public void AChainOfRequestsNeitherNestsNorKeepsTheReactor(
        bool alone, VolumeOperation operation, int length)
    {
        using TestPair pair = TestPair.InSync();
        if (alone)
        {
            pair.B.Crash();
            pair.Disconnect();
            pair.GoAlone(pair.A);
        }

        int left = 1000;
        int depth = 0;
        int deepest = 0;
        int turn = 0;
        int inTurn = 0;
        int mostInTurn = 0;
        TestRequest request = null!;
        void Next()
        {
            request = new()
            {
                Answered = _ =>
                {
                    deepest = Math.Max(deepest, ++depth);
                    inTurn = turn == pair.Reactor.Turns ? inTurn + 1 : 1;
                    turn = pair.Reactor.Turns;
                    mostInTurn = Math.Max(mostInTurn, inTurn);
                    if (--left > 0)
                    {
                        Next();
                    }

                    depth--;
                },
            };
            (request.Operation, request.Length) = (operation, length);
            request.Buffer = new byte[length];
            pair.A.Volume.Submit(request);
            pair.A.Volume.Commit();
        }

        Next();
        pair.Reactor.Run(3000);
        Assert.Equal(0, left);
        Assert.InRange(deepest, 1, 3);
        Assert.InRange(mostInTurn, 1, 300); // Writes: what the log holds.
    }

    /// <summary>What waited goes before what is submitted when one of it is answered.</summary>
    [Fact]
    public void S14_AfterADrainWritesStayInTheOrderOfTheirSubmits()
    {
        using TestPair pair = TestPair.InSync();
        Assert.True(pair.Reactor.Await(async () =>
        {
            await pair.A.Store.DrainAsync(Group, default);
            return true;
        }));
        TestRequest? third = null;
        TestRequest read = new()
        {
            Answered = _ =>
            {
                third = TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(4096, 3));
                pair.A.Volume.Commit();
            },
        };
        pair.A.Volume.Submit(read.ToRead(0, 4096));
        TestRequest second = TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(4096, 2));
        pair.A.Volume.Commit();
        pair.A.Store.Resume(Group);
        pair.Reactor.Run(10);
        Assert.Equal(VolumeStatus.Ok, second.Status);
        Assert.Equal(VolumeStatus.Ok, third?.Status);
        TestRequest last = TestRequest.Read(pair.A.Volume, 0, 4096);
        pair.Reactor.Run(5);
        Assert.Equal(third!.Buffer.ToArray(), last.Buffer.ToArray());
    }

    /// <summary>The log's space is free when the partner is lost that had to hear of it.</summary>
    [Fact]
    public void L4_WhoWaitsForRoomGetsItWhenTheStalePartnerIsLost()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.Crash();
        pair.Disconnect();
        pair.GoAlone(pair.A);
        pair.GiveLog(pair.A, pair.B);
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: false);
        pair.A.Port!.HoldsAtWord = LogLayout.HeadWord;
        List<TestRequest> writes = [];
        for (int i = 0; i < 30; i++)
        {
            writes.Add(TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(60_000, (byte)i)));
        }

        pair.A.Volume.Commit();
        pair.Reactor.Run(3000);
        Assert.Contains(writes, write => write.Status is null);
        pair.B.Crash();
        pair.Disconnect();
        Assert.Equal(LogRole.Alone, pair.A.Log.Role);
        pair.Reactor.Run(3000);
        Assert.All(writes, write => Assert.Equal(VolumeStatus.Ok, write.Status));
    }

    /// <summary>Told that the partner's copy is lost, nobody is offered it any more.</summary>
    [Fact]
    public void S5_ACopyThatWasWithdrawnIsNotOfferedToWhoIsToldOfIt()
    {
        using TestPair pair = TestPair.InSync();
        List<bool> offered = [];
        pair.A.Log.Changed += () => offered.Add(pair.A.Log.PartnerOffered);
        pair.A.Mirror.MemoryChanged("log0", null);
        Assert.Equal(LogRole.Frozen, pair.A.Log.Role);
        Assert.DoesNotContain(true, offered);
    }

    /// <summary>Whoever hears how far a copy is may write, and give it up.</summary>
    [Fact]
    public void S11_ACopyGoesOnWhoeverWritesWhenToldHowFarItIs()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Disk.Cached = false;
        pair.B.Crash();
        pair.Disconnect();
        pair.GoAlone(pair.A);
        TestRequest.Write(pair.A.Volume, 0, LogTests.Bytes(200_000, 2));
        pair.A.Volume.Commit();
        pair.Reactor.Run(300);
        pair.GiveLog(pair.A, pair.B);
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: false);
        using CancellationTokenSource giveUp = new();
        int reports = 0;
        ((TestProgress)pair.Copied).Told = _ =>
        {
            if (++reports < 200)
            {
                TestRequest.Write(pair.A.Volume, 4096 * (reports % 20), LogTests.Bytes(4096, 3));
                pair.A.Volume.Commit();
            }

            if (reports == 3)
            {
                giveUp.Cancel();
            }
        };
        Assert.False(pair.Reactor.Await(
            () => pair.A.Store.ResyncAsync(Group, pair.Copied, giveUp.Token)));
        pair.Reactor.Run(100);
        Assert.True(pair.Reactor.Await(
            () => pair.A.Store.ResyncAsync(Group, pair.Copied, default)));
        pair.A.Log.ServeWithPartner(pair.Term, acknowledgeOnBoth: true);
        pair.Swapped(pair.A, SyncState.InSync);
        pair.Reactor.Run(300);
        Assert.Equal(pair.A.Disk.Bytes, pair.B.Disk.Bytes);
    }

    private static void Throw(bool whether)
    {
        if (whether)
        {
            throw new TimeZoneNotFoundException();
        }
    }

    private static TestRequest ToWrite(TestRequest request, long offset)
    {
        (request.Operation, request.Offset, request.Length) = (VolumeOperation.Write, offset, 4096);
        request.Buffer = LogTests.Bytes(4096, (byte)(offset / 4096));
        return request;
    }
}
