using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.NvramMirror;

/// <summary>Writes and checks single records in a ring. Pure; believes nothing it reads.</summary>
internal static class RecordCodec
{
    private const uint MagicValue = 0x4352_4753; // "SGRC"
    private const int CrcFrom = 8;

    /// <summary>Bytes a record takes in the ring.</summary>
    public static int TotalBytes(int payloadLength) =>
        LogLayout.Align(RecordHeader.Bytes + payloadLength);

    /// <summary>Writes a record at <paramref name="at"/> and returns its CRC.</summary>
    public static uint Write(Span<byte> at, ref RecordHeader header, ReadOnlySpan<byte> payload)
    {
        header.Magic = MagicValue;
        header.PayloadLength = payload.Length;
        header.Crc = 0;
        int covered = Covered(header);
        MemoryMarshal.Write(at, in header);
        payload.CopyTo(at[RecordHeader.Bytes..]);
        at[(RecordHeader.Bytes + payload.Length)..covered].Clear();
        header.Crc = Crc32C.Of(at[CrcFrom..covered]);
        MemoryMarshal.Write(at[4..], in header.Crc);
        return header.Crc;
    }

    /// <summary>Reads the record that should start at <paramref name="lsn"/>, checking all of
    /// it.</summary>
    public static bool TryRead(ReadOnlySpan<byte> ring, ulong lsn, out RecordHeader header)
    {
        if (!TryReadHeader(ring, lsn, out header))
        {
            return false;
        }

        int position = (int)(lsn % (ulong)ring.Length);
        return header.Crc == Crc32C.Of(ring[(position + CrcFrom)..(position + Covered(header))]);
    }

    /// <summary>
    /// Reads a record's header and checks that it stays within the ring, but not its CRC: for
    /// memory that nobody else may write.
    /// </summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> ring, ulong lsn, out RecordHeader header)
    {
        int position = (int)(lsn % (ulong)ring.Length);
        if (position % LogLayout.Alignment != 0)
        {
            header = default;
            return false;
        }

        header = MemoryMarshal.Read<RecordHeader>(ring[position..]);
        int room = ring.Length - position;
        return header.Magic == MagicValue
            && header.Lsn == lsn
            && header.PayloadLength >= 0
            && header.PayloadLength <= room - RecordHeader.Bytes
            && header.TotalBytes <= room
            && header.TotalBytes == (header.Control == ControlKind.Pad
                ? room
                : TotalBytes(header.PayloadLength))
            && HasSense(header);
    }

    private static bool HasSense(in RecordHeader header) => header.Kind switch
    {
        LogEntryKind.None => header.PayloadLength == 0
            && header.Control is ControlKind.Pad or ControlKind.GenerationStart,
        LogEntryKind.Write or LogEntryKind.Copy => header.Control == ControlKind.None
            && header.Length == header.PayloadLength && header.Offset >= 0,
        LogEntryKind.Trim or LogEntryKind.WriteZeroes or LogEntryKind.CopyZeroes
            or LogEntryKind.CompareZeroes or LogEntryKind.AskChanges =>
            header.Control == ControlKind.None
            && header.PayloadLength == 0 && header.Length >= 0 && header.Offset >= 0,
        LogEntryKind.Compare => header.Control == ControlKind.None
            && header.PayloadLength > 0 && header.PayloadLength % sizeof(uint) == 0
            && header.Length > 0 && header.Offset >= 0,
        _ => false,
    };

    private static int Covered(in RecordHeader header) =>
        header.Control == ControlKind.Pad ? RecordHeader.Bytes : header.TotalBytes;
}
