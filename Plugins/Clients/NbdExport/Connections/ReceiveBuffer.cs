using StorageOs.NbdExport.Protocol;

namespace StorageOs.NbdExport.Connections;

/// <summary>Bytes received and not yet taken.</summary>
internal sealed class ReceiveBuffer
{
    private readonly byte[] bytes =
        GC.AllocateUninitializedArray<byte>(Limits.ReceiveBufferBytes, pinned: true);

    private int start;
    private int end;

    /// <summary>What has been received.</summary>
    public ReadOnlySpan<byte> Data => bytes.AsSpan(start, end - start);

    /// <summary>
    /// Room to receive into. What is left over of the last bytes is moved to the front first when
    /// the next request might not fit behind it.
    /// </summary>
    public Span<byte> Room()
    {
        if (start == end)
        {
            start = end = 0;
        }
        else if (bytes.Length - start < Limits.CopiedBytesMax + NbdWire.RequestBytes)
        {
            Data.CopyTo(bytes);
            (start, end) = (0, end - start);
        }

        return bytes.AsSpan(end);
    }

    /// <summary>Adds what was received into <see cref="Room"/>.</summary>
    public void Received(int count) => end += count;

    /// <summary>Drops bytes from the front.</summary>
    public void Take(int count) => start += count;
}
