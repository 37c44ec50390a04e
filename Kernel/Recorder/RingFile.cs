using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Recorder;

/// <summary>
/// A ring in a mapped file: what was written is there after the process has died, without a call
/// into the system. Whether it outlives the machine, the folder it lies in decides.
/// </summary>
internal sealed class RingFile : IDisposable
{
    private const UnixFileMode OwnersAlone = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly MemoryMappedFile mapped;
    private readonly MemoryMappedViewAccessor view;

    private RingFile(MemoryMappedFile mapped)
    {
        this.mapped = mapped;
        view = mapped.CreateViewAccessor(0, EventSlot.RingBytes);
    }

    private SafeBuffer Memory => view.SafeMemoryMappedViewHandle;

    /// <summary>
    /// Opens the file, or makes an empty one. Its blocks are written before it is mapped: a full
    /// disk shows here and not at some later event, where it would end the process.
    /// </summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static RingFile Open(string path)
    {
        if (!File.Exists(path) || new FileInfo(path).Length != EventSlot.RingBytes)
        {
            Replace(path, new byte[EventSlot.RingBytes]);
        }

        return new RingFile(
            MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, EventSlot.RingBytes));
    }

    /// <summary>Puts a whole ring in place of what a path names, atomically and for good.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> ring)
    {
        string made = path + ".new";
        using (FileStream stream = new(made, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = OwnersAlone,
            BufferSize = 0,
        }))
        {
            stream.Write(ring);
            stream.Flush(flushToDisk: true);
        }

        File.Move(made, path, overwrite: true);
        StableFile.FlushName(path);
    }

    /// <summary>Copies the ring.</summary>
    public void Read(Span<byte> ring) => Memory.ReadSpan(0, ring[..EventSlot.RingBytes]);

    /// <summary>Writes a slot.</summary>
    public void Write(ReadOnlySpan<byte> slot, int at) => Memory.WriteSpan((ulong)at, slot);

    /// <inheritdoc/>
    public void Dispose()
    {
        view.Dispose();
        mapped.Dispose();
    }
}
