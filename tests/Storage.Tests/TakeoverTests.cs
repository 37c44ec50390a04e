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
        pair.TakeOver(pair.B);
        Assert.False(pair.B.Log.Summary.Forgot, $"seed {seed}: {pair.B.Log.Summary.ForgotWhy}");
        pair.Reactor.Run(random.Next(100));
        TestRequest read = TestRequest.Read(pair.B.Volume, 0, model.Length);
        pair.Reactor.Run(5);
        Assert.Equal(VolumeStatus.Ok, read.Status);
        byte[] got = read.Buffer.ToArray();
        int differs = Enumerable.Range(0, got.Length)
            .FirstOrDefault(i => !unknown[i] && got[i] != model[i], -1);
        Assert.True(differs < 0, $"seed {seed}: byte {differs} differs");
    }
}
