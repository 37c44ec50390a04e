// The fixed newstyle handshake, without any I/O: bytes of the client in, bytes to the client out,
// one message per step, so that its user decides when to go on (a client that does not read its
// replies is not listened to). Whatever the client sends, a step writes at most
// Limits.OptionReplyBytesMax and throws nothing.

using System.Buffers.Binary;
using System.Text;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NbdExport.Protocol;

/// <summary>What a step of the handshake came to.</summary>
internal enum HandshakeStep
{
    /// <summary>The message is not complete; nothing was consumed.</summary>
    NeedMore,

    /// <summary>A message was taken; its reply, if any, is written.</summary>
    Continue,

    /// <summary>An export was chosen: transmission begins.</summary>
    Transmit,

    /// <summary>The client ended it in good order: send what is written, then close.</summary>
    Close,

    /// <summary>
    /// The client broke the protocol: see <see cref="Handshake.Refusal"/>, close.
    /// </summary>
    Refused,
}

/// <summary>One client's handshake.</summary>
internal sealed class Handshake(ExportTable exports)
{
    private bool flagsSeen;
    private bool noZeroes;
    private int contextExport = -1;

    /// <summary>The chosen export; -1 before <see cref="HandshakeStep.Transmit"/>.</summary>
    public int Export { get; private set; } = -1;

    /// <summary>Whether reads are answered with structured replies.</summary>
    public bool StructuredReplies { get; private set; }

    /// <summary>Whether base:allocation was chosen for the chosen export.</summary>
    public bool Allocation => Export >= 0 && contextExport == Export;

    /// <summary>How the client broke the protocol.</summary>
    public Refusal? Refusal { get; private set; }

    private NbdTransmissionFlags Flags =>
        NbdTransmissionFlags.HasFlags | NbdTransmissionFlags.Flush
        | NbdTransmissionFlags.ForceUnitAccess | NbdTransmissionFlags.Trim
        | NbdTransmissionFlags.WriteZeroes | NbdTransmissionFlags.CanMultiConnect
        | (StructuredReplies ? NbdTransmissionFlags.DontFragment : 0);

    /// <summary>The server's first words.</summary>
    public static void Greet(ref SpanWriter output)
    {
        output.U64(NbdWire.InitMagic);
        output.U64(NbdWire.OptionMagic);
        output.U16(NbdWire.HandshakeFlags);
    }

    /// <summary>Takes at most one message from the start of <paramref name="input"/>.</summary>
    public HandshakeStep Step(
        ReadOnlySpan<byte> input, ref SpanWriter output, out int consumed)
    {
        consumed = 0;
        if (!flagsSeen)
        {
            return ClientFlags(input, ref consumed);
        }

        if (input.Length < NbdWire.OptionHeaderBytes)
        {
            return HandshakeStep.NeedMore;
        }

        ulong magic = BinaryPrimitives.ReadUInt64BigEndian(input);
        if (magic != NbdWire.OptionMagic)
        {
            return Refuse("option magic", $"{NbdWire.OptionMagic:x16}", $"{magic:x16}");
        }

        var option = (NbdOption)BinaryPrimitives.ReadUInt32BigEndian(input[8..]);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(input[12..]);
        if (length > Limits.OptionBytesMax)
        {
            return Refuse("option", $"at most {Limits.OptionBytesMax} bytes", $"{length}");
        }

        if (input.Length - NbdWire.OptionHeaderBytes < length)
        {
            return HandshakeStep.NeedMore;
        }

        consumed = NbdWire.OptionHeaderBytes + (int)length;
        return Take(option, input[NbdWire.OptionHeaderBytes..consumed], ref output);
    }

    private static void Reply(
        NbdOption option, NbdOptionReply type, ref SpanWriter output, int length = 0)
    {
        output.U64(NbdWire.OptionReplyMagic);
        output.U32((uint)option);
        output.U32((uint)type);
        output.U32((uint)length);
    }

    private static HandshakeStep Answer(
        NbdOption option, NbdOptionReply type, ref SpanWriter output)
    {
        Reply(option, type, ref output);
        return HandshakeStep.Continue;
    }

    private HandshakeStep ClientFlags(ReadOnlySpan<byte> input, ref int consumed)
    {
        if (input.Length < sizeof(uint))
        {
            return HandshakeStep.NeedMore;
        }

        uint flags = BinaryPrimitives.ReadUInt32BigEndian(input);
        if ((flags & ~(uint)NbdWire.HandshakeFlags) != 0)
        {
            return Refuse("client flags", $"none but {NbdWire.HandshakeFlags:x}", $"{flags:x}");
        }

        consumed = sizeof(uint);
        flagsSeen = true;
        noZeroes = (flags & NbdWire.ClientNoZeroes) != 0;
        return HandshakeStep.Continue;
    }

    private HandshakeStep Take(
        NbdOption option, ReadOnlySpan<byte> data, ref SpanWriter output)
    {
        switch (option)
        {
            case NbdOption.ExportName:
                return ExportName(data, ref output);
            case NbdOption.Abort:
                Reply(option, NbdOptionReply.Ack, ref output);
                return HandshakeStep.Close;
            case NbdOption.List:
                return List(data, ref output);
            case NbdOption.Info:
            case NbdOption.Go:
                return InfoOrGo(option, data, ref output);
            case NbdOption.StructuredReply when data.IsEmpty:
                StructuredReplies = true;
                return Answer(option, NbdOptionReply.Ack, ref output);
            case NbdOption.StructuredReply:
                return Answer(option, NbdOptionReply.Invalid, ref output);
            case NbdOption.ListMetaContext:
            case NbdOption.SetMetaContext:
                return MetaContext(option, data, ref output);
            default:
                return Answer(option, NbdOptionReply.Unsupported, ref output);
        }
    }

