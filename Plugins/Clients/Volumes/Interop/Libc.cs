using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace StorageOs.Volumes.Interop;

/// <summary>Calls of the C library that the base class library has no member for. Linux,
/// x64.</summary>
internal static unsafe partial class Libc
{
    /// <summary>Fail rather than wait for the disk.</summary>
    public const int RwfNoWait = 8;

    /// <summary>Keep the file's length.</summary>
    public const int FallocKeepSize = 1;

    /// <summary>Free the range.</summary>
    public const int FallocPunchHole = 2;

    /// <summary>Find the next byte that is not in a hole.</summary>
    public const int SeekData = 3;

    /// <summary>Nothing there.</summary>
    public const int ENXIO = 6;

    /// <summary>Would wait.</summary>
    public const int EAGAIN = 11;

    /// <summary>No space left.</summary>
    public const int ENOSPC = 28;

    /// <summary>Over the quota.</summary>
    public const int EDQUOT = 122;

    /// <summary>See preadv2(2).</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint preadv2(
        SafeFileHandle fd, IoVec* iov, int count, long offset, int flags);

    /// <summary>See fallocate(2).</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int fallocate(SafeFileHandle fd, int mode, long offset, long length);

    /// <summary>See lseek(2).</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial long lseek(SafeFileHandle fd, long offset, int whence);

    /// <summary>struct iovec.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct IoVec
    {
        /// <summary>First byte.</summary>
        public void* Base;

        /// <summary>Bytes.</summary>
        public nuint Length;
    }

    /// <summary>preadv2 of one span, without waiting.</summary>
    public static nint ReadNoWait(SafeFileHandle file, Span<byte> into, long offset)
    {
        fixed (byte* first = into)
        {
            IoVec vector = new() { Base = first, Length = (nuint)into.Length };
            return preadv2(file, &vector, 1, offset, RwfNoWait);
        }
    }
}
