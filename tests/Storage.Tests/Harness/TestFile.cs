using StorageOs.Contracts.Runtime;

namespace StorageOs.Storage.Tests.Harness;

/// <summary>A small file that outlives a node's process; may fail, and be spoiled.</summary>
internal sealed class TestFile : IStableFile
{
    public byte[] Bytes { get; set; } = [];

    /// <summary>Writes so far.</summary>
    public int Writes { get; private set; }

    /// <summary>Where writes are dropped without a word.</summary>
    public Func<long, bool>? Drops { get; set; }

    public int Read(Span<byte> into, long offset)
    {
        int count = (int)Math.Clamp(Bytes.Length - offset, 0, into.Length);
        Bytes.AsSpan((int)offset, count).CopyTo(into);
        return count;
    }

    public void Write(ReadOnlySpan<byte> bytes, long offset)
    {
        Writes++;
        if (Bytes.Length < offset + bytes.Length)
        {
            byte[] longer = new byte[offset + bytes.Length];
            Bytes.CopyTo(longer, 0);
            Bytes = longer;
        }

        if (Drops?.Invoke(offset) != true)
        {
            bytes.CopyTo(Bytes.AsSpan((int)offset));
        }
    }

    public void Flush()
    {
    }

    public void Dispose()
    {
    }
}