    private HandshakeStep ExportName(ReadOnlySpan<byte> name, ref SpanWriter output)
    {
        int export = exports.Find(name);
        if (export < 0)
        {
            return Refuse("export name", "a volume of this address", Printable(name));
        }

        output.U64((ulong)exports.SizeBytes(export));
        output.U16((ushort)Flags);
        output.Zeroes(noZeroes ? 0 : NbdWire.ExportNameZeroes);
        Export = export;
        return HandshakeStep.Transmit;
    }

    private HandshakeStep List(ReadOnlySpan<byte> data, ref SpanWriter output)
    {
        if (!data.IsEmpty)
        {
            return Answer(NbdOption.List, NbdOptionReply.Invalid, ref output);
        }

        for (int i = 0; i < exports.Count; i++)
        {
            ReadOnlySpan<byte> name = exports.Name(i);
            Reply(NbdOption.List, NbdOptionReply.Server, ref output, sizeof(uint) + name.Length);
            output.U32((uint)name.Length);
            output.Bytes(name);
        }

        return Answer(NbdOption.List, NbdOptionReply.Ack, ref output);
    }

    private HandshakeStep InfoOrGo(
        NbdOption option, ReadOnlySpan<byte> data, ref SpanWriter output)
    {
        var reader = new SpanReader(data);
        ReadOnlySpan<byte> name = reader.Bytes(reader.U32());
        int wishes = reader.U16();
        bool nameWished = false;
        for (int i = 0; i < wishes && !reader.Short; i++)
        {
            nameWished |= reader.U16() == (ushort)NbdInfo.Name;
        }

        if (!reader.Complete)
        {
            return Answer(option, NbdOptionReply.Invalid, ref output);
        }

        int export = exports.Find(name);
        if (export < 0)
        {
            return Answer(option, NbdOptionReply.Unknown, ref output);
        }

        Describe(option, export, nameWished, ref output);
        Reply(option, NbdOptionReply.Ack, ref output);
        if (option == NbdOption.Info)
        {
            return HandshakeStep.Continue;
        }

        Export = export;
        return HandshakeStep.Transmit;
    }

    private void Describe(NbdOption option, int export, bool withName, ref SpanWriter output)
    {
        Reply(option, NbdOptionReply.Info, ref output, 12);
        output.U16((ushort)NbdInfo.Export);
        output.U64((ulong)exports.SizeBytes(export));
        output.U16((ushort)Flags);
        Reply(option, NbdOptionReply.Info, ref output, 14);
        output.U16((ushort)NbdInfo.BlockSize);
        output.U32(NbdWire.BlockBytesMin);
        output.U32(NbdWire.BlockBytesPreferred);
        output.U32(Limits.RequestBytesMax);
        if (withName)
        {
            ReadOnlySpan<byte> name = exports.Name(export);
            Reply(option, NbdOptionReply.Info, ref output, sizeof(ushort) + name.Length);
            output.U16((ushort)NbdInfo.Name);
            output.Bytes(name);
        }
    }

    private HandshakeStep MetaContext(
        NbdOption option, ReadOnlySpan<byte> data, ref SpanWriter output)
    {
        bool set = option == NbdOption.SetMetaContext;
        contextExport = set ? -1 : contextExport;
        var reader = new SpanReader(data);
        ReadOnlySpan<byte> name = reader.Bytes(reader.U32());
        uint queries = reader.U32();
        bool wanted = !set && queries == 0;
        for (uint i = 0; i < Math.Min(queries, Limits.ContextQueriesMax) && !reader.Short; i++)
        {
            wanted |= Matches(reader.Bytes(reader.U32()), set);
        }

        if (!reader.Complete || !StructuredReplies)
        {
            return Answer(option, NbdOptionReply.Invalid, ref output);
        }

        int export = exports.Find(name);
        if (export < 0)
        {
            return Answer(option, NbdOptionReply.Unknown, ref output);
        }

        if (wanted)
        {
            Reply(option, NbdOptionReply.MetaContext, ref output,
                sizeof(uint) + NbdWire.AllocationContext.Length);
            output.U32(set ? NbdWire.AllocationContextId : 0);
            output.Bytes("base:allocation"u8);
            contextExport = set ? export : contextExport;
        }

        return Answer(option, NbdOptionReply.Ack, ref output);
    }

    /// <summary>A list may ask for a whole namespace; a set names the context.</summary>
    private static bool Matches(ReadOnlySpan<byte> query, bool set) =>
        query.SequenceEqual("base:allocation"u8) || (!set && query.SequenceEqual("base:"u8));

    private HandshakeStep Refuse(string subject, string expected, string actual)
    {
        Refusal = new(subject, expected, actual);
        return HandshakeStep.Refused;
    }

    private static string Printable(ReadOnlySpan<byte> name) =>
        name.Length > Limits.NameBytesMax
            ? $"{name.Length} bytes"
            : string.Concat("'", Escape(Encoding.Latin1.GetString(name)), "'");

    private static string Escape(string text) =>
        string.Concat(text.Select(c => c is < ' ' or > '~' ? '?' : c));
}
