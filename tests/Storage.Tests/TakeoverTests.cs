using StorageOs.Contracts.Services;
using StorageOs.Storage.Tests.Harness;

namespace StorageOs.Storage.Tests;

public sealed class TakeoverTests
{
    [Fact]
    public void S4_WhatWasAcknowledgedSurvivesTheOwnerAtEveryPost()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            Run(seed);
        }
    }

    /// <summary>
    /// Whoever is told that a volume is served may read it in that very call: what was acknowledged
    /// and is in the log alone must be there, and no hole.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void L1_WhoReadsWhenToldThatItServesFindsWhatIsInTheLogAlone(bool dies)
    {
        using TestPair pair = TestPair.InSync();
        byte[] data = LogTests.Bytes(8192, 7);
        TestRequest write = TestRequest.Write(pair.A.Volume, 4096, data);
        pair.A.Volume.Commit();
        pair.Reactor.Drain();
        Assert.Equal(VolumeStatus.Ok, write.Status);
        Assert.Equal(0, pair.B.Disk.Changes);
        TestRequest? read = null;
        bool? hole = null;
        pair.B.Store.ServingChanged += () =>
        {
            read ??= TestRequest.Read(pair.B.Volume, 4096, data.Length);
            pair.B.Volume.Extents(4096, data.Length, (_, zeros) => hole |= zeros);
            hole ??= false;
        };
        if (dies)
        {
            pair.A.Crash();
            pair.Disconnect();
            pair.TakeOver(pair.B);
        }
        else
        {
            pair.A.Log.StepDown();
            pair.B.Log.Fence();
            pair.Join(pair.B, pair.A, format: false);
        }

        pair.Reactor.Run(5);
        Assert.Equal(VolumeStatus.Ok, read?.Status);
        Assert.Equal(data, read!.Buffer.ToArray());
        Assert.False(hole);
    }

    /// <summary>Writes, trims and lets time pass; the owner dies with its last post torn.</summary>
    private static void Run(int seed)
    {
        Random random = new(seed);
        using TestPair pair = TestPair.InSync();
        TestNode owner = pair.A;
        byte[] model = new byte[TestNode.VolumeBytes];
        bool[] unknown = new bool[model.Length];
        for (int round = 0; round < 40; round++)
        {
            int length = random.Next(1, 40_000);
            int offset = random.Next(model.Length - length);
            byte[] data = new byte[length];
            random.NextBytes(data);
            TestRequest write = TestRequest.Write(owner.Volume, offset, data);
            owner.Volume.Commit();
            pair.Reactor.Run(random.Next(30));
            Assert.Equal(VolumeStatus.Ok, write.Status);
            data.CopyTo(model, offset);
        }

        owner.Port!.Held = true;
        int last = random.Next(model.Length - 4096);
        TestRequest lost = TestRequest.Write(owner.Volume, last, LogTests.Bytes(4096, 9));
        owner.Volume.Commit();
        owner.Port.Carry(random.Next(3));
        pair.Reactor.Drain();
        Array.Fill(unknown, lost.Status is null, last, 4096);
        LogTests.Bytes(4096, 9).CopyTo(model, last);
        owner.Port.Tear(random.Next(5000));
        owner.Crash();
        pair.Disconnect();
        TestRequest? first = null;
        pair.B.Store.ServingChanged += () =>
            first ??= TestRequest.Read(pair.B.Volume, 0, model.Length);
        pair.TakeOver(pair.B);
        Assert.False(pair.B.Log.Summary.Forgot, $"seed {seed}: {pair.B.Log.Summary.ForgotWhy}");
        pair.Reactor.Run(random.Next(100));
        TestRequest later = TestRequest.Read(pair.B.Volume, 0, model.Length);
        pair.Reactor.Run(5);
        ExpectAll(first!, model, unknown, $"seed {seed}, when it was told");
        ExpectAll(later, model, unknown, $"seed {seed}");
    }

    private static void ExpectAll(TestRequest read, byte[] model, bool[] unknown, string what)
    {
        Assert.Equal(VolumeStatus.Ok, read.Status);
        byte[] got = read.Buffer.ToArray();
        int differs = Enumerable.Range(0, got.Length)
            .FirstOrDefault(i => !unknown[i] && got[i] != model[i], -1);
        Assert.True(differs < 0, $"{what}: byte {differs} differs");
    }
}
