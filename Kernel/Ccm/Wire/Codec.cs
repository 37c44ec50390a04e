// The only place where bytes of the partner become objects. MessagePack runs with its settings for
// untrusted data; everything it or a length can complain of comes back as a refusal.
using System.Buffers.Binary;
using MessagePack;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Ccm.Wire;

/// <summary>Objects to bytes and back.</summary>
internal static class Codec
{
    private static readonly MessagePackSerializerOptions Options =
        MessagePackSerializerOptions.Standard.WithSecurity(MessagePackSecurity.UntrustedData);

    /// <summary>The bytes of a value.</summary>
    public static byte[] Write<T>(T value) => MessagePackSerializer.Serialize(value, Options);

    /// <summary>Reads a value the partner wrote.</summary>
    public static Refusal? Read<T>(ReadOnlyMemory<byte> bytes, out T? value)
        where T : class
    {
        value = null;
        try
        {
            value = MessagePackSerializer.Deserialize<T>(bytes, Options);
            return value is null ? Refused<T>("nothing") : null;
        }
        catch (MessagePackSerializationException error)
        {
            return Refused<T>(error.InnerException?.Message ?? error.Message);
        }
    }

    private static Refusal Refused<T>(string actual) =>
        new(
            "partner's record", $"a {typeof(T).Name}", actual,
            "run compatible builds on both nodes");
}

/// <summary>
/// One outbox record: sequence number, length, CRC-32C, payload, and the sequence number again, so
/// that a reader that catches it half-written knows.
/// </summary>
internal static class Record
{
    private const int HeaderBytes = 16;
    private const int TrailerBytes = 8;

    /// <summary>The most bytes of payload.</summary>
    public const int PayloadBytesMax = StatusPage.SlotBytes - HeaderBytes - TrailerBytes;

    /// <summary>Frames a payload.</summary>
    public static byte[] Frame(ulong sequence, ReadOnlySpan<byte> payload)
    {
        Invariant.Require(payload.Length <= PayloadBytesMax);
        byte[] frame = new byte[HeaderBytes + payload.Length + TrailerBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(frame, sequence);
        BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(8), payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(12), Crc32C.Of(payload));
        payload.CopyTo(frame.AsSpan(HeaderBytes));
        BinaryPrimitives.WriteUInt64LittleEndian(
            frame.AsSpan(HeaderBytes + payload.Length), sequence);
        return frame;
    }

    /// <summary>Takes a slot as it was read.</summary>
    /// <returns>Why there is no such record in it (read again); null when there is.</returns>
    public static Refusal? Unframe(
        ulong sequence, ReadOnlyMemory<byte> slot, out ReadOnlyMemory<byte> payload)
    {
        payload = default;
        ReadOnlySpan<byte> bytes = slot.Span;
        ulong found = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        int length = BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]);
        if (found != sequence)
        {
            return new("partner's outbox", $"record {sequence}", $"record {found}");
        }

        if (length is < 0 or > PayloadBytesMax)
        {
            return new("partner's outbox", $"at most {PayloadBytesMax} bytes", $"{length}");
        }

        uint crc = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        ReadOnlyMemory<byte> body = slot.Slice(HeaderBytes, length);
        ulong trailer = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(HeaderBytes + length)..]);
        uint computed = Crc32C.Of(body.Span);
        if (trailer != sequence || crc != computed)
        {
            return new("partner's outbox", $"record {sequence} with checksum {computed:x8}",
                $"trailer {trailer}, checksum {crc:x8}");
        }

        payload = body;
        return null;
    }
}
