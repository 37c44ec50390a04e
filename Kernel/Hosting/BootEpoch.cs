using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// The number of this boot, never used before by this node. A durable counter, and never below
/// the milliseconds since 1970: a lost or damaged file then still gives a number that is new,
/// as long as the clock has not been set back past the last boot.
/// </summary>
internal static class BootEpoch
{
    private const int RecordBytes = sizeof(ulong) + sizeof(uint);

    /// <summary>Takes the next number; on stable storage when this returns.</summary>
    internal static ulong Next(string dataDirectory, TimeProvider clock)
    {
        string path = Path.Combine(dataDirectory, "boot-epoch");
        using SafeFileHandle file = File.OpenHandle(
            path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
        if (RandomAccess.GetLength(file) == 0)
        {
            StableFile.FlushName(path);
        }

        ulong last = Read(file);
        ulong next = Math.Max(last + 1, (ulong)clock.GetUtcNow().ToUnixTimeMilliseconds());
        Span<byte> record = stackalloc byte[RecordBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(record, next);
        uint check = Crc32C.Of(record[..sizeof(ulong)]);
        BinaryPrimitives.WriteUInt32LittleEndian(record[sizeof(ulong)..], check);
        RandomAccess.Write(file, record, 0);
        RandomAccess.FlushToDisk(file);
        return next;
    }

    private static ulong Read(SafeFileHandle file)
    {
        Span<byte> record = stackalloc byte[RecordBytes];
        int read = RandomAccess.Read(file, record, 0);
        uint check = BinaryPrimitives.ReadUInt32LittleEndian(record[sizeof(ulong)..]);
        bool good = read == RecordBytes && check == Crc32C.Of(record[..sizeof(ulong)]);
        return good ? BinaryPrimitives.ReadUInt64LittleEndian(record) : 0;
    }
}
