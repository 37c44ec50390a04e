using System.Diagnostics;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tests;

/// <summary>Over TCP the partner's process takes part: stopped, killed, and back again.</summary>
public sealed class TcpProcessTests
{
    [Fact]
    public void Nothing_completes_while_the_partner_is_stopped_and_everything_once_after()
    {
        using PeerProcess peer = new(tcp: true);
        using IRegion local = peer.Transport.Map(
            new RegionNeed("local", Size.Page, RemoteAccess.Read));
        IWellKnownPort wellKnown = peer.WellKnown;
        peer.Stop();
        Completion[] some = new Completion[8];
        const ulong Posts = 40;
        for (ulong token = 0; token < Posts; token++)
        {
            Assert.True(token % 2 == 0
                ? wellKnown.Port.TryPostRead(token, local, 0, wellKnown.PartnerPage, 0, 64)
                : wellKnown.Port.TryPostWriteWord(token, token, wellKnown.PartnerInbox, 0));
        }

        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(0, wellKnown.Port.Poll(some));
            Thread.Sleep(2);
        }

        Assert.Equal(WellKnownState.Connected, wellKnown.Poll());
        peer.Continue();
        ulong next = 0;
        PeerProcess.Await(() =>
        {
            int count = wellKnown.Port.Poll(some);
            foreach (Completion done in some.AsSpan(0, count))
            {
                Assert.Equal(new Completion(next++, CompletionStatus.Success), done);
            }

            return next == Posts;
        });
        Assert.Equal(77, local.Bytes[0]);
    }

    [Fact]
    public void A_killed_partner_is_gone_at_once_and_comes_back_under_its_address()
    {
        using PeerProcess peer = new(tcp: true);
        for (int round = 0; round < 3; round++)
        {
            IPort port = peer.WellKnown.Port;
            int rung = peer.Changes;
            long start = Stopwatch.GetTimestamp();
            peer.Kill();
            PeerProcess.Await(() => port.State == PortState.PartnerGone);
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(1));
            PeerProcess.Await(() => peer.Changes > rung);
            Assert.Equal(WellKnownState.Failed, peer.WellKnown.Poll());
            Assert.False(port.PartnerExited); // An exit and a lost link look the same.
            Assert.True(port.TryPostWriteWord(1, 1, peer.WellKnown.PartnerInbox, 0));
            Completion[] one = new Completion[1];
            Assert.Equal(1, port.Poll(one));
            Assert.Equal(CompletionStatus.PartnerGone, one[0].Status);
            peer.Restart();
        }
    }

    [Fact]
    public void A_writer_in_another_process_changes_nothing_after_the_revocation()
    {
        using PeerProcess peer = new(tcp: true);
        for (int round = 0; round < 10; round++)
        {
            using IRegion target = peer.Transport.Map(
                new RegionNeed("log", PeerProcess.RegionBytes, RemoteAccess.Write));
            using IPort port = peer.StartWriting(target);
            PeerProcess.Await(() => Volatile.Read(ref target.Bytes[^1]) != 0);
            Thread.SpinWait(round * 20_000);
            target.Revoke();
            byte[] snapshot = target.Bytes.ToArray();
            Assert.True(target.ProbeRevoked());
            (ulong completed, CompletionStatus status) = peer.ReadEnd();
            Assert.Equal(CompletionStatus.RemoteAccessError, status);
            Assert.True(snapshot.AsSpan().SequenceEqual(target.Bytes), "a late byte landed");
            byte last = (byte)((completed % 4) + 1);
            byte next = (byte)(((completed + 1) % 4) + 1);
            Assert.False(snapshot.AsSpan().ContainsAnyExcept(last, next), "other bytes");
        }
    }
}
