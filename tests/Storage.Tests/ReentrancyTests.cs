using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NvramMirror;
using StorageOs.Storage.Tests.Harness;

namespace StorageOs.Storage.Tests;

/// <summary>Clients that call the volumes from within what the volumes call.</summary>
public sealed class ReentrancyTests
{
    /// <summary>The log's space is free when the partner is lost that had to hear of it.</summary>
    [Fact]
    public void L4_WhoWaitsForRoomGetsItWhenTheStalePartnerIsLost()
    {
        using TestPair pair = TestPair.InSync();
        pair.B.Crash();
        pair.Disconnect();
        pair.GoAlone(pair.A);
        pair.B.Boot();
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Run(1);
        Assert.True(pair.Reactor.Await(() => pair.A.Log.PushAsync(pair.Term, format: true)));
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
}
