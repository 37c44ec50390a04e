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

    /// <summary>Open for reading and writing.</summary>
    public const int ReadWrite = 2;

    /// <summary>Of a block device: not while anybody else has it so, or has it mounted.</summary>
    public const int Exclusive = 0x80;

    /// <summary>Not inherited by programs that are started.</summary>
    public const int CloseOnExec = 0x80000;

    /// <summary>ioctl BLKGETSIZE64: length of a block device in bytes.</summary>
    public const nuint BlockGetSize64 = 0x8008_1272;

    /// <summary>In use.</summary>
    public const int EBUSY = 16;

    /// <summary>Would wait.</summary>
    public const int EAGAIN = 11;

    /// <summary>No space left.</summary>
    public const int ENOSPC = 28;

    /// <summary>An argument that does not fit: a range that is not of whole blocks.</summary>
    public const int EINVAL = 22;

    /// <summary>Not for this kind of file.</summary>
    public const int EOPNOTSUPP = 95;

    /// <summary>Over the quota.</summary>
    public const int EDQUOT = 122;

    /// <summary>See preadv2(2).</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint preadv2(
        SafeFileHandle fd, IoVec* iov, int count, long offset, int flags);

    /// <summary>See open(2).</summary>
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle open(string path, int flags);

    /// <summary>See ioctl(2), of requests that give a 64-bit number.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int ioctl(SafeFileHandle fd, nuint request, out long value);

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
