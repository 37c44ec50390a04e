using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace StorageOs.Kernel.Configuration.Interop;

/// <summary>Who owns an open file.</summary>
internal static partial class Statx
{
    private const int AT_EMPTY_PATH = 0x1000;
    private const uint STATX_UID = 0x8;

    [LibraryImport("libc")]
    internal static partial uint geteuid();

    /// <summary>Numeric id of the file's owner; null when the system does not say.</summary>
    internal static uint? OwnerOf(SafeFileHandle file)
    {
        StatxBuffer buffer = default;
        int result = statx(file, "", AT_EMPTY_PATH, STATX_UID, ref buffer);
        return result == 0 ? buffer.Uid : null;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(
        SafeFileHandle dirfd, string path, int flags, uint mask, ref StatxBuffer buffer);

    // struct statx: stx_mask, stx_blksize, stx_attributes, stx_nlink, stx_uid; 256 bytes in all.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxBuffer
    {
        [FieldOffset(20)]
        internal uint Uid;
    }
}
