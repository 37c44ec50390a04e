using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace StorageOs.Contracts.Runtime;

/// <summary>
/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) by the processor's instruction where there is one.
/// Everything StorageOs keeps in memory that outlives a process carries it.
/// </summary>
public static class Crc32C
{
    /// <summary>The checksum of <paramref name="bytes"/>.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => ~Extend(~0u, bytes);

    /// <summary>
    /// Feeds <paramref name="bytes"/> into a running state. Start with all ones and invert at the
    /// end, or use <see cref="Of"/> for one span.
    /// </summary>
    public static uint Extend(uint state, ReadOnlySpan<byte> bytes)
    {
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(bytes))
        {
            state = BitOperations.Crc32C(
                state,
                BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
        }

        foreach (byte rest in bytes[(bytes.Length & ~7)..])
        {
            state = BitOperations.Crc32C(state, rest);
        }

        return state;
    }
}
