using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Image.Tests;

/// <summary>
/// Connections through the forwarder to a listener that stands for the guests, while frames say
/// who holds the address.
/// </summary>
public sealed class GuestForwarderTests : IDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);
    private static readonly IPAddress Service = IPAddress.Parse("10.0.9.100");
    private static readonly IPAddress Other = IPAddress.Parse("10.0.9.101");
    private static readonly PhysicalAddress A = PhysicalAddress.Parse("525400050611");
    private static readonly PhysicalAddress B = PhysicalAddress.Parse("525400050621");
    private readonly string folder = Directory.CreateTempSubdirectory("forwarder-").FullName;
    private readonly int port = DrillCommand.FreePorts();
    private readonly TcpListener guest = new(IPAddress.Loopback, 0);
    private readonly TaskCompletionSource<string> said = new();
    private readonly GuestForwarder forwarder;
    private readonly Socket hub =
        new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

    public GuestForwarderTests()
    {
        guest.Start();
        string frames = Path.Combine(folder, "frames");
        forwarder = new GuestForwarder(frames, what => said.TrySetResult(what));
        forwarder.Forward(port, ((IPEndPoint)guest.LocalEndpoint).Port, Service);
        hub.Connect(new UnixDomainSocketEndPoint(frames));
    }

    public void Dispose()
    {
        forwarder.Dispose();
        hub.Dispose();
        guest.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_is_sent_arrives_both_ways_and_an_end_is_passed_on()
    {
        (TcpClient client, TcpClient served) = await ConnectAsync();
        await PassAsync(client, served);
        await PassAsync(served, client);
        client.Client.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await served.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(Soon));
        await PassAsync(served, client); // An end one way is not an end the other way.
    }

    [Fact]
    public async Task A_connection_is_reset_when_another_machine_begins_to_hold_the_address()
    {
        hub.Send(Announcement(Service, A));
        (TcpClient client, TcpClient served) = await ConnectAsync();
        hub.Send(Announcement(Service, B));
        Assert.Contains("moved from 525400050611 to 525400050621; ended 1 connections",
            await said.Task.WaitAsync(Soon));
        await Assert.ThrowsAsync<IOException>(
            () => client.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(Soon));
        served.Dispose();
    }

    [Fact]
    public async Task Frames_that_say_nothing_new_end_nothing()
    {
        hub.Send(Announcement(Service, A));
        (TcpClient client, TcpClient served) = await ConnectAsync();
        byte[] torn = Announcement(Service, B);
        hub.Send(torn.AsSpan(0, 41));
        byte[] other = Announcement(Service, B);
        other[13] = 0; // IPv4, not ARP.
        hub.Send(other);
        hub.Send(Announcement(IPAddress.Any, B));
        hub.Send(Announcement(Service, A));

        // Told last and about another address, it shows that those before it were looked at.
        hub.Send(Announcement(Other, A));
        hub.Send(Announcement(Other, B));
        Assert.Contains($"{Other} moved", await said.Task.WaitAsync(Soon));
        await PassAsync(client, served);
    }

    [Fact]
    public async Task A_guest_that_answers_nothing_is_a_closed_connection_to_the_client()
    {
        guest.Stop();
        using Socket client = new(SocketType.Stream, ProtocolType.Tcp);

        // It may come while the client still connects.
        SocketException reset = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            _ = await client.ReceiveAsync(new byte[1]).WaitAsync(Soon);
        });
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
    }

    [Fact]
    public void A_port_that_is_taken_is_refused_with_what_to_do()
    {
        RefusedException refused = Assert.Throws<RefusedException>(
            () => forwarder.Forward(port, 1, Other));
        Assert.Equal($"port {port} of 127.0.0.1", refused.Refusal.Subject);
        Assert.Contains("--nbd-port", refused.Refusal.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Whoever_starts_one_waits_until_it_forwards_or_hears_why_it_does_not()
    {
        int taken = DrillCommand.FreePorts();
        PairLayout first = Pair("first", taken);
        PairLayout second = Pair("second", taken);
        try
        {
            await GuestProcess.ForwardAsync(first, 1, CancellationToken.None);
            foreach (int vol in new[] { 0, 1 })
            {
                await ReachAsync(taken + vol);
            }

            RefusedException refused = await Assert.ThrowsAsync<RefusedException>(
                () => GuestProcess.ForwardAsync(second, 1, CancellationToken.None));
            Assert.Contains($"port {taken} of", refused.Refusal.Actual, StringComparison.Ordinal);
            Assert.Contains("--nbd-port", refused.Refusal.Remedy, StringComparison.Ordinal);

            // The port that it is told to choose is then this pair's, and works.
            int other = DrillCommand.FreePorts();
            second = await GuestPair.AtPortAsync(second, other, CancellationToken.None);
            await GuestProcess.ForwardAsync(second, 1, CancellationToken.None);
            await ReachAsync(other);
        }
        finally
        {
            await GuestProcess.EndForwarderAsync(first, CancellationToken.None);
            await GuestProcess.EndForwarderAsync(second, CancellationToken.None);
        }
    }

    // Somebody takes the connection; no guest is there to lead it to, so it may be reset at once.
    private static async Task ReachAsync(int port)
    {
        using TcpClient client = new();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
        }
        catch (SocketException reset) when (
            reset.SocketErrorCode == SocketError.ConnectionReset)
        {
            return;
        }
    }

    private PairLayout Pair(string name, int nbdPort)
    {
        string directory = Path.Combine(folder, name);
        Directory.CreateDirectory(Path.Combine(directory, "net"));
        new GuestSettings("", "tcg", "verbs", Size.MiB, nbdPort, 1).Save(directory);
        return PairLayout.At(directory);
    }

    private async Task<(TcpClient Client, TcpClient Served)> ConnectAsync()
    {
        TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, port);
        TcpClient served = await guest.AcceptTcpClientAsync().WaitAsync(Soon);
        await PassAsync(client, served);
        return (client, served);
    }

    private static async Task PassAsync(TcpClient from, TcpClient to)
    {
        byte[] sent = [1, 2, 3];
        byte[] got = new byte[sent.Length];
        _ = await from.Client.SendAsync(sent);
        for (int read = 0; read < got.Length;)
        {
            int more = await to.Client.ReceiveAsync(got.AsMemory(read)).AsTask().WaitAsync(Soon);
            Assert.NotEqual(0, more);
            read += more;
        }

        Assert.Equal(sent, got);
    }

    // An ARP request for one's own address to everybody (RFC 5227, announcement).
    private static byte[] Announcement(IPAddress address, PhysicalAddress holder) =>
    [
        255, 255, 255, 255, 255, 255, .. holder.GetAddressBytes(), 0x08, 0x06,
        0, 1, 0x08, 0, 6, 4, 0, 1,
        .. holder.GetAddressBytes(), .. address.GetAddressBytes(),
        0, 0, 0, 0, 0, 0, .. address.GetAddressBytes(),
    ];
}
