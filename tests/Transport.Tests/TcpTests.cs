using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using StorageOs.Conformance;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Tcp;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tests;

/// <summary>What is Tcp's alone: addresses, bad input on the sockets, waking, cost.</summary>
public sealed class TcpTests
{
    private const RemoteAccess Both = RemoteAccess.Read | RemoteAccess.Write;

    [Theory]
    [InlineData("")]
    [InlineData("nowhere")]
    [InlineData("127.1")]
    [InlineData("2130706433")]
    [InlineData("0.0.0.0")]
    [InlineData("::ffff:0.0.0.0")]
    [InlineData("::")]
    [InlineData("fc:010203x")]
    [InlineData("10.0.0.1:80")]
    public void Other_addresses_are_refused(string address)
    {
        RefusedException refused = Assert.Throws<RefusedException>(
            () => new TcpProvider().Open(new(address, new Dictionary<string, string>()), () => { }));
        Assert.Contains("192.0.2.1", refused.Refusal.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_options_are_refused() => Assert.Throws<RefusedException>(
        () => new TcpProvider().Open(
            new("127.0.0.1", new Dictionary<string, string> { ["fabric"] = "/f" }), () => { }));

    [Fact]
    public void Garbage_on_the_listening_port_ends_nothing_and_the_partner_gets_through()
    {
        using TcpPair pair = new();
        using ConnectedPair nodes = new(pair);
        int socketsBefore = PeerProcess.OpenSockets();
        Random random = new(5);
        byte[] good = new Hello(HelloKind.Requests, 7).Encode();
        List<Socket> strangers = [];
        for (int i = 0; i < 300; i++)
        {
            Socket socket = Stranger(pair);
            socket.Send(Garbage(good, random, i));
            strangers.Add(socket);
        }

        (IPort port, IPort _) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(Both));
        Check(port, memory);
        strangers.ForEach(s => s.Dispose());
        PeerProcess.Await(() => PeerProcess.OpenSockets() <= socketsBefore + 10);
        Assert.Equal(PortState.Open, nodes.SecondWellKnown.Port.State);
    }

    /// <summary>An end that the partner has reached tells its service thread of its end.</summary>
    [Fact]
    public void A_transport_ends_in_good_order_with_a_prepared_port_that_was_reached()
    {
        using TcpPair pair = new();
        using IRegion page = pair.Second.Map(new RegionNeed("page", 1, RemoteAccess.Read));
        using IRegion inbox = pair.Second.Map(new RegionNeed("inbox", 1, Both));
        using IWellKnownPort listening = pair.Second.OpenWellKnown(new WellKnownNeed(
            pair.SecondPort, pair.FirstAddress, pair.FirstPort, 0, Connects: false, page, inbox));
        TcpPreparedPort prepared = (TcpPreparedPort)pair.Second.Prepare(new PortNeed("left", 1));
        using Socket caller = Stranger(pair);
        caller.Send(new Hello(HelloKind.Requests, prepared.End.Secret).Encode());
        caller.Send(new byte[Request.Bytes]); // No request at all: ends the connection.
        PeerProcess.Await(() => prepared.End.State == PortState.ClosedByPartner);
        pair.Second.Dispose();
        Assert.True(prepared.End.IsDisposed);
    }

    /// <summary>
    /// Whoever says hello while the port is being closed is closed, too, and not kept waiting.
    /// </summary>
    [Fact]
    public void A_hello_while_the_well_known_port_closes_leaves_nothing_open()
    {
        using TcpPair pair = new();
        IPAddress first = IPAddress.Parse(pair.FirstAddress);
        Hello said = new(
            HelloKind.Link, 7, (ushort)pair.FirstPort, (ushort)pair.SecondPort, 1, 2, 0,
            Size.Page, Size.Page);
        using IRegion page = pair.Second.Map(new RegionNeed("page", 1, RemoteAccess.Read));
        using IRegion inbox = pair.Second.Map(new RegionNeed("inbox", 1, Both));
        for (int i = 0; i < 2000; i++)
        {
            TcpWellKnownPort listening = (TcpWellKnownPort)pair.Second.OpenWellKnown(
                new WellKnownNeed(
                    pair.SecondPort, pair.FirstAddress, pair.FirstPort, 0, Connects: false, page,
                    inbox));
            PlainWire wire = new(File.OpenHandle("/dev/null"));
            using Barrier together = new(2);
            bool taken = false;
            Thread caller = new(() =>
            {
                together.SignalAndWait();
                taken = listening.TryGreet(said, wire, first);
            });
            caller.Start();
            together.SignalAndWait();
            listening.Dispose();
            caller.Join();
            Assert.True(!taken || wire.Socket.IsClosed, $"round {i}");
            wire.Dispose();
        }
    }

    [Fact]
    public void A_partner_that_leaves_before_its_ports_have_come_makes_room_for_the_next()
    {
        using TcpPair pair = new();
        using IRegion page = pair.Second.Map(new RegionNeed("page", 1, RemoteAccess.Read));
        using IRegion inbox = pair.Second.Map(new RegionNeed("inbox", 1, Both));
        using IWellKnownPort listening = pair.Second.OpenWellKnown(new WellKnownNeed(
            pair.SecondPort, pair.FirstAddress, pair.FirstPort, 0, Connects: false, page, inbox));
        using Socket half = Stranger(pair);
        half.Send(new Hello(
            HelloKind.Link, 7, (ushort)pair.FirstPort, (ushort)pair.SecondPort, 1, 2, 0,
            Size.Page, Size.Page).Encode());
        PeerProcess.Await(() => listening.Poll() == WellKnownState.Connected);

        half.Send([3]); // Leaves, in good order.
        PeerProcess.Await(() => listening.Poll() == WellKnownState.Failed);
        Assert.Equal(PortState.ClosedByPartner, listening.Port.State);
    }

    [Fact]
    public void Strangers_that_say_nothing_are_few_and_not_for_long()
    {
        using TcpPair pair = new();
        using ConnectedPair nodes = new(pair);
        List<Socket> silent = [.. Enumerable.Range(0, 200).Select(_ => Stranger(pair))];
        PeerProcess.Await(() => silent.Count(IsOpen) <= Limits.PendingHellosMax);
        nodes.Reconnect();
        long start = Stopwatch.GetTimestamp();
        PeerProcess.Await(() => !silent.Any(IsOpen));
        Assert.True(Stopwatch.GetElapsedTime(start) < Limits.HelloTimeout * 2);
        silent.ForEach(s => s.Dispose());
    }

    [Theory]
    [InlineData(0)] // No kind.
    [InlineData(9)] // A kind that there is not.
    [InlineData(1, 0xFF)] // A length below zero.
    [InlineData(1, 0, 1)] // Something where zeros have to be.
    public void A_bad_request_ends_its_connection_alone(byte kind, byte length = 0, byte zero = 0)
    {
        using TcpPair pair = new();
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(Both));
        TcpPreparedPort prepared = (TcpPreparedPort)pair.Second.Prepare(new PortNeed("bad", 1));
        using Socket caller = Stranger(pair);
        caller.Send(new Hello(HelloKind.Requests, prepared.End.Secret).Encode());
        byte[] request = new byte[Request.Bytes];
        (request[0], request[7], request[2]) = (kind, length, zero);
        caller.Send(request);
        PeerProcess.Await(() => !IsOpen(caller));
        PeerProcess.Await(() => prepared.End.State == PortState.ClosedByPartner);
        Check(port, memory);
        prepared.Dispose();
    }

