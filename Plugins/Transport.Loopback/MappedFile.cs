using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Loopback.Interop;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// A file mapped whole and shared. Space is allocated before it is mapped: a sparse file on a full
/// disk would end the process at first touch instead of refusing here.
/// Spans of it die with its disposal. Another process that shortened a file would end this one; as
/// the folders are their owner's alone, only whoever could end it anyway can do that.
/// </summary>
internal sealed unsafe class MappedFile : MemoryManager<byte>
{
    private readonly int length;
    private nint address;

    private MappedFile(nint address, int length)
    {
        this.address = address;
        this.length = length;
    }

    /// <summary>First byte; null once disposed.</summary>
    public byte* Address => (byte*)address;

    /// <summary>Bytes mapped.</summary>
    public int Length => length;

    /// <summary>Makes a new file of zeros and maps it, every page touched.</summary>
    public static MappedFile Create(string path, int length)
    {
        try
        {
            using FileStream file = new(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite | FileShare.Delete,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                BufferSize = 0,
            });
            int error = Libc.posix_fallocate(file.SafeFileHandle, 0, length);
            if (error != 0)
            {
                File.Delete(path);
                throw Native.Refused($"posix_fallocate of {length} bytes for {path}", error);
            }

            return Map(path, file.SafeFileHandle, length, writable: true, populate: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Native.Refused(path, "a new file of " + length + " bytes", failure);
        }
    }

    /// <summary>Maps an existing file; null when there is none or it has another length.</summary>
    public static MappedFile? TryOpen(string path, int length, bool writable, bool populate)
    {
        try
        {
            using SafeFileHandle file = File.OpenHandle(
                path,
                FileMode.Open,
                writable ? FileAccess.ReadWrite : FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete);
            return RandomAccess.GetLength(file) == length
                ? Map(path, file, length, writable, populate)
                : null;
        }
        catch (Exception failure) when (failure is FileNotFoundException
            or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan()
    {
        byte* start = Address;
        ObjectDisposedException.ThrowIf(start == null, this);
        return new Span<byte>(start, length);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)length);
        return new MemoryHandle(Address + elementIndex);
    }

    /// <inheritdoc/>
    public override void Unpin()
    {
        // The memory never moves.
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        nint mapped = Interlocked.Exchange(ref address, 0);
        if (mapped != 0)
        {
            int result = Libc.munmap(mapped, (nuint)length);
            Invariant.Require(result == 0);
        }
    }

    private static MappedFile Map(
        string path, SafeFileHandle file, int length, bool writable, bool populate)
    {
        int protection = Libc.ProtRead | (writable ? Libc.ProtWrite : 0);
        int flags = Libc.MapShared | (populate ? Libc.MapPopulate : 0);
        nint address = Libc.mmap(0, (nuint)length, protection, flags, file, 0);
        return address == -1
            ? throw Native.Refused($"mmap of {path}", Marshal.GetLastPInvokeError())
            : new MappedFile(address, length);
    }
}
