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
