using System.Numerics;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NbdExport.Connections;

/// <summary>
/// Buffers of requests, in powers of two, kept for reuse up to a limit. Each has room for a
/// reply's head before the data, so that a large read is sent without copying it. Reactor only.
/// </summary>
internal sealed class BufferPool
{
    /// <summary>Bytes before the data.</summary>
    public const int HeadRoom = 32;

    private const int SmallestBits = 12;
    private const int LargestBits = 25;

    private readonly Stack<byte[]>[] free =
        [.. Enumerable.Range(0, LargestBits - SmallestBits + 1).Select(_ => new Stack<byte[]>())];

    private long pooledBytes;

    static BufferPool() => Invariant.Require(1 << LargestBits == Limits.RequestBytesMax);

    /// <summary>Bytes that a buffer for so much data counts for.</summary>
    public static int Counted(int dataBytes) => 1 << (SmallestBits + Class(dataBytes));

    /// <summary>A buffer with room for a head and <paramref name="dataBytes"/> bytes.</summary>
    public byte[] Rent(int dataBytes)
    {
        int bytes = Counted(dataBytes);
        if (!free[Class(dataBytes)].TryPop(out byte[]? buffer))
        {
            return GC.AllocateUninitializedArray<byte>(HeadRoom + bytes, pinned: true);
        }

        pooledBytes -= bytes;
        return buffer;
    }

    /// <summary>Takes a buffer back.</summary>
    public void Return(byte[] buffer)
    {
        int bytes = buffer.Length - HeadRoom;
        if (pooledBytes + bytes <= Limits.PooledBytesMax)
        {
            pooledBytes += bytes;
            free[Class(bytes)].Push(buffer);
        }
    }

    private static int Class(int dataBytes)
    {
        Invariant.Require(dataBytes is > 0 and <= Limits.RequestBytesMax);
        int bits = 32 - BitOperations.LeadingZeroCount((uint)dataBytes - 1);
        return Math.Max(bits, SmallestBits) - SmallestBits;
    }
}
