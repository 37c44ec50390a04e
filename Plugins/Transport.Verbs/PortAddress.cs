using System.Buffers.Binary;

namespace StorageOs.Transport.Verbs;

/// <summary>What one end of a port needs to know of the other, as bytes and as values.</summary>
/// <param name="Pair">How its queue pair is reached.</param>
/// <param name="LinkId">The link it was made for, by the id its own node gave that.</param>
/// <param name="Id">What its node calls it on its board.</param>
internal readonly record struct PortAddress(QueuePairAddress Pair, ulong LinkId, ulong Id)
{
    private const uint Magic = 0x5450_5653; // "SVPT" as it lies in memory.
    private const int Bytes = 32;

    /// <summary>The bytes that travel to the partner.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[Bytes];
        Span<byte> to = bytes;
        BinaryPrimitives.WriteUInt32LittleEndian(to, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(to[4..], Pair.Number);
        BinaryPrimitives.WriteUInt32LittleEndian(to[8..], Pair.Psn);
        BinaryPrimitives.WriteUInt32LittleEndian(to[12..], Pair.ReadsMax);
        BinaryPrimitives.WriteUInt64LittleEndian(to[16..], LinkId);
        BinaryPrimitives.WriteUInt64LittleEndian(to[24..], Id);
        return bytes;
    }

    /// <summary>Reads what the partner sent; null when it is nothing of this transport.</summary>
    public static PortAddress? Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Bytes || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic)
        {
            return null;
        }

        uint reads = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        ulong id = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]);
        return reads is >= 1 and <= Limits.ReadsMax && id % Limits.BoardSlots != 0
            ? new PortAddress(
                new QueuePairAddress(
                    BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
                    BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]),
                    (byte)reads),
                BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]),
                id)
            : null;
    }
}
