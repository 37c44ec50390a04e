using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Volumes.Interop;

namespace StorageOs.Volumes;

/// <summary>A sparse file of the volume's size.</summary>
internal sealed class VolumeFile : IVolumeFile
{
    private readonly SafeFileHandle file;
    private readonly long sizeBytes;

    private VolumeFile(SafeFileHandle file, long sizeBytes)
    {
        this.file = file;
        this.sizeBytes = sizeBytes;
    }

    /// <summary>Opens the file, or makes it.</summary>
    public static VolumeFile Open(string path, long sizeBytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        SafeFileHandle file = File.OpenHandle(
            path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        if (RandomAccess.GetLength(file) < sizeBytes)
        {
            RandomAccess.SetLength(file, sizeBytes);
        }

        return new VolumeFile(file, sizeBytes);
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
        return length == 0 || Libc.fallocate(file, Mode, offset, length) == 0
            ? DiskResult.Ok
            : Marshal.GetLastPInvokeError() is Libc.ENOSPC or Libc.EDQUOT
                ? DiskResult.NoSpace
                : DiskResult.Failed;
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
