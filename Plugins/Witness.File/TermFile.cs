using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Witness.File;

/// <summary>
/// Bytes of one term file: little-endian, fixed length, CRC-32C over all that precedes it. Layout
/// is part of the format's version.
/// </summary>
internal static class TermFile
{
    /// <summary>Length of every term file in bytes.</summary>
    public const int Bytes = 104;

    private const ulong Magic = 0x3130_5449_5753_4F53; // "SOSWIT01"
    private const uint Version = 1;
    private const int CrcOffset = Bytes - 4;

    /// <summary>Name of a group's file of one term; sorts by term.</summary>
    public static string Name(GroupId group, Term term) => $"{Prefix(group)}{term.Value:D20}";

    /// <summary>What all names of a group's files begin with.</summary>
    public static string Prefix(GroupId group) => $"{group}.term-";

    /// <summary>Writes an entry.</summary>
    public static byte[] Encode(RegisterEntry entry)
    {
        byte[] bytes = new byte[Bytes];
        Span<byte> span = bytes;
        BinaryPrimitives.WriteUInt64LittleEndian(span, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(span[8..], Version);
        span[12] = entry.Group.Value;
        span[13] = (byte)entry.Sync;
        entry.RegisterId.TryWriteBytes(span[16..]);
        BinaryPrimitives.WriteUInt64LittleEndian(span[32..], entry.Term.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(span[40..], entry.Owner);
        BinaryPrimitives.WriteUInt64LittleEndian(span[48..], entry.StaleNode);
        BinaryPrimitives.WriteUInt64LittleEndian(span[56..], entry.StaleSince.Value);
        entry.SwapId.TryWriteBytes(span[64..]);
        BinaryPrimitives.WriteUInt32LittleEndian(
            span[CrcOffset..], Crc32C.Of(span[..CrcOffset]));
        return bytes;
    }

    /// <summary>
    /// Reads an entry; null, and what is wrong, when it is not one of that group and term.
    /// </summary>
    public static RegisterEntry? Decode(
        ReadOnlySpan<byte> bytes, GroupId group, Term term, out string wrong)
    {
        wrong = Check(bytes, group, term);
        return wrong.Length > 0
            ? null
            : new RegisterEntry(
                new Guid(bytes.Slice(16, 16)),
                group,
                term,
                BinaryPrimitives.ReadUInt64LittleEndian(bytes[40..]),
                (SyncState)bytes[13],
                BinaryPrimitives.ReadUInt64LittleEndian(bytes[48..]),
                new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(bytes[56..])),
                new Guid(bytes.Slice(64, 16)));
    }

    private static string Check(ReadOnlySpan<byte> bytes, GroupId group, Term term)
    {
        if (bytes.Length != Bytes)
        {
            return $"expected {Bytes} bytes, found {bytes.Length}";
        }

        ulong magic = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(bytes[CrcOffset..]);
        uint computed = Crc32C.Of(bytes[..CrcOffset]);
        ulong found = BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]);
        return magic != Magic ? $"expected magic {Magic:x}, found {magic:x}"
            : version != Version ? $"expected version {Version}, found {version}"
            : crc != computed ? $"expected checksum {computed:x8}, found {crc:x8}"
            : bytes[12] != group.Value ? $"expected {group}, found group{bytes[12]}"
            : found != term.Value ? $"expected term {term}, found {found}"
            : bytes[13] > (byte)SyncState.Moved ? $"expected a sync state, found {bytes[13]}"
            : "";
    }
}
