using System.Runtime.InteropServices;

namespace StorageOs.Transport.Tcp.Interop;

/// <summary>sendmsg of two spans; pointers are needed for that, hence here.</summary>
internal static class Gather
{
    private const int Flags = Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL;

    /// <summary>Sends both, or what of them the socket takes now.</summary>
    internal static unsafe nint Send(
        SafeHandle socket, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        if (body.Length == 0)
        {
            return Libc.send(socket, head, head.Length, Flags);
        }

        fixed (byte* first = head, second = body)
        {
            IoVec* vectors = stackalloc IoVec[2];
            vectors[0] = new IoVec { Base = (nint)first, Length = head.Length };
            vectors[1] = new IoVec { Base = (nint)second, Length = body.Length };
            MsgHdr message = new() { Vectors = (nint)vectors, VectorCount = 2 };
            return Libc.sendmsg(socket, in message, Flags);
        }
    }
}
