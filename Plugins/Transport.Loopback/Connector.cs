using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using StorageOs.Transport.Loopback.Interop;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// Tries once to reach the partner's socket, without waiting. By the C library's own call, for it
/// is tried again and again while nobody is there and must not cost an exception each time.
/// </summary>
internal static class Connector
{
    private const int AddressBytes = 110;

    /// <summary>A connected socket; null and the error number when there is none.</summary>
    public static Socket? TryConnect(string path, out int error)
    {
        int descriptor = Libc.socket(
            Libc.AddressFamilyUnix,
            Libc.SocketStream | Libc.SocketNonBlocking | Libc.SocketCloseOnExec,
            0);
        if (descriptor < 0)
        {
            error = Marshal.GetLastPInvokeError();
            return null;
        }

        SafeSocketHandle handle = new(descriptor, ownsHandle: true);
        Span<byte> address = stackalloc byte[AddressBytes];
        address.Clear();
        MemoryMarshal.Write(address, (ushort)Libc.AddressFamilyUnix);
        Encoding.UTF8.GetBytes(path, address[2..]);
        if (Libc.connect(handle, address, AddressBytes) != 0
            || Libc.fcntl(handle, Libc.SetStatusFlags, 0) != 0) // A thread waits on it from now on.
        {
            error = Marshal.GetLastPInvokeError();
            handle.Dispose();
            return null;
        }

        error = 0;
        return new Socket(handle);
    }
}
