using System.Buffers;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>
/// Memory outside the garbage collector, page-aligned, with a page of known bytes on either side:
/// what writes beyond it is found out.
/// </summary>
internal sealed unsafe class MappedMemory : MemoryManager<byte>
{
    private const byte Guard = 0xA5;
    private readonly int length;
    private byte* start;

    /// <summary>Takes some that is all zeros.</summary>
    public MappedMemory(int length)
    {
        this.length = length;
        start = (byte*)NativeMemory.AlignedAlloc((nuint)length + (2 * Size.Page), Size.Page);
        NativeMemory.Fill(start, (nuint)length + (2 * Size.Page), Guard);
        NativeMemory.Clear(start + Size.Page, (nuint)length);
    }

    /// <summary>Whether the pages on either side are as they were.</summary>
    public bool IsGuardWhole =>
        !new ReadOnlySpan<byte>(start, Size.Page).ContainsAnyExcept(Guard)
        && !new ReadOnlySpan<byte>(start + Size.Page + length, Size.Page).ContainsAnyExcept(Guard);

    /// <inheritdoc/>
    public override Span<byte> GetSpan() => start is null
        ? throw new ObjectDisposedException(nameof(MappedMemory))
        : new(start + Size.Page, length);

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)length);
        return new(start + Size.Page + elementIndex);
    }

    /// <inheritdoc/>
    public override void Unpin()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        NativeMemory.AlignedFree(start);
        start = null;
    }
}
