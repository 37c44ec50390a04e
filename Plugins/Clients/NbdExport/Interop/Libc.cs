using System.Runtime.InteropServices;

namespace StorageOs.NbdExport.Interop;

/// <summary>Socket calls of the C library, by their names; each sets errno.</summary>
internal static partial class Libc
{
    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int bind(Descriptor socket, ref byte address, int addressBytes);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int listen(Descriptor socket, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int connect(Descriptor socket, ref byte address, int addressBytes);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int accept4(
        Descriptor socket, nint address, nint addressBytes, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recv(Descriptor socket, ref byte buffer, nint bytes, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint send(Descriptor socket, ref byte buffer, nint bytes, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint sendto(
        Descriptor socket, ref byte buffer, nint bytes, int flags, ref byte address,
        int addressBytes);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint sendmsg(Descriptor socket, ref MsgHdr message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recvmsg(Descriptor socket, ref MsgHdr message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int shutdown(Descriptor socket, int how);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setsockopt(
        Descriptor socket, int level, int name, ref int value, int valueBytes);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getsockopt(
        Descriptor socket, int level, int name, ref int value, ref int valueBytes);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getsockname(
        Descriptor socket, ref byte address, ref int addressBytes);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int flock(SafeHandle file, int operation);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close(int descriptor);
}
