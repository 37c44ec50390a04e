using System.Diagnostics;
using StorageOs.Contracts.Services;
using StorageOs.Nbd.Host;
using StorageOs.NbdExport;

namespace StorageOs.Nbd.Tests;

/// <summary>Connections that end, hang, flood or lie.</summary>
public sealed class ConnectionTests
{
    [Fact]
    public async Task Garbage_ends_the_connection_is_logged_once_and_harms_nobody_else()
    {
        using var rig = new Rig();
        using RawClient good = RawClient.Transmitting(rig.Port);
        var random = new Random(5);
        for (int i = 0; i < 50; i++)
        {
            byte[] garbage = new byte[random.Next(20, 3000)];
            random.NextBytes(garbage);
            using RawClient bad = i % 2 == 0
                ? new RawClient(rig.Port) : RawClient.Transmitting(rig.Port);
            bad.Send(garbage);
            bad.UntilEnd();
        }

        good.Send(RawClient.Request(0, 9, 0, 512));
        Assert.Equal(9, good.Receive(16 + 512)[15]);
        await Rig.Until(() => rig.Log.Count(line => line.Contains("expected")) == 50, "50 logs");
    }

    [Fact]
    public async Task An_idle_client_is_asked_whether_it_is_still_there()
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);

        // Of the kernel's list: both ports, then the state, both queues, and 02 of a connection
        // that waits for its next keepalive.
        string ends = $":{rig.Port:X4} 0100007F:{client.Port:X4} 01 00000000:00000000 02:";
        await Rig.Until(() => File.ReadAllText("/proc/net/tcp").Contains(ends), "a keepalive");
    }

    [Fact]
    public void A_request_cut_at_any_byte_changes_nothing()
    {
        using var rig = new Rig();
        byte[] request = [.. RawClient.Request(1, 1, 0, 64), .. new byte[64]];
        for (int length = 0; length < request.Length; length += 3)
        {
            using RawClient client = RawClient.Transmitting(rig.Port);
            client.Send(request[..length]);
            client.EndSending();
            Assert.Equal(0, client.UntilEnd());
        }

        Assert.Equal(0, rig.Node.Reactor.Invoke(() => rig.Node.Volume.Requests));
    }

    [Fact]
    public void A_lost_ownership_drops_the_connection_and_answers_nothing()
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.Status = VolumeStatus.NotOwner);
        client.Send([.. RawClient.Request(0, 1, 0, 512), .. RawClient.Request(0, 2, 0, 512)]);
        Assert.Equal(0, client.UntilEnd());
    }

    [Fact]
    public async Task A_traced_write_is_told_when_it_came_and_when_its_reply_went()
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);
        TestVolume volume = rig.Node.Volume;
        client.Send([.. RawClient.Request(1, 1, 0, 512), .. new byte[512]]);
        client.Receive(16);
        long before = Stopwatch.GetTimestamp();
        rig.Node.Reactor.Invoke(() => volume.Tracing = true);
        byte[] large = new byte[1 << 20];
        client.Send([
            .. RawClient.Request(1, 2, 0, 512), .. new byte[512], .. RawClient.Request(0, 3, 0, 512),
            .. RawClient.Request(1, 4, 0, (uint)large.Length), .. large]);
        client.Receive((3 * 16) + 512);
        WriteTrace[] traces = rig.Node.Reactor.Invoke(() => volume.Traces.ToArray());
        Assert.Equal(2, traces.Length); // Of writes alone, and of none before.
        foreach (WriteTrace trace in traces)
        {
            Assert.True(trace.Ended && !trace.Dropped);
            Assert.Equal(
                ["request read", "payload received", "volume", "reply written"],
                trace.Steps.ToArray().Select(static step => step.Name));
            Assert.InRange(trace.Began, before, trace.Steps[0].Ended);
        }

        // Whose client goes is not answered, and its request serves the next untraced.
        rig.Node.Reactor.Invoke(() => volume.Frozen = true);
        client.Send([.. RawClient.Request(1, 5, 0, 512), .. new byte[512]]);
        await Rig.Until(() => rig.Node.Reactor.Invoke(() => volume.Waiting) == 1, "one waits");
        client.Dispose();
        rig.Node.Reactor.Invoke(() => volume.AnswerAll(VolumeStatus.Ok));
        await Rig.Until(
            () => rig.Node.Reactor.Invoke(() => volume.Traces[2].Dropped), "not answered");
    }

    [Theory]
    [InlineData(VolumeStatus.Ok)]
    [InlineData(VolumeStatus.NotOwner)]
    public async Task Requests_of_a_frozen_volume_wait_and_die_with_the_service(
        VolumeStatus late)
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.Frozen = true);
        client.Send([.. RawClient.Request(1, 1, 0, 4), 1, 2, 3, 4,
            .. RawClient.Request(0, 2, 0, 512)]);
        await Rig.Until(
            () => rig.Node.Reactor.Invoke(() => rig.Node.Volume.Waiting) == 2, "both wait");
        rig.Node.Own(false);
        Assert.Equal(0, client.UntilEnd());
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.AnswerAll(late));
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.Frozen = false);
        rig.Node.Own(true);
        using RawClient again = RawClient.Transmitting(rig.Port);
        again.Send(RawClient.Request(0, 3, 0, 512));
        Assert.Equal(3, again.Receive(16 + 512)[15]);
    }

    [Fact]
    public async Task Requests_of_a_frozen_volume_are_answered_once_it_thaws()
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.Frozen = true);
        byte[] requests = [.. Enumerable.Range(0, 1000)
            .SelectMany(i => RawClient.Request(0, (ulong)i, 0, 512))];
        client.Send(requests);
        int max = Limits.RequestsInFlightMax;
        await Rig.Until(() => rig.Node.Reactor.Invoke(() => rig.Node.Volume.Waiting) == max,
            "as many wait as may be in flight");
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.Frozen = false);
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.AnswerAll(VolumeStatus.Ok));
        client.Receive(1000 * (16 + 512));
    }

    [Fact]
    public void A_request_of_several_parts_is_carried_through_by_a_lone_owner()
    {
        using Rig rig = new(4L << 30);
        using RawClient client = RawClient.Transmitting(rig.Port);
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.Frozen = true);
        rig.Node.Reactor.Invoke(() => rig.Node.Volume.AnswersInCommit = true);
        client.Send(RawClient.Request(4, 7, 0, 3u << 30)); // A trim, that no other request follows.
        Assert.Equal(7, client.Receive(16)[15]);
        Assert.True(rig.Node.Reactor.Invoke(() => rig.Node.Volume.Requests) > 1);
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_not_read_from()
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);
        byte[] request = RawClient.Request(0, 1, 0, 1 << 20);
        for (int i = 0; i < 250; i++)
        {
            client.Send(request);
        }

        int Requests() => rig.Node.Reactor.Invoke(() => rig.Node.Volume.Requests);
        int seen = -1;
        await Rig.Until(() => seen == (seen = Requests()) && seen > 0, "requests stop");
        Assert.InRange(seen, 1, 150);
        client.Receive(250 * (16 + (1 << 20)));
        Assert.Equal(250, Requests());
    }

    [Fact]
    public void Requests_that_arrive_together_share_one_commit()
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);
        byte[] write = [.. RawClient.Request(1, 1, 0, 512), .. new byte[512]];
        client.Send([.. Enumerable.Repeat(write, 32).SelectMany(bytes => bytes)]);
        client.Receive(32 * 16);
        Assert.Equal(32, rig.Node.Reactor.Invoke(() => rig.Node.Volume.Requests));
        Assert.InRange(rig.Node.Reactor.Invoke(() => rig.Node.Volume.Commits), 1, 3);
    }

    [Fact]
    public void Steady_requests_allocate_nothing()
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);
        byte[] pair = [.. RawClient.Request(1, 1, 0, 4096), .. new byte[4096],
            .. RawClient.Request(0, 1, 0, 4096), .. RawClient.Request(3, 1, 0, 0)];
        long Allocated() => rig.Node.Reactor.Invoke(GC.GetAllocatedBytesForCurrentThread);
        void Work(int rounds)
        {
            for (int i = 0; i < rounds; i++)
            {
                client.Send(pair);
                client.Receive((3 * 16) + 4096);
            }
        }

        Work(200);
        long before = Allocated();
        Work(2000);

        // The smallest object has 24 bytes. What is less than one object in ten requests belongs to
        // the export's own timer, which looks for a partner meanwhile.
        double perRequest = (Allocated() - before) / 6000.0;
        Assert.True(perRequest < 2.4, $"{perRequest:0.0} bytes per request");
    }

    [Fact]
    public void One_connection_too_many_is_closed_at_once()
    {
        using var rig = new Rig();
        List<RawClient> clients = [];
        for (int i = 0; i < Limits.ConnectionsMax; i++)
        {
            clients.Add(RawClient.Transmitting(rig.Port));
        }

        using var extra = new RawClient(rig.Port);
        Assert.Equal(0, extra.UntilEnd());
        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public void Status_tells_connections_and_whether_they_are_accepted()
    {
        using var rig = new Rig();
        using RawClient client = RawClient.Transmitting(rig.Port);
        string status = rig.Node.Reactor.Invoke(() => rig.Node.Client.Report()!.ToJsonString());
        Assert.Equal(
            $$"""[{"volume":"vol0","uri":"{{rig.Uri}}","connections":1,"accepting":true,"""
                + "\"waits\":\"\"}]",
            status);
    }
}
