using System.Buffers.Binary;

namespace StorageOs.NbdExport.Protocol;

/// <summary>
/// Reads big-endian values of a message from outside. Reading past its end gives zeros and empty
/// spans and leaves <see cref="Short"/> set, so that a parser checks once, at its end.
/// </summary>
internal ref struct SpanReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> rest = bytes;

    /// <summary>Whether something was read that the message did not have.</summary>
    public bool Short { get; private set; }

    /// <summary>Whether the message was read to its end and no further.</summary>
    public readonly bool Complete => !Short && rest.IsEmpty;

    public ushort U16()
    {
        ReadOnlySpan<byte> value = Bytes(sizeof(ushort));
        return value.IsEmpty ? (ushort)0 : BinaryPrimitives.ReadUInt16BigEndian(value);
    }

    public uint U32()
    {
        ReadOnlySpan<byte> value = Bytes(sizeof(uint));
        return value.IsEmpty ? 0 : BinaryPrimitives.ReadUInt32BigEndian(value);
    }

    /// <summary>
    /// The next <paramref name="count"/> bytes; empty when there are not as many.
    /// </summary>
    public ReadOnlySpan<byte> Bytes(uint count)
    {
        if (count > (uint)rest.Length)
        {
            Short = true;
            rest = default;
            return default;
        }

        ReadOnlySpan<byte> value = rest[..(int)count];
        rest = rest[(int)count..];
        return value;
    }
}
