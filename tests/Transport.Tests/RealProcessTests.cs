using System.Diagnostics;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tests;

/// <summary>
/// What only a partner in another process can show: stopped inside a copy, killed.
/// </summary>
public sealed class RealProcessTests
{
    [Fact]
    public void A_writer_stopped_inside_a_copy_changes_nothing_after_the_reclaim()
    {
        using PeerProcess peer = new();
        Random random = new(11);
        int stoppedInside = 0;
        for (int round = 0; round < 40 && stoppedInside < 3; round++)
        {
            using IRegion target = peer.Transport.Map(
                new RegionNeed("log", PeerProcess.RegionBytes, RemoteAccess.Write));
            using IPort port = peer.StartWriting(target);
            PeerProcess.Await(() => Volatile.Read(ref target.Bytes[^1]) != 0);
            Thread.SpinWait(random.Next(200_000));
            peer.Stop();
            Assert.Equal(PortState.Open, port.State);
            target.Revoke();
            Assert.True(target.ProbeRevoked());
            target.Reclaim([new ByteRange(0, target.Length)]);
            byte[] snapshot = target.Bytes.ToArray();
            peer.Continue();
            (ulong completed, CompletionStatus status) = peer.ReadEnd();
            Assert.Equal(CompletionStatus.RemoteAccessError, status);
            Assert.True(snapshot.AsSpan().SequenceEqual(target.Bytes), "a late byte landed");
            stoppedInside += CheckPatterns(snapshot, completed) ? 1 : 0;
        }

        Assert.True(stoppedInside > 0, "no round stopped the writer inside a copy");
    }

    [Fact]
    public void A_stopped_partner_shows_nothing_and_its_memory_answers()
    {
        using PeerProcess peer = new();
        peer.Stop();
        using IRegion local = peer.Transport.Map(
            new RegionNeed("local", Size.Page, RemoteAccess.Read));
        Completion[] one = new Completion[1];
        IWellKnownPort wellKnown = peer.WellKnown;
        for (ulong token = 0; token < 10_000; token++)
        {
            Assert.True(wellKnown.Port.TryPostRead(
                token, local, 0, wellKnown.PartnerPage, 0, 64));
            Assert.Equal(1, wellKnown.Port.Poll(one));
            Assert.Equal(new Completion(token, CompletionStatus.Success), one[0]);
            Assert.True(wellKnown.Port.TryPostWriteWord(
                token, token, wellKnown.PartnerInbox, 0));
            Assert.Equal(1, wellKnown.Port.Poll(one));
            Assert.Equal(CompletionStatus.Success, one[0].Status);
        }

        Assert.Equal(77, local.Bytes[0]);
        Assert.Equal(WellKnownState.Connected, wellKnown.Poll());
        peer.Continue();
    }

    [Fact]
    public void A_killed_partner_is_gone_at_once_and_comes_back_under_its_address()
    {
        using PeerProcess peer = new();
        TimeSpan best = TimeSpan.MaxValue;
        for (int round = 0; round < 3; round++)
        {
            IPort port = peer.WellKnown.Port;
            long start = Stopwatch.GetTimestamp();
            peer.Kill();
            PeerProcess.Await(() => port.State == PortState.PartnerGone);
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            best = took < best ? took : best;
            Assert.Equal(WellKnownState.Failed, peer.WellKnown.Poll());
            Assert.True(port.TryPostWriteWord(1, 1, peer.WellKnown.PartnerInbox, 0));
            Completion[] one = new Completion[1];
            Assert.Equal(1, port.Poll(one));
            Assert.Equal(CompletionStatus.PartnerGone, one[0].Status);
            peer.Restart();
        }

        Assert.True(best < TimeSpan.FromMilliseconds(100), $"took {best.TotalMilliseconds} ms");
    }

    /// <summary>
    /// Every page is what the last successful write left, or what the failed one after it had put
    /// there in time; a success that is not in the snapshot fails. Whether both kinds are there.
    /// </summary>
    private static bool CheckPatterns(byte[] snapshot, ulong completed)
    {
        byte last = (byte)((completed % 4) + 1);
        byte next = (byte)(((completed + 1) % 4) + 1);
        int lasts = 0;
        int nexts = 0;
        for (int at = 0; at < snapshot.Length; at += Size.Page / 8)
        {
            Assert.True(
                snapshot[at] == last || snapshot[at] == next,
                $"{completed} writes succeeded, byte {at} is {snapshot[at]}");
            lasts += snapshot[at] == last ? 1 : 0;
            nexts += snapshot[at] == next ? 1 : 0;
        }

        return lasts > 0 && nexts > 0;
    }
}
