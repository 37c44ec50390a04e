using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace StorageOs.NvramMirror;

/// <summary>
/// Where things stand in a copy of a log: one header page, then the ring of records. Every word
/// that the owner writes from afar has a cache line of its own.
/// </summary>
internal static class LogLayout
{
    /// <summary>Bytes before the ring.</summary>
    public const int HeaderBytes = 4096;

    /// <summary>End of the last published record.</summary>
    public const int TailWord = 64;

    /// <summary>End of the last acknowledged record.</summary>
    public const int AckedWord = 128;

    /// <summary>Start of the oldest record kept.</summary>
    public const int HeadWord = 192;

    /// <summary>Generation; zero while the copy is being made anew.</summary>
    public const int GenerationWord = 256;

    /// <summary>Number of the owner's last beat (rule S5); nobody reads it.</summary>
    public const int BeatWord = 320;

    /// <summary>Bytes of the header that hold anything.</summary>
    public const int HeaderUsedBytes = 384;

    /// <summary>Alignment of records and of the ring's length.</summary>
    public const int Alignment = 64;

    /// <summary>Kept free for records of the log's own, so that a full log can change
    /// owner.</summary>
    public const int ReserveBytes = 4096;

    /// <summary>Most bytes of one posted write.</summary>
    public const int PostBytesMax = 256 << 10;

    /// <summary>A record is at most this part of the ring (rule L4).</summary>
    public const int RecordsPerLogMin = 8;

    /// <summary>Reads an aligned word that the partner may be writing.</summary>
    public static ulong ReadWord(ReadOnlySpan<byte> bytes, int offset) =>
        Volatile.Read(ref Unsafe.AsRef(
            in MemoryMarshal.AsRef<ulong>(bytes.Slice(offset, sizeof(ulong)))));

    /// <summary>Writes an aligned word after everything written before.</summary>
    public static void WriteWord(Span<byte> bytes, int offset, ulong value) =>
        Volatile.Write(ref MemoryMarshal.AsRef<ulong>(bytes.Slice(offset, sizeof(ulong))), value);

    /// <summary>Rounds up to <see cref="Alignment"/>.</summary>
    public static int Align(int bytes) => (bytes + Alignment - 1) & -Alignment;
}
