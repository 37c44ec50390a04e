using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// One connection as a stream of bytes that never waits; plain, or through TLS. Used by one thread
/// at a time; <see cref="Shutdown"/> by any.
/// </summary>
internal abstract class Wire(SafeFileHandle socket) : IDisposable
{
    /// <summary>What a receive or send says of a connection that is no more.</summary>
    public const int Ended = -1;

    private readonly Lock closing = new();
    private bool disposed;

    /// <summary>The connection's descriptor.</summary>
    public SafeFileHandle Socket => socket;

    /// <summary>Whether bytes that were accepted have not reached the socket yet.</summary>
    public virtual bool HasUnsent => false;

    /// <summary>Whether it can send at all yet; not during a handshake.</summary>
    public virtual bool AcceptsBytes => true;

    /// <summary>Why it has ended, where more is known than that; null when not.</summary>
    public Refusal? Failure { get; protected set; }

    /// <summary>Whether fewer bytes than asked for mean that no more have come.</summary>
    public virtual bool ShortMeansEmpty => true;

    /// <summary>Takes bytes that have come: how many, 0 for none now, or ended.</summary>
    public abstract int Receive(Span<byte> into);

    /// <summary>Accepts bytes to send: how many, 0 for none now, or ended.</summary>
    public abstract int Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body);

    /// <summary>Sends what was accepted before; false when the connection has ended.</summary>
    public virtual bool Flush() => true;

    /// <summary>Ends it both ways, so that whoever waits for it is woken. Any thread.</summary>
    public void Shutdown()
    {
        lock (closing)
        {
            if (!disposed)
            {
                // Fails on one that never came up or has ended, which is what is wanted anyway.
                _ = Libc.shutdown(socket, Libc.SHUT_RDWR);
            }
        }
    }

    /// <inheritdoc/>
    public virtual void Dispose()
    {
        lock (closing)
        {
            disposed = true;
            socket.Dispose();
        }
    }
}

/// <summary>A connection without TLS.</summary>
internal sealed class PlainWire(SafeFileHandle socket) : Wire(socket)
{
    /// <inheritdoc/>
    public override int Receive(Span<byte> into)
    {
        nint count = Libc.recv(Socket, into, into.Length, Libc.MSG_DONTWAIT);
        return count > 0 ? (int)count : count == 0 ? Ended : Sockets.NoneOrEnded();
    }

    /// <inheritdoc/>
    public override int Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        nint count = Gather.Send(Socket, head, body);
        return count >= 0 ? (int)count : Sockets.NoneOrEnded();
    }
}

/// <summary>Makes sockets; control path.</summary>
internal static class Sockets
{
    private const int Type = Libc.SOCK_STREAM | Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC;

    /// <summary>
    /// Begins to connect from one address to another. A failure shows at the first receive.
    /// </summary>
    public static SafeFileHandle Dial(IPAddress from, IPAddress to, ushort port)
    {
        SafeFileHandle socket = Make(from);
        try
        {
            Span<byte> address = stackalloc byte[NodeAddress.SocketBytesMax];
            int length = NodeAddress.Encode(from, 0, address);
            if (Libc.bind(socket, address, length) != 0)
            {
                throw Native.Failed(
                    $"bind to {from}", "give this node an address that this machine has");
            }

            length = NodeAddress.Encode(to, port, address);
            if (Libc.connect(socket, address, length) != 0
                && Marshal.GetLastPInvokeError() != Libc.EINPROGRESS)
            {
                throw Native.Failed($"connect to {to} port {port}");
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Listens.</summary>
    public static SafeFileHandle Listen(IPAddress at, ushort port)
    {
        SafeFileHandle socket = Make(at);
        try
        {
            Span<byte> address = stackalloc byte[NodeAddress.SocketBytesMax];
            int length = NodeAddress.Encode(at, port, address);
            if (!Set(socket, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, 1)
                || Libc.bind(socket, address, length) != 0
                || Libc.listen(socket, Limits.BacklogMax) != 0)
            {
                throw Native.Failed(
                    $"listen on {at} port {port}",
                    "give this node an address that this machine has and a port that is free");
            }

            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Accepts one connection; null when there is none now.</summary>
    public static SafeFileHandle? Accept(SafeFileHandle listener, out IPAddress from)
    {
        Span<byte> address = stackalloc byte[NodeAddress.SocketBytesMax];
        int length = address.Length;
        int accepted = Libc.accept4(
            listener, address, ref length, Libc.SOCK_NONBLOCK | Libc.SOCK_CLOEXEC);
        from = IPAddress.None;
        if (accepted < 0)
        {
            return null;
        }

        SafeFileHandle socket = new(accepted, ownsHandle: true);
        from = NodeAddress.Decode(address);
        if (Tune(socket))
        {
            return socket;
        }

        socket.Dispose(); // It has ended again already.
        return null;
    }

    /// <summary>What the error of the last call means: none now, or ended.</summary>
    public static int NoneOrEnded() =>
        Marshal.GetLastPInvokeError() is Libc.EAGAIN or Libc.EINTR ? 0 : Wire.Ended;

    private static SafeFileHandle Make(IPAddress address)
    {
        SafeFileHandle socket = Native.Handle(
            Libc.socket(NodeAddress.Family(address), Type, 0), nameof(Libc.socket));
        if (Tune(socket))
        {
            return socket;
        }

        RefusedException refused = Native.Failed(nameof(Libc.setsockopt));
        socket.Dispose();
        throw refused;
    }

    /// <summary>
    /// Small writes go at once; what a dead machine left is found, if nothing else finds it.
    /// </summary>
    private static bool Tune(SafeFileHandle socket)
    {
        int seconds = (int)Limits.Unacknowledged.TotalSeconds;
        return Set(socket, Libc.IPPROTO_TCP, Libc.TCP_NODELAY, 1)
            && Set(socket, Libc.SOL_SOCKET, Libc.SO_KEEPALIVE, 1)
            && Set(socket, Libc.IPPROTO_TCP, Libc.TCP_KEEPIDLE, seconds)
            && Set(socket, Libc.IPPROTO_TCP, Libc.TCP_KEEPINTVL, seconds)
            && Set(socket, Libc.IPPROTO_TCP, Libc.TCP_USER_TIMEOUT, seconds * 1000);
    }

    private static bool Set(SafeFileHandle socket, int level, int name, int value) =>
        Libc.setsockopt(socket, level, name, in value, sizeof(int)) == 0;
}
