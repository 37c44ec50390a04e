using System.Runtime.InteropServices;
using StorageOs.NbdExport.Interop;

namespace StorageOs.NbdExport.Connections;

/// <summary>
/// Socket calls that never block; a failure is a negative errno, never an exception.
/// </summary>
internal static class Sockets
{
    private const int Quiet = Constants.MSG_DONTWAIT | Constants.MSG_NOSIGNAL;

    /// <summary>Receives; 0 is the end of the stream.</summary>
    public static int Receive(Descriptor socket, Span<byte> room)
    {
        int result;
        do
        {
            result = Result(Libc.recv(
                socket, ref MemoryMarshal.GetReference(room), room.Length, Quiet));
        }
        while (result == -Constants.EINTR);
        return result;
    }

    /// <summary>Sends as much as the socket takes.</summary>
    public static int Send(Descriptor socket, ReadOnlySpan<byte> bytes)
    {
        int result;
        do
        {
            result = Result(Libc.send(
                socket, ref MemoryMarshal.GetReference(bytes), bytes.Length, Quiet));
        }
        while (result == -Constants.EINTR);
        return result;
    }

    /// <summary>Whether the other end is gone, without taking any data.</summary>
    public static bool HasEnded(Descriptor socket)
    {
        byte one = 0;
        int result = Result(Libc.recv(socket, ref one, 1, Quiet | Constants.MSG_PEEK));
        return result is 0 or (< 0 and not -Constants.EAGAIN and not -Constants.EINTR);
    }

    /// <summary>
    /// Accepts a connection as non-blocking; an invalid descriptor when it failed.
    /// </summary>
    public static Descriptor Accept(Descriptor listener, out int error)
    {
        int accepted = Libc.accept4(
            listener, 0, 0, Constants.SOCK_NONBLOCK | Constants.SOCK_CLOEXEC);
        error = accepted < 0 ? Marshal.GetLastPInvokeError() : 0;
        return new(accepted);
    }

    /// <summary>
    /// Replies go out when they are sent, not when more have gathered; a client whose machine is
    /// gone does not keep its place for ever. What cannot be set has ended again already, which the
    /// next receive says.
    /// </summary>
    public static void Tune(Descriptor socket)
    {
        Set(socket, Constants.IPPROTO_TCP, Constants.TCP_NODELAY, 1);
        Set(socket, Constants.SOL_SOCKET, Constants.SO_KEEPALIVE, 1);
        Set(
            socket, Constants.IPPROTO_TCP, Constants.TCP_KEEPIDLE,
            (int)Limits.KeepaliveIdle.TotalSeconds);
        Set(
            socket, Constants.IPPROTO_TCP, Constants.TCP_KEEPINTVL,
            (int)Limits.KeepalivePeriod.TotalSeconds);
        Set(
            socket, Constants.IPPROTO_TCP, Constants.TCP_USER_TIMEOUT,
            (int)Limits.SilenceMax.TotalMilliseconds);
    }

    private static void Set(Descriptor socket, int level, int name, int value) =>
        _ = Libc.setsockopt(socket, level, name, ref value, sizeof(int));

    /// <summary>Ends the connection for both sides, however many duplicates there are.</summary>
    public static void Shutdown(Descriptor socket) =>
        _ = Libc.shutdown(socket, Constants.SHUT_RDWR);

    /// <summary>A result of the C library as a count or a negative errno.</summary>
    public static int Result(nint value) =>
        value >= 0 ? (int)value : -Marshal.GetLastPInvokeError();
}
