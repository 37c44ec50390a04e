using System.Runtime.InteropServices;

namespace StorageOs.FailoverMonitor.Interop;

/// <summary>Calls of the C library that the base class library has no member for.</summary>
internal static partial class Libc
{
    /// <summary>LOCK_SH.</summary>
    public const int LockShared = 1;

    /// <summary>LOCK_EX.</summary>
    public const int LockExclusive = 2;

    /// <summary>LOCK_NB: fail rather than wait.</summary>
    public const int LockNonBlocking = 4;

    /// <summary>See flock(2).</summary>
    [LibraryImport("libc", SetLastError = true)]
    internal static partial int flock(SafeHandle file, int operation);
}
