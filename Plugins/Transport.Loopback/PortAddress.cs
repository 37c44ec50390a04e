using System.Buffers.Binary;

namespace StorageOs.Transport.Loopback;

/// <summary>What one end of a port needs to know of the other, as bytes and as values.</summary>
internal readonly record struct PortAddress(FabricId Node, ulong Id)
{
    private const uint Magic = 0x5450_4C53; // "SLPT" as it lies in memory.
    private const int Bytes = 16;

    /// <summary>The bytes that travel to the partner.</summary>
    public byte[] Encode()
    {
        byte[] bytes = new byte[Bytes];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), Node.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), Id);
        return bytes;
    }

    /// <summary>Reads what the partner sent; null when it is nothing of this transport.</summary>
    public static PortAddress? Decode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Bytes || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic)
        {
            return null;
        }

        return new PortAddress(
            new FabricId(BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..])),
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]));
    }
}
