using System.Runtime.InteropServices;

namespace StorageOs.Transport.Verbs.Interop;

/// <summary>
/// The C library's calls that .NET does not offer, by their own names. No logic here.
/// </summary>
internal static partial class Libc
{
    internal const int PROT_READ = 1;
    internal const int PROT_WRITE = 2;
    internal const int MAP_SHARED = 1;
    internal const int MAP_PRIVATE = 2;
    internal const int MAP_ANONYMOUS = 0x20;
    internal const int MAP_POPULATE = 0x8000;
    internal const int MAP_HUGETLB = 0x40000;
    internal const int MADV_DONTFORK = 10;
    internal const int MADV_HUGEPAGE = 14;
    internal const int F_DUPFD_CLOEXEC = 1030;
    internal const int F_GETFL = 3;
    internal const int F_SETFL = 4;
    internal const int O_NONBLOCK = 0x800;
    internal const int RLIMIT_MEMLOCK = 8;
    internal const int EPOLL_CLOEXEC = 0x80000;
    internal const int EPOLL_CTL_ADD = 1;
    internal const uint EPOLLIN = 1;
    internal const uint EPOLLET = 1u << 31;
    internal const int EFD_CLOEXEC = 0x80000;
    internal const int EINTR = 4;
    internal const int EAGAIN = 11;
    internal const int ENOMEM = 12;
    internal const int EACCES = 13;
    internal const int ENODEV = 19;
    internal const int EADDRINUSE = 98;
    internal const int EADDRNOTAVAIL = 99;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint mmap(
        nint address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int munmap(nint address, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int madvise(nint address, nuint length, int advice);

    /// <summary>Returns the error number, not -1.</summary>
    [LibraryImport("libc")]
    internal static partial int posix_fallocate(SafeHandle file, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fcntl(int file, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getrlimit(int resource, out ResourceLimit limit);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_ctl(
        SafeHandle epoll, int operation, int file, ref EpollEvent interest);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_wait(
        SafeHandle epoll, ref EpollEvent first, int most, int timeoutMs);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);
}

/// <summary>struct rlimit of sys/resource.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ResourceLimit
{
    internal const ulong Infinity = ulong.MaxValue;
    internal ulong Soft;
    internal ulong Hard;
}

/// <summary>struct epoll_event of sys/epoll.h, packed on x86-64.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct EpollEvent
{
    internal uint Events;
    internal ulong Data;
}
