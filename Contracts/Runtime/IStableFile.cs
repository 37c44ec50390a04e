using Microsoft.Win32.SafeHandles;

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

    /// <summary>Opens the file, or makes it and its folder.</summary>
    public static StableFile Open(string path)
    {
        _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return new(File.OpenHandle(
            path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read));
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
