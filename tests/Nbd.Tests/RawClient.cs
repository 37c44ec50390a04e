using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.Nbd.Tests;

/// <summary>A client that says just what a test wants.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    /// <summary>Connects; nothing is said yet.</summary>
    public RawClient(ushort port)
    {
        socket.ReceiveTimeout = 10_000;
        socket.SendTimeout = 10_000;
        socket.Connect(IPAddress.Loopback, port);
    }

    /// <summary>A client that has come to transmission with simple replies.</summary>
    public static RawClient Transmitting(ushort port)
    {
        var client = new RawClient(port);
        client.Receive(18);
        byte[] name = Encoding.UTF8.GetBytes("vol0");
        client.Send([0, 0, 0, 3, .. "IHAVEOPT"u8, 0, 0, 0, 1, 0, 0, 0, 4, .. name]);
        client.Receive(10);
        return client;
    }

    /// <summary>A request's header.</summary>
    public static byte[] Request(ushort command, ulong cookie, ulong offset, uint length)
    {
        byte[] bytes = new byte[NbdWire.RequestBytes];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdWire.RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), command);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), cookie);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(16), offset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24), length);
        return bytes;
    }

    /// <summary>Its own port.</summary>
    public int Port => ((IPEndPoint)socket.LocalEndPoint!).Port;

    public void Send(byte[] bytes) => socket.Send(bytes);

    /// <summary>Sends without waiting; how much the socket took.</summary>
    public int TrySend(byte[] bytes)
    {
        socket.Blocking = false;
        int sent = socket.Send(bytes, 0, bytes.Length, SocketFlags.None, out SocketError error);
        socket.Blocking = true;
        return error == SocketError.Success ? sent : 0;
    }

    public byte[] Receive(int count)
    {
        byte[] bytes = new byte[count];
        for (int got = 0; got < count;)
        {
            int n = socket.Receive(bytes, got, count - got, SocketFlags.None);
            Assert.True(n > 0, $"the connection ended after {got} of {count} bytes");
            got += n;
        }

        return bytes;
    }

    /// <summary>Waits for the end of the connection; returns what came before it.</summary>
    public int UntilEnd()
    {
        byte[] bytes = new byte[1 << 16];
        int total = 0;
        while (true)
        {
            int n = socket.Receive(bytes, 0, bytes.Length, SocketFlags.None, out SocketError error);
            Assert.NotEqual(SocketError.WouldBlock, error);
            Assert.NotEqual(SocketError.TimedOut, error);
            if (n <= 0)
            {
                return total;
            }

            total += n;
        }
    }

    public void EndSending() => socket.Shutdown(SocketShutdown.Send);

    public void Dispose() => socket.Dispose();
}
