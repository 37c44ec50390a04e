using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NvramMirror;

/// <summary>
/// The part of a copy's header that changes only when the copy is made anew: 64 bytes under a CRC.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = Bytes)]
internal struct LogHeader
{
    /// <summary>Length.</summary>
    public const int Bytes = 64;

    private const ulong MagicValue = 0x31474F4C534F5453; // "STSOLOG1"
    private const uint VersionValue = 1;

    /// <summary>Says what it is.</summary>
    public ulong Magic;

    /// <summary>Layout version.</summary>
    public uint Version;

    /// <summary>CRC-32C over the rest, taken with this field zero.</summary>
    public uint Crc;

    /// <summary>Id of the log, shared by both copies.</summary>
    public Guid LogId;

    /// <summary>Bytes of the ring.</summary>
    public long CapacityBytes;

    /// <summary>Generation at which this copy was made; another one means another copy.</summary>
    public ulong FormatId;

    private readonly ulong spare0;
    private readonly ulong spare1;

    /// <summary>Makes a header under its CRC.</summary>
    public static LogHeader Make(Guid logId, long capacity, ulong formatId)
    {
        LogHeader header = new()
        {
            Magic = MagicValue,
            Version = VersionValue,
            LogId = logId,
            CapacityBytes = capacity,
            FormatId = formatId,
        };
        header.Crc = header.ComputeCrc();
        return header;
    }

    /// <summary>Reads and checks the header at the start of <paramref name="copy"/>.</summary>
    /// <param name="why">What was expected and found; empty when good.</param>
    public static bool TryRead(
        ReadOnlySpan<byte> copy, long capacity, out LogHeader header, out string why)
    {
        header = MemoryMarshal.Read<LogHeader>(copy);
        why = header switch
        {
            { Magic: not MagicValue } => $"header magic {header.Magic:x}, not {MagicValue:x}",
            { Version: not VersionValue } => $"layout version {header.Version}, not {VersionValue}",
            _ when header.Crc != header.ComputeCrc() => "header CRC does not match",
            _ when header.CapacityBytes != capacity =>
                $"ring of {header.CapacityBytes} bytes, not {capacity}",
            _ when header.LogId == Guid.Empty => "empty log id",
            _ => "",
        };
        return why.Length == 0;
    }

    private readonly uint ComputeCrc()
    {
        LogHeader copy = this;
        copy.Crc = 0;
        return Crc32C.Of(MemoryMarshal.AsBytes(new ReadOnlySpan<LogHeader>(in copy)));
    }
}
