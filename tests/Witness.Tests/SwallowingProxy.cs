using System.Net;
using System.Net.Sockets;

namespace StorageOs.Witness.Tests;

/// <summary>
/// Stands before a member; carries everything, or what is asked but none of the replies, or ends
/// all connections in place of a reply.
/// </summary>
internal sealed class SwallowingProxy : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly List<Socket> sockets = [];
    private readonly int target;
    private volatile Replies replies;

    public SwallowingProxy(int target)
    {
        this.target = target;
        listener.Start();
        new Thread(Accept) { IsBackground = true }.Start();
    }

    public enum Replies
    {
        Carried,
        Swallowed,
        Cut,
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    /// <summary>What becomes of replies from now on.</summary>
    public void Set(Replies wanted) => replies = wanted;

    public void Dispose()
    {
        listener.Dispose();
        End();
    }

    private void End()
    {
        lock (sockets)
        {
            sockets.ForEach(static socket => socket.Dispose());
            sockets.Clear();
        }
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                Socket caller = listener.AcceptSocket();
                Socket called = new(SocketType.Stream, ProtocolType.Tcp);
                called.Connect(IPAddress.Loopback, target);
                lock (sockets)
                {
                    sockets.AddRange([caller, called]);
                }

                new Thread(() => Carry(caller, called, false)) { IsBackground = true }.Start();
                new Thread(() => Carry(called, caller, true)) { IsBackground = true }.Start();
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            listener.Dispose(); // The test is over.
        }
    }

    private void Carry(Socket from, Socket to, bool isReply)
    {
        byte[] bytes = new byte[65536];
        try
        {
            for (int count; (count = from.Receive(bytes)) > 0;)
            {
                if (!isReply || replies == Replies.Carried)
                {
                    to.Send(bytes.AsSpan(0, count));
                }
                else if (replies == Replies.Cut)
                {
                    replies = Replies.Carried;
                    End();
                }
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            from.Dispose();
        }

        to.Dispose();
    }
}
