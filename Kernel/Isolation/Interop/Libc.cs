using System.Runtime.InteropServices;

namespace StorageOs.Kernel.Isolation.Interop;

/// <summary>
/// Signatures of the C library that a plugin's process and its node need beside those of the loop;
/// 1:1 names, no logic.
/// </summary>
internal static partial class Libc
{
    internal const int MAP_SHARED = 1;
    internal const int MAP_POPULATE = 0x8000;
    internal const int PR_SET_PDEATHSIG = 1;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int posix_fallocate(SafeHandle file, long offset, long length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int prctl(int option, nuint argument);

    [LibraryImport("libc")]
    internal static partial int getppid();
}
