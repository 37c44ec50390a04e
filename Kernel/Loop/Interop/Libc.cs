using System.Runtime.InteropServices;

namespace StorageOs.Kernel.Loop.Interop;

/// <summary>Signatures of the C library that the loop needs; 1:1 names, no logic.</summary>
internal static partial class Libc
{
    internal const int EPOLL_CLOEXEC = 0x80000;
    internal const int EPOLL_CTL_ADD = 1;
    internal const int EPOLL_CTL_DEL = 2;
    internal const int EPOLL_CTL_MOD = 3;
    internal const uint EPOLLIN = 0x001;
    internal const uint EPOLLOUT = 0x004;
    internal const uint EPOLLERR = 0x008;
    internal const uint EPOLLHUP = 0x010;
    internal const uint EPOLLRDHUP = 0x2000;
    internal const int EFD_CLOEXEC = 0x80000;
    internal const int EFD_NONBLOCK = 0x800;
    internal const int EINTR = 4;
    internal const int SCHED_RR = 2;
    internal const int MAP_ANONYMOUS = 0x20;
    internal const int MAP_PRIVATE = 2;
    internal const int PRIO_PROCESS = 0;
    internal const int PROT_EXEC = 4;
    internal const int PROT_READ = 1;
    internal const int PROT_WRITE = 2;
    internal const int SIG_SETMASK = 2;
    internal const int SIGKILL = 9;
    internal const int SIGCONT = 18;
    internal const int SIGSTOP = 19;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int sched_setscheduler(int pid, int policy, in int priority);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint mmap(
        nint address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int munmap(nint address, nuint length);

    /// <summary>Returns the error number, not -1; so do all of pthread.</summary>
    [LibraryImport("libc")]
    internal static unsafe partial int pthread_create(
        out nint thread, nint attributes, nint routine, void* argument);

    [LibraryImport("libc")]
    internal static partial int pthread_join(nint thread, nint result);

    [LibraryImport("libc")]
    internal static unsafe partial int pthread_sigmask(int how, ulong* set, ulong* old);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int setpriority(int which, int who, int prio);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_ctl(int epfd, int op, int fd, ref EpollEvent change);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int epoll_pwait2(
        int epfd, ref EpollEvent events, int maxevents, in Timespec timeout, nint sigmask);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int eventfd(uint initval, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint read(int fd, ref ulong value, nint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint write(int fd, in ulong value, nint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close(int fd);
}

/// <summary>struct epoll_event; packed on x86-64.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct EpollEvent
{
    internal uint Events;
    internal ulong Data;
}

/// <summary>struct timespec.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Timespec
{
    internal long Seconds;
    internal long Nanoseconds;
}
