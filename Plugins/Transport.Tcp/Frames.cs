using System.Buffers.Binary;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

// What goes over a connection once its hello has: requests one way, answers the other. A port is
// two connections, one for each end's requests. All numbers little-endian.
//
//   request, 32 bytes:  kind 1 | zeros 3 | length 4 | sequence 4 | zeros 4 | key 8 | address 8
//                       then, for a write, length bytes
//   answer, 16 bytes:   kind 1 | status 1 | zeros 2 | sequence 4 | length 4 | zeros 4
//                       then, for a part, length bytes
//
// A read is answered by parts and then a done, which alone tells how it ended. Anything that is
// not exactly this ends the connection.

/// <summary>What a request asks.</summary>
internal enum RequestKind : byte
{
    /// <summary>Write the bytes that follow.</summary>
    Write = 1,

    /// <summary>Send bytes.</summary>
    Read = 2,

    /// <summary>This end is closed; nothing follows.</summary>
    Bye = 3,
}

/// <summary>What an answer is.</summary>
internal enum AnswerKind : byte
{
    /// <summary>The oldest request is carried out or refused.</summary>
    Done = 1,

    /// <summary>Next bytes of the oldest request, a read.</summary>
    Part = 2,

    /// <summary>That end is closed; nothing follows.</summary>
    Bye = 3,
}

/// <summary>The fixed part of a request.</summary>
internal readonly record struct Request(
    RequestKind Kind, int Length, uint Sequence, ulong Key, ulong Address)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Bytes = 32;

    /// <summary>Writes it.</summary>
    public void Encode(Span<byte> into)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(into, (byte)Kind | ((ulong)(uint)Length << 32));
        BinaryPrimitives.WriteUInt64LittleEndian(into[8..], Sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(into[16..], Key);
        BinaryPrimitives.WriteUInt64LittleEndian(into[24..], Address);
    }

    /// <summary>Reads it; false when it is none.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> from, out Request request)
    {
        ulong first = BinaryPrimitives.ReadUInt64LittleEndian(from);
        ulong second = BinaryPrimitives.ReadUInt64LittleEndian(from[8..]);
        request = new Request(
            (RequestKind)(byte)first,
            (int)(first >> 32),
            (uint)second,
            BinaryPrimitives.ReadUInt64LittleEndian(from[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(from[24..]));
        return (first & 0xFFFF_FF00) == 0
            && second >> 32 == 0
            && request.Length >= 0
            && request.Kind is >= RequestKind.Write and <= RequestKind.Bye;
    }
}

/// <summary>The fixed part of an answer.</summary>
internal readonly record struct Answer(
    AnswerKind Kind, CompletionStatus Status, uint Sequence, int Length)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Bytes = 16;

    /// <summary>Writes it.</summary>
    public void Encode(Span<byte> into)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(
            into, (byte)Kind | ((ulong)(byte)Status << 8) | ((ulong)Sequence << 32));
        BinaryPrimitives.WriteUInt64LittleEndian(into[8..], (uint)Length);
    }

    /// <summary>Reads it; false when it is none.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> from, out Answer answer)
    {
        ulong first = BinaryPrimitives.ReadUInt64LittleEndian(from);
        ulong second = BinaryPrimitives.ReadUInt64LittleEndian(from[8..]);
        answer = new Answer(
            (AnswerKind)(byte)first,
            (CompletionStatus)(byte)(first >> 8),
            (uint)(first >> 32),
            (int)second);
        return (first & 0xFFFF_0000) == 0
            && second >> 32 == 0
            && answer.Length >= 0
            && answer.Kind is >= AnswerKind.Done and <= AnswerKind.Bye
            && answer.Status is CompletionStatus.Success or CompletionStatus.RemoteAccessError;
    }
}
