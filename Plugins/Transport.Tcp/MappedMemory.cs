using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// Memory that never moves: anonymous, or a file mapped whole. A file's space is allocated before
/// it is mapped, for a sparse one on a full disk would end the process at first touch.
/// Spans of it die with its disposal.
/// </summary>
internal sealed unsafe class MappedMemory : MemoryManager<byte>
{
    private const int Protection = Libc.PROT_READ | Libc.PROT_WRITE;
    private readonly int length;
    private nint address;

    private MappedMemory(nint address, int length)
    {
        this.address = address;
        this.length = length;
    }

    /// <summary>Zeros, every page touched.</summary>
    public static MappedMemory Anonymous(int length) => Mapped(
        Libc.mmap_anonymous(
            0,
            (nuint)length,
            Protection,
            Libc.MAP_SHARED | Libc.MAP_ANONYMOUS | Libc.MAP_POPULATE,
            -1,
            0),
        length,
        $"mmap of {length} bytes");

    /// <summary>The file's contents, or zeros in a new file, every page touched.</summary>
    public static MappedMemory OfFile(string path, int length)
    {
        try
        {
            if (!File.Exists(path))
            {
                Create(path, length);
            }

            using SafeFileHandle file = File.OpenHandle(
                path,
                FileMode.Open,
                FileAccess.ReadWrite,
                FileShare.ReadWrite | FileShare.Delete);
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

            return Mapped(
                Libc.mmap(
                    0,
                    (nuint)length,
                    Protection,
                    Libc.MAP_SHARED | Libc.MAP_POPULATE,
                    file,
                    0),
                length,
                $"mmap of {path}");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Native.Refused($"backing file {path}", $"a file of {length} bytes", failure);
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

    /// <summary>
    /// Makes a file of zeros beside the path and gives it its name when it is whole: half a file
    /// left by a crash would be refused at the next boot.
    /// </summary>
    private static void Create(string path, int length)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path) ?? "/");
        string beside = path + ".new";
        File.Delete(beside);
        using (FileStream file = new(beside, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            BufferSize = 0,
        }))
        {
            int error = Libc.posix_fallocate(file.SafeFileHandle, 0, length);
            if (error != 0)
            {
                File.Delete(beside);
                throw new RefusedException(new Refusal(
                    $"backing file {path}",
                    $"room for {length} bytes",
                    Marshal.GetPInvokeErrorMessage(error),
                    "make room, or configure a smaller size"));
            }
        }

        File.Move(beside, path);
    }

    private static MappedMemory Mapped(nint mapped, int length, string call) => mapped == -1
        ? throw Native.Failed(call, "check free memory and the limits of this process")
        : new MappedMemory(mapped, length);
}
