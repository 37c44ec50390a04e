using System.Buffers.Binary;
using System.Text;
using StorageOs.Contracts.Runtime;

namespace Sample.ObjectGateway.Core;

/// <summary>An object as the index has it. Does not change once it is there.</summary>
/// <param name="Key">Bucket, slash and name.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Modified">When it was put, in milliseconds since 1970; for people.</param>
/// <param name="Hash">SHA-256 of its bytes.</param>
/// <param name="Extents">Its blocks.</param>
/// <param name="Sums">CRC-32C of each of its chunks.</param>
internal sealed record Entry(
    string Key, long Size, long Modified, byte[] Hash, IReadOnlyList<Extent> Extents,
    IReadOnlyList<uint> Sums)
{
    /// <summary>Most chunks of an object, and so a GiB.</summary>
    public const int SumsMax = 4096;

    /// <summary>Most pieces that an object can be in.</summary>
    public const int ExtentsMax = 1024;

    /// <summary>Most bytes of a key.</summary>
    public const int KeyBytesMax = 1088;

    /// <summary>Bytes of a SHA-256.</summary>
    public const int HashBytes = 32;

    /// <summary>Most bytes of an object.</summary>
    public const long BytesMax = (long)SumsMax * Layout.ChunkBytes;

    /// <summary>Most bytes of its record.</summary>
    public const int RecordBytesMax = FixedBytes + KeyBytesMax + (8 * ExtentsMax) + (4 * SumsMax);

    private const int FixedBytes = 1 + 2 + 8 + 8 + HashBytes + 2 + 2;

    /// <summary>What a client knows it by.</summary>
    public string ETag { get; } = $"\"{Convert.ToHexStringLower(Hash)}\"";

    /// <summary>Bytes of its record.</summary>
    public int RecordBytes { get; } =
        FixedBytes + Encoding.UTF8.GetByteCount(Key) + (8 * Extents.Count) + (4 * Sums.Count);

    /// <summary>Who reads it now; its blocks are nobody else's until they have done.</summary>
    public int Readers { get; set; }

    /// <summary>Whether the index has it no more.</summary>
    public bool Gone { get; set; }

    /// <summary>Bytes of one of its chunks.</summary>
    public int ChunkBytes(int chunk) =>
        (int)Math.Min(Layout.ChunkBytes, Size - ((long)chunk * Layout.ChunkBytes));

    /// <summary>Whether a chunk is what was put.</summary>
    public bool IsWhole(int chunk, ReadOnlySpan<byte> bytes) => Crc32C.Of(bytes) == Sums[chunk];
}

/// <summary>
/// One change of the index: an object that is put in the place of what had its key, or a key that
/// is deleted.
/// </summary>
internal readonly record struct Record(string Key, Entry? Put)
{
    private const byte PutKind = 1;
    private const byte DeleteKind = 2;
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>Bytes of it.</summary>
    public int Bytes => Put?.RecordBytes ?? 3 + Encoding.UTF8.GetByteCount(Key);

    /// <summary>Writes it.</summary>
    public void Write(Span<byte> into)
    {
        int key = Encoding.UTF8.GetBytes(Key, into[3..]);
        into[0] = Put is null ? DeleteKind : PutKind;
        BinaryPrimitives.WriteUInt16LittleEndian(into[1..], (ushort)key);
        if (Put is not { } put)
        {
            return;
        }

        into = into[(3 + key)..];
        BinaryPrimitives.WriteInt64LittleEndian(into, put.Size);
        BinaryPrimitives.WriteInt64LittleEndian(into[8..], put.Modified);
        put.Hash.CopyTo(into[16..]);
        BinaryPrimitives.WriteUInt16LittleEndian(into[48..], (ushort)put.Extents.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(into[50..], (ushort)put.Sums.Count);
        into = into[52..];
        foreach (Extent extent in put.Extents)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(into, extent.First);
            BinaryPrimitives.WriteUInt32LittleEndian(into[4..], extent.Count);
            into = into[8..];
        }

        foreach (uint sum in put.Sums)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(into, sum);
            into = into[4..];
        }
    }

    /// <summary>
    /// Reads one and goes on behind it; null when this is none. Whether its blocks are free is for
    /// others to say.
    /// </summary>
    public static Record? Read(ref ReadOnlySpan<byte> from)
    {
        if (from.Length < 3 || from[0] is not (PutKind or DeleteKind)
            || BinaryPrimitives.ReadUInt16LittleEndian(from[1..]) is var bytes
            && (bytes is 0 or > Entry.KeyBytesMax || from.Length < 3 + bytes)
            || KeyOf(from.Slice(3, bytes)) is not { } key)
        {
            return null;
        }

        bool isPut = from[0] == PutKind;
        from = from[(3 + bytes)..];
        return !isPut ? new(key, null) : ReadPut(ref from, key) is { } put ? new(key, put) : null;
    }

    private static string? KeyOf(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return null; // What is no text is no key.
        }
    }

    private static Entry? ReadPut(ref ReadOnlySpan<byte> from, string key)
    {
        if (from.Length < 52)
        {
            return null;
        }

        long size = BinaryPrimitives.ReadInt64LittleEndian(from);
        long modified = BinaryPrimitives.ReadInt64LittleEndian(from[8..]);
        byte[] hash = from.Slice(16, Entry.HashBytes).ToArray();
        int extents = BinaryPrimitives.ReadUInt16LittleEndian(from[48..]);
        int sums = BinaryPrimitives.ReadUInt16LittleEndian(from[50..]);
        from = from[52..];
        if (size is < 0 or > Entry.BytesMax || extents > Entry.ExtentsMax
            || sums != (size + Layout.ChunkBytes - 1) / Layout.ChunkBytes
            || from.Length < (8 * extents) + (4 * sums))
        {
            return null;
        }

        Extent[] its = new Extent[extents];
        long blocks = 0;
        for (int at = 0; at < extents; at++, from = from[8..])
        {
            its[at] = new(
                BinaryPrimitives.ReadUInt32LittleEndian(from),
                BinaryPrimitives.ReadUInt32LittleEndian(from[4..]));
            blocks += its[at].Count;
        }

        uint[] checks = new uint[sums];
        for (int at = 0; at < sums; at++, from = from[4..])
        {
            checks[at] = BinaryPrimitives.ReadUInt32LittleEndian(from);
        }

        return blocks == Layout.BlocksOf(size) ? new(key, size, modified, hash, its, checks) : null;
    }
}
