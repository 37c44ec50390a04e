using System.Runtime.InteropServices;

namespace StorageOs.Transport.Tcp.Interop;

/// <summary>
/// The C library's calls that this transport needs, by their own names. No logic here.
/// </summary>
internal static partial class Libc
{
    internal const int AF_INET = 2;
    internal const int AF_INET6 = 10;
    internal const int EAGAIN = 11;
    internal const int EINPROGRESS = 115;
    internal const int EINTR = 4;
    internal const int EFD_CLOEXEC = 0x80000;
    internal const int EFD_NONBLOCK = 0x800;
    internal const int EPOLL_CLOEXEC = 0x80000;
    internal const int EPOLL_CTL_ADD = 1;
    internal const int EPOLL_CTL_DEL = 2;
    internal const int EPOLL_CTL_MOD = 3;
    internal const uint EPOLLIN = 0x001;
    internal const uint EPOLLOUT = 0x004;
    internal const int IPPROTO_TCP = 6;
    internal const int MAP_ANONYMOUS = 0x20;
    internal const int MAP_POPULATE = 0x8000;
    internal const int MAP_SHARED = 1;
    internal const int MSG_NOSIGNAL = 0x4000;
    internal const int MSG_DONTWAIT = 0x40;
    internal const int PROT_READ = 1;
    internal const int PROT_WRITE = 2;
    internal const int SHUT_RDWR = 2;
    internal const int SO_KEEPALIVE = 9;
    internal const int SO_REUSEADDR = 2;
    internal const int SOCK_CLOEXEC = 0x80000;
    internal const int SOCK_NONBLOCK = 0x800;
    internal const int SOCK_STREAM = 1;
    internal const int SOL_SOCKET = 1;
    internal const int TCP_NODELAY = 1;
    internal const int TCP_KEEPIDLE = 4;
    internal const int TCP_KEEPINTVL = 5;
    internal const int TCP_USER_TIMEOUT = 18;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int connect(SafeHandle socket, ReadOnlySpan<byte> address, int length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int bind(SafeHandle socket, ReadOnlySpan<byte> address, int length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int listen(SafeHandle socket, int backlog);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int accept4(
        SafeHandle socket, Span<byte> address, ref int length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setsockopt(
        SafeHandle socket, int level, int name, in int value, int length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int shutdown(SafeHandle socket, int how);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recv(
        SafeHandle socket, Span<byte> buffer, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint send(
        SafeHandle socket, ReadOnlySpan<byte> buffer, nint length, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint sendmsg(SafeHandle socket, in MsgHdr message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_ctl(
        SafeHandle epoll, int operation, SafeHandle descriptor, ref EpollEvent change);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_wait(
        SafeHandle epoll, ref EpollEvent events, int count, int timeout);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint read(SafeHandle descriptor, ref ulong value, nint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint write(SafeHandle descriptor, in ulong value, nint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint mmap(
        nint address, nuint length, int protection, int flags, SafeHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    internal static partial nint mmap_anonymous(
        nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int munmap(nint address, nuint length);

    /// <summary>Returns the error number, not -1.</summary>
    [LibraryImport("libc")]
    internal static partial int posix_fallocate(SafeHandle file, long offset, long length);
}

/// <summary>struct epoll_event; packed on x86-64.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct EpollEvent
{
    internal uint Events;
    internal ulong Data;
}

/// <summary>struct iovec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IoVec
{
    internal nint Base;
    internal nint Length;
}

/// <summary>struct msghdr.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MsgHdr
{
    internal nint Name;
    internal int NameLength;
    internal nint Vectors;
    internal nint VectorCount;
    internal nint Control;
    internal nint ControlLength;
    internal int Flags;
}
