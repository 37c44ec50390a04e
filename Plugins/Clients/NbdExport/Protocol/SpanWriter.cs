using System.Buffers.Binary;

namespace StorageOs.NbdExport.Protocol;

/// <summary>
/// Writes big-endian values one after the other; the room is the caller's promise.
/// </summary>
internal ref struct SpanWriter(Span<byte> room)
{
    private readonly Span<byte> room = room;

    /// <summary>Bytes written so far.</summary>
    public int Written { get; private set; }

    public void U16(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(room[Written..], value);
        Written += sizeof(ushort);
    }

    public void U32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(room[Written..], value);
        Written += sizeof(uint);
    }

    public void U64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(room[Written..], value);
        Written += sizeof(ulong);
    }

    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(room[Written..]);
        Written += bytes.Length;
    }

    public void Zeroes(int count)
    {
        room.Slice(Written, count).Clear();
        Written += count;
    }
}
