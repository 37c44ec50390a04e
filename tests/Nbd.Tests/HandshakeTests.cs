using System.Buffers.Binary;
using System.Text;
using StorageOs.NbdExport;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.Nbd.Tests;

/// <summary>The handshake by value: bytes in, bytes out.</summary>
public sealed class HandshakeTests
{
    private static readonly ExportTable Exports = new([("vol0", 1 << 20), ("vol2", 1 << 21)]);

    [Fact]
    public void The_greeting_is_fixed_newstyle_without_zeroes()
    {
        byte[] room = new byte[32];
        var output = new SpanWriter(room);
        Handshake.Greet(ref output);
        Assert.Equal("4E42444D4147494349484156454F50540003",
            Convert.ToHexString(room, 0, output.Written));
    }

    [Fact]
    public void Go_describes_the_export_and_begins_transmission()
    {
        Talk talk = new Talk(Exports).Flags(3).Option(NbdOption.Go, Name("vol2"), U16(0));
        Assert.Equal(HandshakeStep.Transmit, talk.Last);
        Assert.Equal(1, talk.Handshake.Export);
        Assert.Equal(
            [NbdOptionReply.Info, NbdOptionReply.Info, NbdOptionReply.Ack], talk.Replies());
    }

    [Fact]
    public void Export_name_answers_with_size_flags_and_padding_unless_waived()
    {
        Talk padded = new Talk(Exports).Flags(1).Option(NbdOption.ExportName, Text("vol0"));
        Assert.Equal(8 + 2 + 124, padded.Output.Length);
        Talk bare = new Talk(Exports).Flags(3).Option(NbdOption.ExportName, Text("vol0"));
        Assert.Equal("0000000000100000016D", Convert.ToHexString(bare.Output));
    }

    [Fact]
    public void A_list_names_every_export()
    {
        Talk talk = new Talk(Exports).Flags(3).Option(NbdOption.List);
        Assert.Equal(
            [NbdOptionReply.Server, NbdOptionReply.Server, NbdOptionReply.Ack], talk.Replies());
    }

    [Theory]
    [InlineData(5u, NbdOptionReply.Unsupported)]
    [InlineData(11u, NbdOptionReply.Unsupported)]
    [InlineData(0xffffffffu, NbdOptionReply.Unsupported)]
    [InlineData(6u, NbdOptionReply.Invalid)]
    [InlineData(10u, NbdOptionReply.Invalid)]
    public void An_option_that_is_unknown_or_malformed_is_answered_with_an_error(
        uint option, object reply)
    {
        Talk talk = new Talk(Exports).Flags(3).Option((NbdOption)option);
        Assert.Equal(HandshakeStep.Continue, talk.Last);
        Assert.Equal([(NbdOptionReply)reply], talk.Replies());
    }

    [Fact]
    public void An_unknown_export_is_answered_with_unknown()
    {
        Talk talk = new Talk(Exports).Flags(3).Option(NbdOption.Go, Name("nix"), U16(0));
        Assert.Equal([NbdOptionReply.Unknown], talk.Replies());
    }

    [Fact]
    public void Allocation_holds_for_the_export_it_was_set_for_and_needs_structured_replies()
    {
        byte[] query = [.. U32(1), .. Name("base:allocation")];
        Talk talk = new Talk(Exports).Flags(3)
            .Option(NbdOption.SetMetaContext, Name("vol0"), query)
            .Option(NbdOption.StructuredReply)
            .Option(NbdOption.SetMetaContext, Name("vol0"), query)
            .Option(NbdOption.Go, Name("vol0"), U16(0));
        Assert.Equal(NbdOptionReply.Invalid, talk.Replies()[0]);
        Assert.Equal(NbdOptionReply.MetaContext, talk.Replies()[2]);
        Assert.True(talk.Handshake.Allocation);
        Talk other = new Talk(Exports).Flags(3).Option(NbdOption.StructuredReply)
            .Option(NbdOption.SetMetaContext, Name("vol0"), query)
            .Option(NbdOption.Go, Name("vol2"), U16(0));
        Assert.False(other.Handshake.Allocation);
    }

