using System.Runtime.InteropServices;

namespace StorageOs.Contracts.Runtime.Interop;

/// <summary>
/// Calls of the C library that .NET does not offer; paths are UTF-8 with a final zero.
/// </summary>
internal static class LibC
{
    internal const int EINVAL = 22;
    internal const int O_DIRECTORY = 0x10000;
    internal const int O_CLOEXEC = 0x80000;

    [DllImport("libc", SetLastError = true)]
    internal static extern int open(byte[] path, int flags);

    [DllImport("libc", SetLastError = true)]
    internal static extern int fsync(int descriptor);

    [DllImport("libc", SetLastError = true)]
    internal static extern int close(int descriptor);
}
