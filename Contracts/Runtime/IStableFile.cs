using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime.Interop;

namespace StorageOs.Contracts.Runtime;

/// <summary>
/// A small file in which a module keeps words that must outlive its process: written in place,
/// flushed on demand. What was not flushed survives the process and may not survive the machine.
/// In the simulator the same interface loses and tears just that.
/// </summary>
public interface IStableFile : IDisposable
{
    /// <summary>Reads what there is from <paramref name="offset"/> on; how many bytes.</summary>
    int Read(Span<byte> into, long offset);

    /// <summary>Writes all of <paramref name="bytes"/>.</summary>
    /// <exception cref="IOException">The disk failed or is full.</exception>
    void Write(ReadOnlySpan<byte> bytes, long offset);

    /// <summary>Makes what was written survive a loss of power.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    void Flush();
}

/// <summary>A file of the operating system.</summary>
public sealed class StableFile : IStableFile
{
    private readonly SafeFileHandle handle;

    private StableFile(SafeFileHandle handle) => this.handle = handle;

    /// <summary>
    /// Opens the file, or makes it and its folder, both so that they are found after a loss of
    /// power.
    /// </summary>
    /// <exception cref="IOException">The disk failed or is full.</exception>
    public static StableFile Open(string path) => Open(path, FlushName);

    /// <summary>As above, flushing names as the caller says.</summary>
    internal static StableFile Open(string path, Action<string> flushName)
    {
        MakeFolder(Path.GetDirectoryName(Path.GetFullPath(path))!, flushName);
        SafeFileHandle handle = File.OpenHandle(
            path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        try
        {
            if (RandomAccess.GetLength(handle) == 0)
            {
                flushName(path); // Nothing was ever written to it, so this may not be done yet.
            }

            return new(handle);
        }
        catch (IOException)
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Makes the name of a file or folder that was made survive a loss of power: a flush of the
    /// file itself promises nothing of its folder (fsync(2)).
    /// </summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static void FlushName(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        int descriptor = LibC.open(
            [.. Encoding.UTF8.GetBytes(folder), 0], LibC.O_DIRECTORY | LibC.O_CLOEXEC);
        int result = descriptor < 0 ? descriptor : LibC.fsync(descriptor);
        int error = Marshal.GetLastPInvokeError();
        if (descriptor >= 0)
        {
            _ = LibC.close(descriptor);
        }

        // Some file systems have nothing to flush of a folder, and say so.
        if (result < 0 && (descriptor < 0 || error != LibC.EINVAL))
        {
            throw new IOException(
                $"flush of folder {folder}: {Marshal.GetPInvokeErrorMessage(error)}");
        }
    }

    private static void MakeFolder(string folder, Action<string> flushName)
    {
        if (Directory.Exists(folder))
        {
            return;
        }

        MakeFolder(Path.GetDirectoryName(folder)!, flushName);
        _ = Directory.CreateDirectory(folder);
        flushName(folder);
    }

    /// <inheritdoc/>
    public int Read(Span<byte> into, long offset) => RandomAccess.Read(handle, into, offset);

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes, long offset) =>
        RandomAccess.Write(handle, bytes, offset);

    /// <inheritdoc/>
    public void Flush() => RandomAccess.FlushToDisk(handle);

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();
}
