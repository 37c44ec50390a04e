using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.NbdExport.Connections;
using StorageOs.NbdExport.Interop;

namespace StorageOs.NbdExport.Addresses;

/// <summary>
/// One end of a link: a Unix socket that keeps messages apart (SOCK_SEQPACKET) and carries
/// descriptors (SCM_RIGHTS). Never blocks. Reactor only.
/// </summary>
internal sealed class LinkSocket(Descriptor socket) : IDisposable
{
    // struct cmsghdr on 64 bit: length (8), level (4), type (4); then the descriptor.
    private const int ControlHeaderBytes = 16;
    private const int ControlBytes = ControlHeaderBytes + 8;

    // Pinned, since the kernel is given their addresses.
    private readonly byte[] payload = Pinned(LinkMessage.Bytes + 1);
    private readonly byte[] control = Pinned(ControlBytes);
    private readonly nint[] vector = GC.AllocateArray<nint>(2, pinned: true);

    /// <summary>The descriptor, to be watched.</summary>
    public Descriptor Socket => socket;

    /// <summary>A new socket, non-blocking.</summary>
    public static Descriptor Create() => new(Libc.socket(
        Constants.AF_UNIX,
        Constants.SOCK_SEQPACKET | Constants.SOCK_NONBLOCK | Constants.SOCK_CLOEXEC, 0));

    /// <summary>Sends a message and, when not null, a duplicate of a descriptor.</summary>
    /// <returns>0, or a negative errno: nothing was sent.</returns>
    public int Send(LinkMessage message, ushort port, ulong sender, Descriptor? carried)
    {
        Invariant.Require(message.BringsDescriptor == carried is not null);
        message.Write(payload, port, sender);
        MsgHdr header = Header(LinkMessage.Bytes, carried is null ? 0 : ControlBytes);
        if (carried is not null)
        {
            BitConverter.TryWriteBytes(control, (long)(ControlHeaderBytes + sizeof(int)));
            BitConverter.TryWriteBytes(control.AsSpan(8), Constants.SOL_SOCKET);
            BitConverter.TryWriteBytes(control.AsSpan(12), Constants.SCM_RIGHTS);
            BitConverter.TryWriteBytes(control.AsSpan(16), carried.Number);
        }

        int result = Sockets.Result(Libc.sendmsg(
            socket, ref header, Constants.MSG_DONTWAIT | Constants.MSG_NOSIGNAL));
        return Math.Min(result, 0);
    }

    /// <summary>
    /// Receives a message; <paramref name="carried"/> is the caller's to dispose.
    /// </summary>
    /// <returns>Its bytes; 0 at the end of the link; a negative errno.</returns>
    public int Receive(out ReadOnlySpan<byte> message, out Descriptor? carried)
    {
        message = default;
        carried = null;
        Array.Clear(control);
        // Room for one descriptor: the kernel closes what is sent beyond it.
        MsgHdr header = Header(payload.Length, ControlHeaderBytes + sizeof(int));
        int result = Sockets.Result(Libc.recvmsg(
            socket, ref header, Constants.MSG_DONTWAIT | Constants.MSG_CMSG_CLOEXEC));
        if (result <= 0)
        {
            return result;
        }

        message = payload.AsSpan(0, result);
        bool rights = header.ControlBytes >= ControlHeaderBytes + sizeof(int)
            && BitConverter.ToInt32(control, 8) == Constants.SOL_SOCKET
            && BitConverter.ToInt32(control, 12) == Constants.SCM_RIGHTS;
        if (rights)
        {
            carried = new(BitConverter.ToInt32(control, 16));
        }

        return result;
    }

    /// <inheritdoc/>
    public void Dispose() => socket.Dispose();

    private static byte[] Pinned(int bytes) => GC.AllocateArray<byte>(bytes, pinned: true);

    private MsgHdr Header(int payloadBytes, int controlBytes)
    {
        vector[0] = Marshal.UnsafeAddrOfPinnedArrayElement(payload, 0);
        vector[1] = payloadBytes;
        return new()
        {
            Vectors = Marshal.UnsafeAddrOfPinnedArrayElement(vector, 0),
            VectorCount = 1,
            Control = controlBytes == 0 ? 0 : Marshal.UnsafeAddrOfPinnedArrayElement(control, 0),
            ControlBytes = controlBytes,
        };
    }
}
