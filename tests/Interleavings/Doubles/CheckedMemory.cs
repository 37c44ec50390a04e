using System.Buffers;
using Microsoft.Coyote.Runtime;

namespace StorageOs.Interleavings.Doubles;

/// <summary>
/// In place of mapped memory, of which a touch after the end is the end of the process: it is told
/// here. Whoever reaches for it is held up there for as long as the scheduler likes.
/// </summary>
internal class CheckedMemory(int length) : MemoryManager<byte>
{
    private readonly byte[] bytes = new byte[length];

    /// <summary>Whether it is unmapped.</summary>
    public bool Ended { get; private set; }

    /// <summary>What is in it, for whoever checks.</summary>
    public byte[] Content => bytes;

    /// <inheritdoc/>
    public override Span<byte> GetSpan()
    {
        Together.Require(!Ended, "memory is used that is not mapped any more");
        SchedulingPoint.Interleave();
        return bytes;
    }

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => default;

    /// <inheritdoc/>
    public override void Unpin()
    {
        // It does not move.
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => Ended = true;
}
