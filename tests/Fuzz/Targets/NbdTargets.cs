using System.Buffers.Binary;
using System.Text;
using StorageOs.Contracts.Runtime;
using StorageOs.NbdExport;
using StorageOs.NbdExport.Addresses;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.Fuzz.Targets;

/// <summary>What an NBD client says, for seeds and dictionaries.</summary>
internal static class NbdWords
{
    /// <summary>Bytes of the volume that is exported.</summary>
    public const int VolumeBytes = 256 * Size.KiB;

    /// <summary>What is exported.</summary>
    public static ExportTable Exports { get; } = new([("vol0", VolumeBytes), ("vol1", 4096)]);

    /// <summary>The client's flags.</summary>
    public static byte[] Flags { get; } = [0, 0, 0, 3];

    /// <summary>An option.</summary>
    public static byte[] Option(NbdOption option, params byte[] data) =>
        [.. "IHAVEOPT"u8, .. Big((uint)option), .. Big((uint)data.Length), .. data];

    /// <summary>The data of info and go.</summary>
    public static byte[] Info(string name) =>
        [.. Big((uint)name.Length), .. Encoding.ASCII.GetBytes(name), 0, 1, 0, 1];

    /// <summary>The data of a metadata context option.</summary>
    public static byte[] Contexts(string name, params string[] queries) =>
    [
        .. Big((uint)name.Length), .. Encoding.ASCII.GetBytes(name), .. Big((uint)queries.Length),
        .. queries.SelectMany(query =>
            (byte[])[.. Big((uint)query.Length), .. Encoding.ASCII.GetBytes(query)]),
    ];

    /// <summary>A request, with a payload if it is a write.</summary>
    public static byte[] Request(
        NbdCommand command, ulong offset, uint length, NbdCommandFlags flags = 0)
    {
        int payload = command == NbdCommand.Write ? (int)length : 0;
        byte[] bytes = new byte[NbdWire.RequestBytes + payload];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, NbdWire.RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(4), (ushort)flags);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), (ushort)command);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), 77);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(16), offset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24), length);
        return bytes;
    }

    /// <summary>Whole conversations; the first byte says how the stream is cut.</summary>
    public static IEnumerable<byte[]> Seeds()
    {
        byte[] go = Option(NbdOption.Go, Info("vol0"));
        byte[] structured =
        [
            .. Option(NbdOption.StructuredReply),
            .. Option(NbdOption.ListMetaContext, Contexts("vol0")),
            .. Option(NbdOption.SetMetaContext, Contexts("vol0", "base:allocation", "qemu:x")),
        ];
        byte[] requests =
        [
            .. Request(NbdCommand.Read, 0, 512), .. Request(NbdCommand.Write, 4096, 64),
            .. Request(NbdCommand.Flush, 0, 0), .. Request(NbdCommand.Trim, 0, 4096),
            .. Request(NbdCommand.WriteZeroes, 8192, 4096, NbdCommandFlags.NoHole),
            .. Request(NbdCommand.BlockStatus, 0, 65536, NbdCommandFlags.RequestOne),
            .. Request(NbdCommand.Disconnect, 0, 0),
        ];
        yield return [7, .. Flags, .. go, .. requests];
        yield return [0, .. Flags, .. structured, .. go, .. requests];
        yield return [9, .. Flags, .. Option(NbdOption.List), .. Option(NbdOption.Abort)];
        yield return
        [
            40, .. Flags, .. Option(NbdOption.ExportName, "vol0"u8.ToArray()), .. requests,
        ];
        yield return
        [
            3, .. Flags, .. Option(NbdOption.Info, Info("vol1")), .. Option((NbdOption)99),
            .. Option(NbdOption.Go, Info("none")), .. go, .. Request(NbdCommand.Read, 0, 200_000),
            .. Request(NbdCommand.Write, 0, 33 * Size.MiB)[..28],
        ];
    }

    private static byte[] Big(uint number)
    {
        byte[] bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return bytes;
    }
}

/// <summary>
/// The protocol core: whatever a client says, and however its stream is cut, each message is
/// answered or ends the connection, and the same bytes get the same answers.
/// </summary>
internal sealed class NbdTarget : Target
{
    private readonly byte[] room = new byte[StorageOs.NbdExport.Limits.OptionReplyBytesMax];

    private enum End
    {
        Waiting,
        Closed,
        Refused,
    }