    [Fact]
    public void A_partner_that_takes_no_answers_holds_up_itself_alone()
    {
        using TcpPair pair = new();
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.MiB);
        RemoteRegion offer = remote.Offer(Both);
        using IRemoteMemory memory = nodes.First.Import(offer);
        using TcpPreparedPort prepared =
            (TcpPreparedPort)pair.Second.Prepare(new PortNeed("greedy", 1));
        using Socket greedy = Stranger(pair);
        greedy.Send(new Hello(HelloKind.Requests, prepared.End.Secret).Encode());
        byte[] request = new byte[Request.Bytes];
        new Request(RequestKind.Read, Size.MiB, 0, offer.Key, offer.Address).Encode(request);
        greedy.Blocking = false;
        int taken = 0;
        SocketError error = SocketError.Success;
        while (error == SocketError.Success && taken < 64 * Size.MiB)
        {
            taken += greedy.Send(request, 0, request.Length, SocketFlags.None, out error);
        }

        // It asked for terabytes in megabytes of requests, of which the node holds one buffer.
        Assert.Equal(SocketError.WouldBlock, error);
        for (int i = 0; i < 1000; i++)
        {
            Check(port, memory);
        }
    }

    [Fact]
    public void An_owner_asleep_is_woken_by_a_completion_and_by_the_end_of_the_port()
    {
        using TcpPair pair = new();
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort other) = nodes.Ports();
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.Page);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(Both));
        Check(port, memory);
        ICompletionChannel channel = Assert.IsAssignableFrom<ICompletionChannel>(port);
        Assert.False(IsReadable(channel, 20));
        for (ulong token = 0; token < 100; token++)
        {
            Assert.True(port.TryPostWriteWord(token, token, memory, 0));
            Assert.True(IsReadable(channel, 5000), "no completion woke its owner");
            Completion[] one = new Completion[1];
            Assert.Equal(1, port.Poll(one));
            Assert.Equal(new Completion(token, CompletionStatus.Success), one[0]);
        }

        Assert.False(IsReadable(channel, 20));
        other.Dispose();
        Assert.True(IsReadable(channel, 5000), "the end of the port woke nobody");
        port.Poll([]);
        Assert.False(IsReadable(channel, 20)); // Told once, or the owner would spin.
        Assert.Equal(PortState.ClosedByPartner, port.State);
        Assert.True(port.TryPostWriteWord(7, 7, memory, 0));
        Assert.True(IsReadable(channel, 5000), "a post that failed at once woke nobody");
        Assert.Equal(1, port.Poll(new Completion[1]));
        Assert.False(IsReadable(channel, 20));
    }

    [Fact]
    public void Posts_and_polls_and_what_serves_them_allocate_nothing()
    {
        using TcpPair pair = new();
        using ConnectedPair nodes = new(pair);
        (IPort port, IPort _) = nodes.Ports();
        using IRegion source = ConnectedPair.Map(nodes.First, Size.Page);
        using IRegion remote = ConnectedPair.Map(nodes.Second, Size.MiB);
        using IRemoteMemory memory = nodes.First.Import(remote.Offer(Both));
        Completion[] one = new Completion[1];
        const int Writes = 5_000;
        Write(20_000);

        // Of every thread, for the one that serves is another: the least of a few rounds, for the
        // test's own host allocates now and then.
        long least = long.MaxValue;
        for (int round = 0; round < 10; round++)
        {
            long own = GC.GetAllocatedBytesForCurrentThread();
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Write(Writes);
            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - own);
        }

        // The counting itself allocates a little; an object for each operation would show.
        Assert.InRange(least, 0, Writes / 8);

        void Write(int count)
        {
            for (int i = 0; i < count; i++)
            {
                Assert.True(i % 8 == 7
                    ? port.TryPostRead(1, source, 0, memory, 0, Size.Page)
                    : port.TryPostWrite(1, source, 0, memory, i % 250 * Size.Page, Size.Page));
                while (port.Poll(one) == 0)
                {
                    Thread.SpinWait(10);
                }
            }
        }
    }

    private static void Check(IPort port, IRemoteMemory memory)
    {
        Assert.True(port.TryPostWriteWord(1, 5, memory, 0));
        Assert.Equal(CompletionStatus.Success, ConnectedPair.Complete(port, 1));
    }

    private static Socket Stranger(TcpPair pair)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
        };
        socket.Connect(IPAddress.Parse(pair.SecondAddress), (int)pair.SecondPort);
        return socket;
    }

    /// <summary>Whether the other side still has it; what it sent meanwhile is dropped.</summary>
    private static bool IsOpen(Socket socket)
    {
        byte[] some = new byte[256];
        while (socket.Poll(0, SelectMode.SelectRead))
        {
            if (socket.Receive(some, 0, some.Length, SocketFlags.None, out _) <= 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>As a reactor sees it.</summary>
    private static bool IsReadable(ICompletionChannel channel, int milliseconds)
    {
        using SafeFileHandle epoll = new(Libc.epoll_create1(Libc.EPOLL_CLOEXEC), true);
        EpollEvent change = new() { Events = Libc.EPOLLIN };
        Assert.Equal(
            0, Libc.epoll_ctl(epoll, Libc.EPOLL_CTL_ADD, channel.Descriptor, ref change));
        channel.Arm();
        return Libc.epoll_wait(epoll, ref change, 1, milliseconds) == 1;
    }

    private static byte[] Garbage(byte[] good, Random random, int round)
    {
        byte[] bytes = (byte[])good.Clone();
        switch (round % 4)
        {
            case 0:
                random.NextBytes(bytes);
                return bytes;
            case 1:
                return bytes[..random.Next(1, bytes.Length)];
            case 2:
                bytes[4]++;
                return bytes;
            default:
                return bytes; // Well formed, but the port end it names does not exist.
        }
    }
}
