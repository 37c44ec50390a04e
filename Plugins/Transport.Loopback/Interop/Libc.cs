using System.Runtime.InteropServices;

namespace StorageOs.Transport.Loopback.Interop;

/// <summary>
/// The C library's calls that .NET does not offer, by their own names. No logic here.
/// </summary>
internal static partial class Libc
{
    internal const int ProtRead = 1;
    internal const int ProtWrite = 2;
    internal const int MapShared = 1;
    internal const int MapPopulate = 0x8000;
    internal const int LockExclusive = 2;
    internal const int LockNonBlocking = 4;
    internal const int OpenDirectory = 0x10000;
    internal const int OpenCloseOnExec = 0x80000;
    internal const int AddressFamilyUnix = 1;
    internal const int SocketStream = 1;
    internal const int SocketNonBlocking = 0x800;
    internal const int SetStatusFlags = 4;
    internal const int SocketCloseOnExec = 0x80000;

    internal const nint SYS_gettid = 186; // x86-64
    internal const nint SYS_futex = 202; // x86-64
    internal const nint SYS_set_robust_list = 273; // x86-64
    internal const int FUTEX_WAIT = 0;
    internal const int FUTEX_WAKE = 1;
    internal const int EINTR = 4;
    internal const int EAGAIN = 11;
    internal const int ETIMEDOUT = 110;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint gettid(nint number);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static unsafe partial nint set_robust_list(
        nint number, RobustListHead* head, nuint length);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    internal static unsafe partial nint futex(
        nint number, uint* word, int operation, uint value, Timespec* timeout, uint* second,
        uint third);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint mmap(
        nint address, nuint length, int protection, int flags, SafeHandle file, long offset);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int munmap(nint address, nuint length);

    /// <summary>Returns the error number, not -1.</summary>
    [LibraryImport("libc")]
    internal static partial int posix_fallocate(SafeHandle file, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int flock(SafeHandle file, int operation);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int link(string existing, string added);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fcntl(SafeHandle file, int command, int argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int connect(SafeHandle socket, ReadOnlySpan<byte> address, int length);
}

/// <summary>struct robust_list of linux/futex.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct RobustListEntry
{
    internal RobustListEntry* Next;
}

/// <summary>struct robust_list_head of linux/futex.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct RobustListHead
{
    internal RobustListEntry* First;
    internal nint FutexOffset;
    internal RobustListEntry* Pending;
}

/// <summary>struct timespec of time.h.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Timespec
{
    internal long Seconds;
    internal long Nanoseconds;

    internal static Timespec Of(TimeSpan time) => new()
    {
        Seconds = (long)time.TotalSeconds,
        Nanoseconds = time.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick,
    };
}
