using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace StorageOs.Kernel.Configuration.Interop;

/// <summary>What the system says of a file and .NET does not.</summary>
internal static partial class Statx
{
    private const int AT_FDCWD = -100;
    private const int AT_EMPTY_PATH = 0x1000;
    private const uint STATX_TYPE = 0x1;
    private const uint STATX_UID = 0x8;
    private const uint STATX_GID = 0x10;
    private const ushort TypeMask = 0xF000; // S_IFMT, inode(7)
    private const ushort RegularFile = 0x8000; // S_IFREG

    [LibraryImport("libc")]
    internal static partial uint geteuid();

    /// <summary>Numeric id of the file's owner; null when the system does not say.</summary>
    internal static uint? OwnerOf(SafeFileHandle file)
    {
        StatxBuffer buffer = default;
        int result = statx(file, "", AT_EMPTY_PATH, STATX_UID, ref buffer);
        return result == 0 ? buffer.Uid : null;
    }

    /// <summary>Gives a file the owner and group of another; false when it may not.</summary>
    internal static bool TryOwnLike(string path, string other)
    {
        StatxBuffer buffer = default;
        return statx(AT_FDCWD, other, 0, STATX_UID | STATX_GID, ref buffer) == 0
            && chown(path, buffer.Uid, buffer.Gid) == 0;
    }

    /// <summary>Numeric id of a path's owner; null when the system does not say.</summary>
    internal static uint? OwnerOf(string path)
    {
        StatxBuffer buffer = default;
        return statx(AT_FDCWD, path, 0, STATX_UID, ref buffer) == 0 ? buffer.Uid : null;
    }

    /// <summary>
    /// Whether a path leads to a file, and not to a pipe or device: opening or reading those may
    /// never end.
    /// </summary>
    internal static bool IsFile(string path)
    {
        StatxBuffer buffer = default;
        int result = statx(AT_FDCWD, path, 0, STATX_TYPE, ref buffer);
        return result == 0 && (buffer.Mode & TypeMask) == RegularFile;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint owner, uint group);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(
        int dirfd, string path, int flags, uint mask, ref StatxBuffer buffer);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(
        SafeFileHandle dirfd, string path, int flags, uint mask, ref StatxBuffer buffer);

    // struct statx: stx_mask, stx_blksize, stx_attributes, stx_nlink, stx_uid, stx_gid,
    // stx_mode; 256 bytes in all.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxBuffer
    {
        [FieldOffset(20)]
        internal uint Uid;

        [FieldOffset(24)]
        internal uint Gid;

        [FieldOffset(28)]
        internal ushort Mode;
    }
}
