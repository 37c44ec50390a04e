namespace StorageOs.NbdExport.Protocol;

/// <summary>Encodes what stands before a reply's payload, or is the whole reply.</summary>
internal static class Replies
{
    /// <summary>The longest head of a reply: a structured read's.</summary>
    public const int HeadBytesMax = NbdWire.ChunkHeaderBytes + sizeof(ulong);

    private const int ErrorBodyBytes = sizeof(uint) + sizeof(ushort);

    /// <summary>Bytes that <see cref="Write"/> writes.</summary>
    public static int HeadBytes(NbdCommand command, NbdError error, bool structured)
    {
        if (!IsStructured(command, structured))
        {
            return NbdWire.SimpleReplyBytes;
        }

        return NbdWire.ChunkHeaderBytes + (error != NbdError.None ? ErrorBodyBytes
            : command == NbdCommand.Read ? sizeof(ulong) : sizeof(uint));
    }

    /// <summary>
    /// Writes the head of the reply to a command; its payload follows, if it has one.
    /// </summary>
    public static void Write(
        Span<byte> room, in RequestHeader request, NbdError error, bool structured, int payload)
    {
        var output = new SpanWriter(room);
        if (!IsStructured(request.Command, structured))
        {
            output.U32(NbdWire.SimpleReplyMagic);
            output.U32((uint)error);
            output.U64(request.Cookie);
            return;
        }

        bool read = request.Command == NbdCommand.Read;
        int body = error != NbdError.None ? ErrorBodyBytes
            : payload + (read ? sizeof(ulong) : sizeof(uint));
        output.U32(NbdWire.StructuredReplyMagic);
        output.U16(NbdWire.ChunkDone);
        output.U16((ushort)(error != NbdError.None ? NbdChunk.Error
            : read ? NbdChunk.OffsetData : NbdChunk.BlockStatus));
        output.U64(request.Cookie);
        output.U32((uint)body);
        if (error != NbdError.None)
        {
            output.U32((uint)error);
            output.U16(0);
        }
        else if (read)
        {
            output.U64(request.Offset);
        }
        else
        {
            output.U32(NbdWire.AllocationContextId);
        }
    }

    /// <summary>What is not obliged to be structured is simple: it is shorter.</summary>
    private static bool IsStructured(NbdCommand command, bool structured) =>
        structured && command is NbdCommand.Read or NbdCommand.BlockStatus;
}