    [Fact]
    public void Hostile_words_are_refused_with_what_was_expected_and_found()
    {
        var talk = new Talk(Exports);
        Assert.Equal(HandshakeStep.Refused, talk.Flags(0x80000003).Last);
        Assert.Contains("80000003", talk.Handshake.Refusal!.ToString());
        talk = new Talk(Exports).Flags(3);
        talk.Feed([.. U64(NbdWire.OptionMagic), .. U32(7), .. U32(uint.MaxValue)]);
        Assert.Equal(HandshakeStep.Refused, talk.Last);
        Assert.Contains("4294967295", talk.Handshake.Refusal!.ToString());
        talk = new Talk(Exports).Flags(3);
        talk.Feed([.. U64(0x1234), .. U32(7), .. U32(0)]);
        Assert.Contains("1234", talk.Handshake.Refusal!.ToString());
    }

    [Fact]
    public void A_message_cut_at_any_byte_is_waited_for()
    {
        byte[] message = Talk.Message(NbdOption.Go, [.. Name("vol0"), .. U16(1), .. U16(3)]);
        for (int length = 1; length < message.Length; length++)
        {
            Talk talk = new Talk(Exports).Flags(3);
            talk.Feed(message.AsSpan(0, length));
            Assert.Equal(HandshakeStep.NeedMore, talk.Last);
            talk.Feed(message.AsSpan(length));
            Assert.Equal(HandshakeStep.Transmit, talk.Last);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void No_mutation_throws_or_writes_beyond_its_bound(int seed)
    {
        var random = new Random(seed);
        byte[] query = [.. U32(1), .. Name("base:allocation")];
        byte[] good =
        [
            .. U32(3), .. Talk.Message(NbdOption.StructuredReply, []),
            .. Talk.Message(NbdOption.List, []),
            .. Talk.Message(NbdOption.SetMetaContext, [.. Name("vol0"), .. query]),
            .. Talk.Message(NbdOption.Info, [.. Name("vol0"), .. U16(1), .. U16(1)]),
            .. Talk.Message(NbdOption.Go, [.. Name("vol2"), .. U16(0)]),
        ];
        for (int i = 0; i < 10_000; i++)
        {
            byte[] bytes = (byte[])good.Clone();
            for (int k = random.Next(1, 6); k > 0; k--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            new Talk(Exports).Feed(bytes.AsSpan(0, random.Next(bytes.Length + 1)));
        }
    }

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Name(string text) => [.. U32((uint)text.Length), .. Text(text)];

    private static byte[] U16(ushort value) => [(byte)(value >> 8), (byte)value];

    private static byte[] U32(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] U64(ulong value) => [.. U32((uint)(value >> 32)), .. U32((uint)value)];

    /// <summary>A client's side of one handshake.</summary>
    private sealed class Talk(ExportTable exports)
    {
        [ThreadStatic]
        private static byte[]? room;

        private readonly List<byte> output = [];
        private readonly List<byte> pending = [];

        public Handshake Handshake { get; } = new(exports);

        public HandshakeStep Last { get; private set; } = HandshakeStep.NeedMore;

        public byte[] Output => [.. output];

        public static byte[] Message(NbdOption option, byte[] data) =>
            [.. U64(NbdWire.OptionMagic), .. U32((uint)option), .. U32((uint)data.Length), .. data];

        public Talk Flags(uint flags) => Feed(U32(flags));

        public Talk Option(NbdOption option, params byte[][] data) =>
            Feed(Message(option, [.. data.SelectMany(part => part)]));

        public Talk Feed(ReadOnlySpan<byte> bytes)
        {
            pending.AddRange(bytes);
            room ??= new byte[Limits.OptionReplyBytesMax];
            do
            {
                byte[] input = [.. pending];
                var writer = new SpanWriter(room);
                HandshakeStep step = Handshake.Step(input, ref writer, out int consumed);
                output.AddRange(room.AsSpan(0, writer.Written));
                pending.RemoveRange(0, consumed);
                Last = step == HandshakeStep.NeedMore && pending.Count == 0 ? Last : step;
                if (step != HandshakeStep.Continue)
                {
                    break;
                }
            }
            while (true);
            return this;
        }

        public NbdOptionReply[] Replies()
        {
            List<NbdOptionReply> types = [];
            ReadOnlySpan<byte> rest = Output;
            while (!rest.IsEmpty)
            {
                Assert.Equal(NbdWire.OptionReplyMagic, BinaryPrimitives.ReadUInt64BigEndian(rest));
                types.Add((NbdOptionReply)BinaryPrimitives.ReadUInt32BigEndian(rest[12..]));
                int length = (int)BinaryPrimitives.ReadUInt32BigEndian(rest[16..]);
                rest = rest[(NbdWire.OptionReplyHeaderBytes + length)..];
            }

            return [.. types];
        }
    }
}
