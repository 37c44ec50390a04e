using System.Buffers.Binary;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.NbdExport.Connections;

/// <summary>
/// Writes the extents of a block status reply; neighbours of one kind are joined.
/// </summary>
internal sealed class ExtentGatherer
{
    /// <summary>Bytes of the longest list.</summary>
    public const int BytesMax = Limits.ExtentsMax * ExtentBytes;

    private const int ExtentBytes = 2 * sizeof(uint);

    private readonly Action<long, bool> take;
    private Memory<byte> room;
    private long runBytes;
    private bool runHole;
    private int count;
    private int countMax;

    /// <summary>Makes one; to be used again and again.</summary>
    public ExtentGatherer() => take = Take;

    /// <summary>Fills a request's buffer with the extents it asks for.</summary>
    /// <returns>Bytes written.</returns>
    public int Gather(IVolume volume, NbdRequest request)
    {
        RequestHeader header = request.Header;
        room = request.Data(BytesMax);
        runBytes = 0;
        count = 0;
        countMax = (header.Flags & NbdCommandFlags.RequestOne) != 0 ? 1 : Limits.ExtentsMax;
        long length = Math.Min(header.Length, Limits.StatusBytesMax);
        volume.Extents((long)header.Offset, length, take);
        Close();
        room = default;
        return count * ExtentBytes;
    }

    private void Take(long bytes, bool hole)
    {
        if (runBytes > 0 && hole != runHole)
        {
            Close();
        }

        runHole = hole;
        runBytes += bytes;
    }

    private void Close()
    {
        if (runBytes > 0 && count < countMax)
        {
            Span<byte> extent = room.Span.Slice(count * ExtentBytes, ExtentBytes);
            BinaryPrimitives.WriteUInt32BigEndian(extent, (uint)runBytes);
            BinaryPrimitives.WriteUInt32BigEndian(
                extent[sizeof(uint)..], runHole ? NbdWire.ExtentHoleAndZero : 0);
            count++;
        }

        runBytes = 0;
    }
}
