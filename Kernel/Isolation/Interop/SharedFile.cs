using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using LoopLibc = StorageOs.Kernel.Loop.Interop.Libc;

namespace StorageOs.Kernel.Isolation.Interop;

/// <summary>
/// A file mapped whole by both a node and a plugin's process, every page touched. Its spans die
/// with its disposal.
/// </summary>
internal sealed unsafe class SharedFile : MemoryManager<byte>
{
    private readonly int length;
    private nint address;

    private SharedFile(nint address, int length)
    {
        this.address = address;
        this.length = length;
    }

    /// <summary>Makes a file of zeros, its space allocated, and maps it.</summary>
    internal static SharedFile Create(string path, int length) => Guarded(path, length, () =>
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
        return error == 0
            ? Map(path, file.SafeFileHandle, length)
            : throw new IOException(Marshal.GetPInvokeErrorMessage(error));
    });

    /// <summary>Maps a file, or a device, that is there.</summary>
    internal static SharedFile Open(string path, int length) => Guarded(path, length, () =>
    {
        using SafeFileHandle file = File.OpenHandle(
            path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        return Map(path, file, length);
    });

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
            Invariant.Require(LoopLibc.munmap(mapped, (nuint)length) == 0);
        }
    }

    private static SharedFile Guarded(string path, int length, Func<SharedFile> make)
    {
        try
        {
            return make();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new RefusedException(
                new Refusal(
                    $"memory shared with a plugin's process, {path}", $"a file of {length} bytes",
                    failure.Message, "check free space and rights of node.nvramDirectory"),
                failure);
        }
    }

    private static SharedFile Map(string path, SafeFileHandle file, int length)
    {
        nint mapped = LoopLibc.mmap(
            0, (nuint)length, LoopLibc.PROT_READ | LoopLibc.PROT_WRITE,
            Libc.MAP_SHARED | Libc.MAP_POPULATE, (int)file.DangerousGetHandle(), 0);
        return mapped == -1
            ? throw new IOException($"mmap of {path}: {Marshal.GetLastPInvokeErrorMessage()}")
            : new SharedFile(mapped, length);
    }
}
