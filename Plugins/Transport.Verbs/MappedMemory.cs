using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// Memory that a card can be shown: page-aligned, touched when made, in large pages where a region
/// is made of whole ones and the machine has any. Spans of it die with its disposal.
/// </summary>
internal sealed unsafe class MappedMemory : MemoryManager<byte>
{
    private readonly int length;
    private nint address;

    private MappedMemory(nint address, int length)
    {
        this.address = address;
        this.length = length;
    }

    /// <summary>Address of the first byte; zero once disposed.</summary>
    public nint Address => address;

    /// <summary>Plain memory of zeros.</summary>
    public static MappedMemory Anonymous(int length)
    {
        const int Plain = Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS | Libc.MAP_POPULATE;
        nint address = length % Limits.HugePage == 0
            ? Map(length, Plain | Libc.MAP_HUGETLB, -1)
            : -1;
        if (address == -1)
        {
            address = Map(length, Plain, -1);
        }

        if (address == -1)
        {
            throw Native.Refused($"mmap of {length} bytes", Marshal.GetLastPInvokeError());
        }

        // A child process must not share what the card writes to.
        Native.Success(
            "madvise(MADV_DONTFORK)",
            Libc.madvise(address, (nuint)length, Libc.MADV_DONTFORK));
        return new MappedMemory(address, length);
    }

    /// <summary>
    /// What a path holds; a file is made of zeros, its space allocated, where there is none.
    /// </summary>
    public static MappedMemory Backed(string path, int length)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path) ?? "/");
            bool made = !File.Exists(path);
            using SafeFileHandle file = File.OpenHandle(
                path,
                made ? FileMode.CreateNew : FileMode.Open,
                FileAccess.ReadWrite,
                FileShare.ReadWrite | FileShare.Delete);
            Fit(file, path, length, made);
            nint address = Map(
                length,
                Libc.MAP_SHARED | Libc.MAP_POPULATE,
                file.DangerousGetHandle().ToInt32());
            return address != -1
                ? new MappedMemory(address, length)
                : throw Native.Refused($"mmap of {path}", Marshal.GetLastPInvokeError());
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Native.Refused(
                $"backing file {path}", $"a file of {length} bytes to read and write", failure);
        }
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan()
    {
        nint start = address;
        ObjectDisposedException.ThrowIf(start == 0, this);
        return new Span<byte>((void*)start, length);
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)length);
        return new MemoryHandle((byte*)address + elementIndex);
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

    private static nint Map(int length, int flags, int file) => Libc.mmap(
        0, (nuint)length, Libc.PROT_READ | Libc.PROT_WRITE, flags, file, 0);

    /// <summary>
    /// Gives a new file its space. Another must be as long as the region; a device may be longer.
    /// </summary>
    private static void Fit(SafeFileHandle file, string path, int length, bool made)
    {
        if (made)
        {
            int error = Libc.posix_fallocate(file, 0, length);
            if (error != 0)
            {
                File.Delete(path);
                throw Native.Refused(
                    $"posix_fallocate of {length} bytes for {path}", error, "check free space");
            }
        }

        DaxDevice? device = DaxDevice.Find(path);
        long found = device?.Length ?? RandomAccess.GetLength(file);
        if (device is null ? found != length : found < length)
        {
            throw new RefusedException(new Refusal(
                $"backing file {path}",
                $"{length} bytes",
                $"{found} bytes",
                "restore the file or the configured size; removing it loses its contents"));
        }
    }
}
