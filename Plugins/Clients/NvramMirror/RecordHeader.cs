using System.Runtime.InteropServices;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>First 64 bytes of every record; little-endian, at a multiple of 64.</summary>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal struct RecordHeader
{
    /// <summary>Length.</summary>
    public const int Bytes = 64;

    /// <summary>Says what it is.</summary>
    public uint Magic;

    /// <summary>CRC-32C over what follows, payload and alignment included; a pad's over its
    /// header.</summary>
    public uint Crc;

    /// <summary>Where the record starts.</summary>
    public ulong Lsn;

    /// <summary>Term it was written under.</summary>
    public ulong Term;

    /// <summary>Generation it belongs to (rule L2).</summary>
    public ulong Generation;

    /// <summary>First byte on the volume.</summary>
    public long Offset;

    /// <summary>Bytes on the volume.</summary>
    public int Length;

    /// <summary>Bytes after this header that mean something.</summary>
    public int PayloadLength;

    /// <summary>CRC of the record before: what chains them.</summary>
    public uint PreviousCrc;

    /// <summary>What it does.</summary>
    public LogEntryKind Kind;

    /// <summary>What a record of <see cref="LogEntryKind.None"/> is for.</summary>
    public ControlKind Control;

    /// <summary>Volume within the group.</summary>
    public ushort Volume;

    /// <summary>From this record's start to the next one's.</summary>
    public int TotalBytes;

    private readonly uint spare;

    /// <summary>End of the record.</summary>
    public readonly ulong End => Lsn + (ulong)TotalBytes;
}

/// <summary>Records of the log's own.</summary>
internal enum ControlKind : byte
{
    /// <summary>Not one: it changes a volume.</summary>
    None = 0,

    /// <summary>Fills the ring to its end.</summary>
    Pad = 1,

    /// <summary>Starts a generation.</summary>
    GenerationStart = 2,
}
