using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;

namespace StorageOs.Storage.Tests;

public sealed class LogTests
{
    [Fact]
    public void L1_ReadWaitsUntilTheWriteIsInBothCopies()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.Held = true;
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, Bytes(4096, 7));
        pair.A.Volume.Commit();
        Assert.Null(write.Status);
        TestRequest early = TestRequest.Read(pair.A.Volume, 0, 4096);
        Assert.Null(early.Status); // S5: no beat has come back.
        pair.A.Port.Held = false;
        pair.A.Port.Carry();
        pair.Reactor.Run(1);
        Assert.Equal(VolumeStatus.Ok, write.Status);
        Assert.Equal(VolumeStatus.Ok, early.Status);
        TestRequest late = TestRequest.Read(pair.A.Volume, 0, 4096);
        Assert.Equal(Bytes(4096, 7), late.Buffer.ToArray());
    }

    [Fact]
    public void L1_AReadProvedBeforeTheTailLandedDoesNotSeeTheWrite()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.Held = true;
        TestRequest read = TestRequest.Read(pair.A.Volume, 0, 4096);
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, Bytes(4096, 7));
        pair.A.Volume.Commit();
        pair.A.Port.Carry(1); // The beat.
        pair.Reactor.Drain();
        Assert.Equal(VolumeStatus.Ok, read.Status);
        Assert.Null(write.Status);
        Assert.Equal(new byte[4096], read.Buffer.ToArray());
    }

    [Fact]
    public void S1_S5_PartnerGoneFreezesAndAnswersNothingUntilDecided()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.Held = true;
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, Bytes(4096, 1));
        pair.A.Volume.Commit();
        TestRequest read = TestRequest.Read(pair.A.Volume, 0, 4096);
        pair.B.Crash();
        pair.Disconnect();
        TestRequest later = TestRequest.Write(pair.A.Volume, 4096, Bytes(4096, 2));
        pair.A.Volume.Commit();
        pair.Reactor.Run(200);
        Assert.Equal(LogRole.Frozen, pair.A.Log.Role);
        Assert.True(pair.A.Log.PartnerFailed);
        Assert.Null(write.Status);
        Assert.Null(read.Status);
        Assert.Null(later.Status);
        pair.GoAlone(pair.A);
        pair.Reactor.Drain();
        Assert.Equal(VolumeStatus.Ok, write.Status);
        Assert.Equal(VolumeStatus.Ok, read.Status);
        Assert.Equal(VolumeStatus.Ok, later.Status);
    }

    [Fact]
    public void AWriteThatFailedInOneSessionIsMirroredInTheNext()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.Held = true;
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, Bytes(4096, 1));
        pair.A.Volume.Commit();
        pair.Disconnect();
        Assert.True(pair.A.Log.PartnerFailed);
        pair.B.Log.StepDown();
        pair.Connect();
        Assert.False(pair.A.Log.PartnerFailed); // Else its owner would call a good copy stale.
        pair.Join(pair.A, pair.B, format: false);
        pair.Reactor.Run(10);
        Assert.Equal(VolumeStatus.Ok, write.Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ACopyThatCannotBeReclaimedNowIsOfferedLater(bool steppedDown)
    {
        using TestPair pair = TestPair.InSync();
        pair.Disconnect();
        pair.B.LogRegion.ProbeFails = true;
        if (steppedDown)
        {
            pair.B.Log.StepDown();
        }

        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Run(10);
        Assert.False(pair.A.Log.PartnerOffered);
        Assert.Contains("a completion", pair.B.Inner.Report().ToJsonString(),
            StringComparison.Ordinal);

        pair.B.LogRegion.ProbeFails = false;
        pair.Reactor.Run(31_000);
        pair.Join(pair.A, pair.B, format: false);
    }

    /// <summary>Memory that a card does not take now costs the offer, not the module.</summary>
    [Fact]
    [Raises("log-not-offered")]
    public void ACopyThatCannotBeOfferedNowIsOfferedLater()
    {
        using TestPair pair = TestPair.InSync();
        pair.Disconnect();
        pair.B.Log.StepDown();
        pair.B.OfferFails = true;
        pair.Connect();
        pair.B.Log.BecomePassive();
        pair.Reactor.Run(10);
        Assert.False(pair.A.Log.PartnerOffered);
        Assert.Contains("ibv_reg_mr", pair.B.Inner.Report().ToJsonString(),
            StringComparison.Ordinal);

        pair.B.OfferFails = false;
        pair.Reactor.Run(31_000);
        pair.Join(pair.A, pair.B, format: false);
    }

    /// <summary>
    /// A card that was pulled wakes nobody any more: the session is over, the log goes on alone.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ACardThatWasPulledCostsTheSessionAndNothingElse(bool whenGranted)
    {
        using TestPair pair = TestPair.InSync();
        pair.Disconnect();
        pair.B.Log.StepDown();
        TestChannelPort port = new() { CardGone = whenGranted };
        pair.Connect(port, new TestPort());
        Assert.Equal(whenGranted ? 1 : 0, pair.A.Reconnects.Count);
        if (!whenGranted)
        {
            pair.Join(pair.A, pair.B, format: false);
            pair.Reactor.Readable();
            Assert.Equal(2, port.Armed);
            port.CardGone = true;
            pair.Reactor.Readable();
            Assert.Equal(LogRole.Frozen, pair.A.Log.Role);
            pair.Reactor.Readable(); // Watched no longer.
        }

        Assert.Contains("ibv_req_notify_cq", Assert.Single(pair.A.Reconnects),
            StringComparison.Ordinal);
        pair.Disconnect();
        pair.GoAlone(pair.A);
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, Bytes(4096, 7));
        pair.A.Volume.Commit();
        pair.Reactor.Run(100);
        Assert.Equal(VolumeStatus.Ok, write.Status);
    }

    [Fact]
    public void S5_OneBeatServesAllThatWait()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.Held = true;
        List<TestRequest> reads =
            [.. Enumerable.Range(0, 50).Select(_ => TestRequest.Read(pair.A.Volume, 0, 512))];
        Assert.Equal(1, pair.A.Port.Waiting);
        pair.A.Port.Carry(1);
        pair.Reactor.Drain();
        Assert.Single(reads, r => r.Status is not null); // Posted before the others came.
        pair.A.Port.Carry(1);
        pair.Reactor.Drain();
        Assert.All(reads, r => Assert.Equal(VolumeStatus.Ok, r.Status));
    }

    [Fact]
    public void S8_StepDownAnswersNotOwner()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Port!.Held = true;
        TestRequest write = TestRequest.Write(pair.A.Volume, 0, Bytes(4096, 1));
        pair.A.Volume.Commit();
        TestRequest read = TestRequest.Read(pair.A.Volume, 0, 4096);
        pair.A.Log.StepDown();
        Assert.Equal(VolumeStatus.NotOwner, write.Status);
        Assert.Equal(VolumeStatus.NotOwner, read.Status);
    }

    [Fact]
    public void GroupCommitSharesOneTailWrite()
    {
        using TestPair pair = TestPair.InSync();
        int before = pair.A.Port!.Carried;
        for (int i = 0; i < 32; i++)
        {
            TestRequest.Write(pair.A.Volume, i * 4096, Bytes(4096, 1));
        }

        pair.A.Volume.Commit();
        Assert.Equal(2, pair.A.Port.Carried - before); // All records in one, and the tail.
    }

    [Fact]
    public void L7_AChangedBootOfTheMachineMeansForgot()
    {
        using TestPair pair = TestPair.InSync();
        pair.A.Crash();
        pair.A.MachineBootId = "boot-2";
        pair.A.Boot();
        Assert.True(pair.A.Log.Summary.Forgot);
        Assert.Contains("booted", pair.A.Log.Summary.ForgotWhy, StringComparison.Ordinal);
    }

    [Fact]
    public void L7_AFreshCopyForgotAndSoDoesALostOne()
    {
        using TestPair pair = TestPair.InSync();
        Assert.False(pair.A.Log.Summary.Forgot);
        pair.A.Crash();
        pair.A.Nvram.AsSpan(0, 4096).Clear();
        pair.A.Boot();
        Assert.True(pair.A.Log.Summary.Forgot);
        Assert.Contains("magic", pair.A.Log.Summary.ForgotWhy, StringComparison.Ordinal);
    }

    internal static byte[] Bytes(int length, byte value)
    {
        byte[] bytes = new byte[length];
        Array.Fill(bytes, value);
        return bytes;
    }
}
