using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

/// <summary>
/// Where things are on a volume: a superblock in the first block and its copy in the last, two
/// halves for the index, of which one counts, and the objects' blocks between. Pure.
/// </summary>
internal sealed class Layout
{
    /// <summary>Unit of space, and of every read and write.</summary>
    public const int BlockBytes = 4096;

    /// <summary>Of an object, what has one checksum and is moved at once.</summary>
    public const int ChunkBytes = 256 * Size.KiB;

    /// <summary>An index has this much room at least, and a 64th of its volume.</summary>
    public const long HalfBytesMin = 512 * Size.KiB;

    private const long VolumeBytesMin = 4L * Size.MiB;
    private const long VolumeBytesMax = 1024L * Size.GiB;

    /// <summary>Lays out a volume of a size that is not refused.</summary>
    public Layout(long volumeBytes)
    {
        Invariant.Require(Refuse("", volumeBytes) is null);
        VolumeBytes = volumeBytes;
        HalfBytes = Math.Max(HalfBytesMin, volumeBytes / 64 / BlockBytes * BlockBytes);
        DataBlocks = (uint)((volumeBytes - DataAt) / BlockBytes) - 1;
    }

    /// <summary>The volume's size.</summary>
    public long VolumeBytes { get; }

    /// <summary>Room of each half.</summary>
    public long HalfBytes { get; }

    /// <summary>Blocks for objects.</summary>
    public uint DataBlocks { get; }

    private long DataAt => BlockBytes + (2 * HalfBytes);

    /// <summary>Why a volume is no good for objects; null when it is.</summary>
    public static Refusal? Refuse(string volume, long bytes) =>
        bytes is >= VolumeBytesMin and <= VolumeBytesMax && bytes % BlockBytes == 0 ? null : new(
            $"volume {volume}", $"4 MiB to 1 TiB, in blocks of {BlockBytes}", $"{bytes} bytes",
            "name another volume");

    /// <summary>Where a copy of the superblock is.</summary>
    public long SuperblockAt(int copy) => copy == 0 ? 0 : VolumeBytes - BlockBytes;

    /// <summary>Where a half begins.</summary>
    public long HalfAt(int half) => BlockBytes + (half * HalfBytes);

    /// <summary>Where a block of an object is.</summary>
    public long AddressOf(uint block) => DataAt + ((long)block * BlockBytes);

    /// <summary>Blocks that so many bytes take.</summary>
    public static long BlocksOf(long bytes) => (bytes + BlockBytes - 1) / BlockBytes;
}

/// <summary>Blocks in a row.</summary>
/// <param name="First">The first, counted from the first block for objects.</param>
/// <param name="Count">How many; at least one.</param>
internal readonly record struct Extent(uint First, uint Count);

/// <summary>What is to be done to the volume.</summary>
internal enum IoKind
{
    /// <summary>Fill the buffer.</summary>
    Read,

    /// <summary>Write the buffer.</summary>
    Write,

    /// <summary>Make durable what is written.</summary>
    Flush,
}

/// <summary>
/// An effect. What decides is written as sequences of these: whoever carries one out asks for the
/// next when it is done, and for none when it failed. The buffer is its own until then.
/// </summary>
/// <param name="Kind">What to do.</param>
/// <param name="Offset">First byte on the volume.</param>
/// <param name="Buffer">Whole blocks.</param>
/// <param name="Durable">Whether a write is done only when it is durable.</param>
internal readonly record struct Io(
    IoKind Kind, long Offset, Memory<byte> Buffer, bool Durable = false)
{
    public static Io Flush { get; } = new(IoKind.Flush, 0, default);

    public static Io Read(long offset, Memory<byte> buffer) => new(IoKind.Read, offset, buffer);

    public static Io Write(long offset, Memory<byte> buffer, bool durable = false) =>
        new(IoKind.Write, offset, buffer, durable);
}