    /// <inheritdoc/>
    public override string Name => "nbd";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.NbdExport.Protocol"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() => NbdWords.Seeds();

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length > 0)
        {
            int cut = input[0];
            (End end, uint said) = Talk(input[1..], cut == 0 ? int.MaxValue : cut);
            Promise.Require(
                Talk(input[1..], int.MaxValue) == (end, said),
                "answers do not depend on how the stream is cut");
        }
    }

    private (End End, uint Said) Talk(ReadOnlySpan<byte> stream, int cut)
    {
        Handshake handshake = new(NbdWords.Exports);
        uint said = 0;
        int taken = 0;
        for (int arrived = 0; arrived < stream.Length;)
        {
            arrived = (int)Math.Min(stream.Length, arrived + (long)cut);
            while (true)
            {
                ReadOnlySpan<byte> left = stream[taken..arrived];
                int before = taken;
                End end = handshake.Export < 0
                    ? TakeOption(handshake, left, ref taken, ref said)
                    : TakeRequest(handshake, left, ref taken, ref said);
                Promise.Require(
                    taken >= before && taken <= arrived, "only what has arrived is taken");
                if (end != End.Waiting)
                {
                    return (end, said);
                }

                if (taken == before)
                {
                    break;
                }
            }
        }

        return (End.Waiting, said);
    }

    private End TakeOption(
        Handshake handshake, ReadOnlySpan<byte> left, ref int taken, ref uint said)
    {
        SpanWriter output = new(room);
        HandshakeStep step = handshake.Step(left, ref output, out int consumed);
        taken += consumed;
        said = Crc32C.Extend(said, room.AsSpan(0, output.Written));
        Promise.Require(
            step == HandshakeStep.NeedMore
                ? consumed == 0 && output.Written == 0
                : step == HandshakeStep.Refused || consumed > 0,
            "a step takes one message or waits for more of it");
        Promise.Require(
            (step == HandshakeStep.Refused) == (handshake.Refusal is not null),
            "what is refused is told why");
        Promise.Require(
            (step == HandshakeStep.Transmit) == (handshake.Export >= 0),
            "transmission begins with an export");
        return step switch
        {
            HandshakeStep.Close => End.Closed,
            HandshakeStep.Refused => End.Refused,
            _ => End.Waiting,
        };
    }

    private End TakeRequest(
        Handshake handshake, ReadOnlySpan<byte> left, ref int taken, ref uint said)
    {
        if (left.Length < NbdWire.RequestBytes)
        {
            return End.Waiting;
        }

        if (!RequestHeader.TryRead(left, out RequestHeader header, out Refusal? refusal))
        {
            Promise.Require(refusal is not null, "what is refused is told why");
            return End.Refused;
        }

        if (header.Command == NbdCommand.Disconnect)
        {
            return End.Closed;
        }

        if (left.Length - NbdWire.RequestBytes < header.PayloadBytes)
        {
            return End.Waiting;
        }

        long size = NbdWords.Exports.SizeBytes(handshake.Export);
        NbdError error = header.Judge(size, handshake.StructuredReplies, handshake.Allocation);
        Promise.Require(
            error != NbdError.None || header.Command == NbdCommand.Flush
                || (header.Length > 0 && header.Offset < (ulong)size
                    && header.Length <= (ulong)size - header.Offset),
            "what is carried out lies in the volume");
        int payload = error == NbdError.None && header.Command == NbdCommand.Read
            ? (int)header.Length : 0;
        int head = Replies.HeadBytes(header.Command, error, handshake.StructuredReplies);
        Promise.Require(head <= Replies.HeadBytesMax, "a reply's head fits its room");
        Replies.Write(
            room.AsSpan(0, head), header, error, handshake.StructuredReplies, payload);
        said = Crc32C.Extend(said, room.AsSpan(0, head));
        taken += NbdWire.RequestBytes + (int)header.PayloadBytes;
        return End.Waiting;
    }
}

/// <summary>A message between the two nodes that share a service address.</summary>
internal sealed class NbdLinkTarget : Target
{
    private const ushort Port = 10809;
    private const ulong Sender = 2;
    private readonly byte[] again = new byte[LinkMessage.Bytes];

    /// <inheritdoc/>
    public override string Name => "nbd-link";

    /// <inheritdoc/>
    public override int BytesMax => 2 * LinkMessage.Bytes;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
        ["StorageOs.NbdExport.Addresses.LinkMessage"];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        foreach (LinkKind kind in Enum.GetValues<LinkKind>())
        {
            byte[] bytes = new byte[LinkMessage.Bytes];
            new LinkMessage(kind, 7).Write(bytes, Port, Sender);
            yield return bytes;
        }
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        foreach (bool descriptor in (ReadOnlySpan<bool>)[true, false])
        {
            LinkMessage? message = LinkMessage.Read(
                input, descriptor, Port, Sender, out Refusal? refusal);
            Promise.Require(
                message is null == refusal is not null, "what is refused is told why");
            if (message is { } read)
            {
                Promise.Require(
                    read.BringsDescriptor == descriptor, "a descriptor comes where one belongs");
                read.Write(again, Port, Sender);
                Promise.Require(
                    input.SequenceEqual(again), "a message is written as it was read");
            }
        }
    }
}
