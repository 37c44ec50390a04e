using System.Runtime.InteropServices;

namespace StorageOs.Kernel.Isolation.Interop;

/// <summary>
/// Signatures of the C library that a plugin's process and its node need; 1:1 names, no logic.
/// </summary>
internal static partial class Libc
{
    internal const int MAP_SHARED = 1;
    internal const int MAP_POPULATE = 0x8000;
    internal const int PROT_READ = 1;
    internal const int PROT_WRITE = 2;
    internal const int PR_SET_PDEATHSIG = 1;
    internal const int SIGKILL = 9;
    internal const int EFD_CLOEXEC = 0x80000;
    internal const int EFD_NONBLOCK = 0x800;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint mmap(
        nint address, nuint length, int protection, int flags, SafeHandle file, long offset);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int munmap(nint address, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int posix_fallocate(SafeHandle file, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int prctl(int option, nuint argument);

    [LibraryImport("libc")]
    internal static partial int getppid();

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int eventfd(uint initval, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint read(SafeHandle file, ref ulong value, nint count);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint write(SafeHandle file, in ulong value, nint count);
}
