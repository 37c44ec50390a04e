using System.Net;
using System.Net.Sockets;

namespace StorageOs.Transport.Tests;

/// <summary>Somebody between the first node and the second, who keeps what goes by.</summary>
internal sealed class Relay : IDisposable
{
    public const string Address = "127.0.0.3";
    private readonly TcpPair pair;
    private readonly Socket listener = new(SocketType.Stream, ProtocolType.Tcp);
    private readonly MemoryStream seen = new();
    private readonly List<Socket> sockets = [];

    public Relay(TcpPair pair)
    {
        this.pair = pair;

        // The second node expects its caller to know its port by this number, too.
        listener.Bind(new IPEndPoint(IPAddress.Parse(Address), (int)pair.SecondPort));
        listener.Listen();
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public uint Port => pair.SecondPort;

    public bool Saw(byte[] text)
    {
        lock (seen)
        {
            return seen.ToArray().AsSpan().IndexOf(text) >= 0;
        }
    }

    public void Dispose()
    {
        listener.Dispose();
        lock (sockets)
        {
            sockets.ForEach(s => s.Dispose());
        }
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                Socket caller = listener.Accept();
                Socket called = new(SocketType.Stream, ProtocolType.Tcp);
                called.Bind(new IPEndPoint(IPAddress.Parse(pair.FirstAddress), 0));
                called.Connect(IPAddress.Parse(pair.SecondAddress), (int)pair.SecondPort);
                lock (sockets)
                {
                    sockets.AddRange([caller, called]);
                }

                new Thread(() => Carry(caller, called)) { IsBackground = true }.Start();
                new Thread(() => Carry(called, caller)) { IsBackground = true }.Start();
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            listener.Dispose(); // The test is over.
        }
    }

    private void Carry(Socket from, Socket to)
    {
        byte[] bytes = new byte[65536];
        try
        {
            for (int got = from.Receive(bytes); got > 0; got = from.Receive(bytes))
            {
                lock (seen)
                {
                    seen.Write(bytes, 0, got);
                }

                to.Send(bytes.AsSpan(0, got));
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            to.Dispose(); // One side has ended, so the other does.
        }
    }
}
