using System.Buffers.Binary;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Fuzz.Targets;

/// <summary>
/// A target that always reads so many bytes, as one that reads a page or a slot does: a shorter
/// input has zeros behind it.
/// </summary>
internal abstract class FixedTarget(int bytes) : Target
{
    private readonly byte[] whole = new byte[bytes];

    /// <inheritdoc/>
    public override int BytesMax => bytes;

    /// <inheritdoc/>
    public sealed override void Run(ReadOnlySpan<byte> input)
    {
        int count = Math.Min(input.Length, bytes);
        input[..count].CopyTo(whole);
        whole.AsSpan(count).Clear();
        Read(whole);
    }

    /// <summary>Reads all of the bytes.</summary>
    protected abstract void Read(byte[] whole);

    /// <summary>Puts a CRC-32C over a part of an input that is as long as it should be.</summary>
    protected static void PutCrc(Span<byte> input, int at, int from, int to)
    {
        if (input.Length >= Math.Max(at + sizeof(uint), to))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(input[at..], Crc32C.Of(input[from..to]));
        }
    }
}

/// <summary>A file in memory.</summary>
internal sealed class MemoryStableFile : IStableFile
{
    private readonly byte[] bytes = new byte[1024];
    private int length;

    /// <summary>Puts contents in place of what it holds.</summary>
    public void Set(ReadOnlySpan<byte> contents)
    {
        contents.CopyTo(bytes);
        length = contents.Length;
    }

    /// <inheritdoc/>
    public int Read(Span<byte> into, long offset)
    {
        int count = Math.Clamp(length - (int)offset, 0, into.Length);
        bytes.AsSpan((int)offset, count).CopyTo(into);
        return count;
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> from, long offset)
    {
        int end = (int)offset + from.Length;
        bytes.AsSpan(Math.Min(length, end)..end).Clear();
        from.CopyTo(bytes.AsSpan((int)offset));
        length = Math.Max(length, end);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        // What is in memory is as durable as it gets.
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // It is used again.
    }
}
