using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Volumes.Interop;

namespace StorageOs.Volumes;

/// <summary>
/// A sparse file of the volume's size, or a block device of at least that size. A device has no
/// holes to tell: a full copy of it reads all of it.
/// </summary>
internal sealed class VolumeFile : IVolumeFile
{
    private static readonly byte[] Zeros = new byte[Size.MiB];
    private readonly SafeFileHandle file;
    private readonly long sizeBytes;

    private VolumeFile(SafeFileHandle file, long sizeBytes)
    {
        this.file = file;
        this.sizeBytes = sizeBytes;
    }

    /// <summary>Opens the volume's device, or its file in a folder, made if need be.</summary>
    /// <exception cref="RefusedException">
    /// The device is none, in use or too small; the file is larger than the volume.
    /// </exception>
    public static VolumeFile Open(VolumeSettings volume, string folder) => volume.Device is { } path
        ? OpenDevice(path, volume.SizeBytes)
        : OpenFile(Path.Combine(folder, volume.Name + ".img"), volume.SizeBytes);

    private static VolumeFile OpenDevice(string path, long sizeBytes)
    {
        // Exclusive: a device that is mounted or another volume's is busy (open(2), O_EXCL).
        SafeFileHandle device = Libc.open(
            path, Libc.ReadWrite | Libc.Exclusive | Libc.CloseOnExec);
        if (device.IsInvalid)
        {
            int error = Marshal.GetLastPInvokeError();
            throw new RefusedException(new Refusal(
                $"device {path}", "a block device that nothing else uses",
                Marshal.GetPInvokeErrorMessage(error),
                error == Libc.EBUSY ? "it is mounted or another's: see lsblk" : ""));
        }

        if (Libc.ioctl(device, Libc.BlockGetSize64, out long length) != 0 || length < sizeBytes)
        {
            device.Dispose();
            throw new RefusedException(new Refusal(
                $"device {path}", $"a block device of at least {sizeBytes} bytes",
                length > 0 ? $"one of {length} bytes" : "no block device"));
        }

        return new VolumeFile(device, sizeBytes);
    }

    private static VolumeFile OpenFile(string path, long sizeBytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        SafeFileHandle file = File.OpenHandle(
            path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        long length = RandomAccess.GetLength(file);
        if (length > sizeBytes)
        {
            // What the log holds beyond the end would have nowhere to go.
            file.Dispose();
            throw new RefusedException(new Refusal(
                $"volume file {path}", $"at most {sizeBytes} bytes, the volume's size",
                $"{length}", $"configure sizeBytes {length}; a volume does not shrink"));
        }

        try
        {
            if (length == 0)
            {
                StableFile.FlushName(path); // What is flushed to it must be found again.
            }

            if (length < sizeBytes)
            {
                RandomAccess.SetLength(file, sizeBytes);
            }

            return new VolumeFile(file, sizeBytes);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public bool TryReadNow(Span<byte> into, long offset)
    {
        while (into.Length > 0)
        {
            nint count = Libc.ReadNoWait(file, into, offset);
            if (count <= 0)
            {
                return false;
            }

            into = into[(int)count..];
            offset += count;
        }

        return true;
    }

    /// <inheritdoc/>
    public DiskResult Read(Span<byte> into, long offset)
    {
        try
        {
            while (into.Length > 0)
            {
                int count = RandomAccess.Read(file, into, offset);
                if (count == 0)
                {
                    return DiskResult.Failed; // Shorter than it was made.
                }

                into = into[count..];
                offset += count;
            }

            return DiskResult.Ok;
        }
        catch (IOException)
        {
            return DiskResult.Failed;
        }
    }

    /// <inheritdoc/>
    public DiskResult Write(IReadOnlyList<ReadOnlyMemory<byte>> buffers, long offset)
    {
        try
        {
            RandomAccess.Write(file, buffers, offset);
            return DiskResult.Ok;
        }
        catch (IOException failure)
        {
            // The runtime gives errno as the low bits, except that ENOSPC is ERROR_DISK_FULL.
            int code = failure.HResult & 0xFFFF;
            return code is Libc.ENOSPC or Libc.EDQUOT or 112
                ? DiskResult.NoSpace
                : DiskResult.Failed;
        }
    }

    /// <inheritdoc/>
    public DiskResult Punch(long offset, long length)
    {
        const int Mode = Libc.FallocKeepSize | Libc.FallocPunchHole;
        if (length == 0 || Libc.fallocate(file, Mode, offset, length) == 0)
        {
            return DiskResult.Ok;
        }

        // A block device punches whole blocks only, and some devices and file systems no holes at
        // all (fallocate(2)): what was asked for reads as zeros either way.
        return Marshal.GetLastPInvokeError() switch
        {
            Libc.ENOSPC or Libc.EDQUOT => DiskResult.NoSpace,
            Libc.EINVAL or Libc.EOPNOTSUPP => WriteZeros(offset, length),
            _ => DiskResult.Failed,
        };
    }

    /// <summary>Zeros a range by writing it.</summary>
    internal DiskResult WriteZeros(long offset, long length)
    {
        DiskResult result = DiskResult.Ok;
        for (long end = offset + length; offset < end && result == DiskResult.Ok;)
        {
            int piece = (int)Math.Min(Zeros.Length, end - offset);
            result = Write([Zeros.AsMemory(0, piece)], offset);
            offset += piece;
        }

        return result;
    }

    /// <inheritdoc/>
    public DiskResult Flush()
    {
        try
        {
            RandomAccess.FlushToDisk(file);
            return DiskResult.Ok;
        }
        catch (IOException)
        {
            return DiskResult.Failed;
        }
    }

    /// <inheritdoc/>
    public long NextData(long offset)
    {
        long data = Libc.lseek(file, offset, Libc.SeekData);
        return data >= 0 ? data
            : Marshal.GetLastPInvokeError() == Libc.ENXIO ? sizeBytes
            : offset; // Not known: as if all were data.
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
