using System.Buffers.Binary;
using System.Net;
using System.Text;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Tcp;

namespace StorageOs.Fuzz.Targets;

/// <summary>Requests, answers and hellos of the TCP transport, each by itself.</summary>
internal sealed class TcpFramesTarget() : FixedTarget(Hello.Bytes)
{
    private readonly byte[] again = new byte[Hello.Bytes];

    /// <inheritdoc/>
    public override string Name => "tcp-frames";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
    [
        "StorageOs.Transport.Tcp.Request", "StorageOs.Transport.Tcp.Answer",
        "StorageOs.Transport.Tcp.Hello",
    ];

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        yield return TcpWords.Request(RequestKind.Write, 64, 5, 6, 7);
        byte[] answer = new byte[Answer.Bytes];
        new Answer(AnswerKind.Part, CompletionStatus.Success, 5, 64).Encode(answer);
        yield return answer;
        yield return new Hello(HelloKind.Link, 77, 1, 2, 3, 4, 5, 6, 7).Encode();
        yield return new Hello(HelloKind.Served, 77).Encode();
    }

    /// <inheritdoc/>
    protected override void Read(byte[] whole)
    {
        if (Request.TryDecode(whole, out Request request))
        {
            request.Encode(again);
            Promise.Require(
                again.AsSpan(0, Request.Bytes).SequenceEqual(whole.AsSpan(0, Request.Bytes)),
                "a request is written as it was read");
        }

        if (Answer.TryDecode(whole, out Answer answer))
        {
            answer.Encode(again);
            Promise.Require(
                again.AsSpan(0, Answer.Bytes).SequenceEqual(whole.AsSpan(0, Answer.Bytes)),
                "an answer is written as it was read");
        }

        Hello? hello = Hello.Decode(whole, out Refusal? refusal);
        Promise.Require(hello is null == refusal is not null, "what is refused is told why");
        Promise.Require(
            hello is null || Hello.Decode(hello.Value.Encode(), out _) == hello,
            "a hello that was read is read again when it was written");
    }
}

/// <summary>Parts of seeds for the TCP transport.</summary>
internal static class TcpWords
{
    /// <summary>Stands for the key of memory that the partner may read and write.</summary>
    public static ulong KeyOfAll { get; } = BitConverter.ToUInt64("GRANT-RW"u8);

    /// <summary>Stands for the key of memory that the partner may read.</summary>
    public static ulong KeyOfRead { get; } = BitConverter.ToUInt64("GRANT-RO"u8);

    /// <summary>A request.</summary>
    public static byte[] Request(
        RequestKind kind, int length, uint sequence, ulong key, ulong address)
    {
        byte[] bytes = new byte[StorageOs.Transport.Tcp.Request.Bytes];
        new Request(kind, length, sequence, key, address).Encode(bytes);
        return bytes;
    }
}

/// <summary>
/// A partner's requests of one port, as the service thread carries them out. The first byte says
/// how the stream is cut.
/// </summary>
internal sealed class TcpServerTarget : Target
{
    private const ulong Address = 1UL << 32;
    private const int OfferedBytes = 4096;
    private const int PieceBytesMax = 256; // As many requests as one turn may carry out.
    private const byte Untouched = 0xA5;
    private TcpService? service;

    /// <inheritdoc/>
    public override string Name => "tcp-server";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types => ["StorageOs.Transport.Tcp.Request"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 256_000 + (1024L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        byte[] write =
        [
            .. TcpWords.Request(RequestKind.Write, 8, 0, TcpWords.KeyOfAll, Address + 64),
            .. new byte[8],
        ];
        byte[] read = TcpWords.Request(RequestKind.Read, 100, 1, TcpWords.KeyOfRead, Address);
        byte[] bye = TcpWords.Request(RequestKind.Bye, 0, 2, 0, 0);
        yield return [0, .. write, .. read, .. bye];
        yield return [33, .. write, .. write, .. read];
        yield return
        [
            9,
            .. TcpWords.Request(RequestKind.Write, 8, 0, TcpWords.KeyOfRead, Address),
            .. new byte[8], .. read,
        ];
        yield return
        [
            50,
            .. TcpWords.Request(
                RequestKind.Write, OfferedBytes, 0, TcpWords.KeyOfAll, Address),
            .. new byte[900],
        ];
        yield return
        [
            0, .. TcpWords.Request(RequestKind.Read, 1 << 20, 0, TcpWords.KeyOfAll, Address),
        ];
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        if (input.Length > 0)
        {
            int cut = input[0] == 0 ? PieceBytesMax : input[0];
            service ??= new TcpService(Address, OfferedBytes, Untouched);
            service.Serve(input[1..], cut);
        }
    }
}

/// <summary>A transport with two offers, and the server of one port.</summary>
internal sealed class TcpService
{
    private readonly TcpTransport transport = new(IPAddress.Loopback, null, () => { });
    private readonly MappedMemory memory;
    private readonly PortEnd end;
    private readonly Grant all;
    private readonly Grant read;
    private readonly int offered;
    private readonly byte untouched;

    /// <summary>Offers the first bytes of memory whose rest must stay as it is.</summary>
    public TcpService(ulong address, int offered, byte untouched)
    {
        this.offered = offered;
        this.untouched = untouched;
        memory = MappedMemory.Anonymous(2 * offered);
        memory.GetSpan()[offered..].Fill(untouched);
        all = transport.Grants.Add(
            address, memory, offered, RemoteAccess.Read | RemoteAccess.Write);
        read = transport.Grants.Add(address, memory, offered, RemoteAccess.Read);
        end = new PortEnd(transport, 1, PortClass.Control, wellKnown: false);
    }

    /// <summary>Has a new server carry out a stream of requests.</summary>
    public void Serve(ReadOnlySpan<byte> stream, int cut)
    {
        using PiecesWire wire = new(WithKeys(stream), cut);
        RequestServer server = new(end, wire, transport.Grants, transport.Control, []);
        while (server.Run() && wire.Next())
        {
            // Each turn takes one piece.
        }

        Promise.Require(
            !memory.GetSpan()[offered..].ContainsAnyExcept(untouched),
            "nothing beyond an offer is written");
        CheckAnswers(wire.Said);
    }

    private byte[] WithKeys(ReadOnlySpan<byte> stream)
    {
        byte[] bytes = stream.ToArray();
        for (int at = 0; at + sizeof(ulong) <= bytes.Length; at++)
        {
            ulong word = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
            if (word == TcpWords.KeyOfAll || word == TcpWords.KeyOfRead)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(
                    bytes.AsSpan(at), word == TcpWords.KeyOfAll ? all.Key : read.Key);
            }
        }

        return bytes;
    }

    private static void CheckAnswers(ReadOnlySpan<byte> said)
    {
        bool refused = false;
        while (said.Length > 0)
        {
            Promise.Require(
                said.Length >= Answer.Bytes && Answer.TryDecode(said, out _),
                "what is said is an answer");
            _ = Answer.TryDecode(said, out Answer answer);
            Promise.Require(!refused, "after a refusal nothing is answered");
            refused = answer.Status != CompletionStatus.Success;
            Promise.Require(
                answer.Length == 0 || answer.Kind == AnswerKind.Part,
                "only parts have bytes");
            said = said[(Answer.Bytes + answer.Length)..];
        }
    }
}

/// <summary>A connection that brings a stream piece by piece and keeps what is said.</summary>
internal sealed class PiecesWire(byte[] stream, int cut)
    : Wire(new SafeFileHandle(-1, ownsHandle: false))
{
    private readonly MemoryStream said = new();
    private int taken;
    private int arrived = Math.Min(cut, stream.Length);

    /// <summary>All that was sent.</summary>
    public ReadOnlySpan<byte> Said => said.GetBuffer().AsSpan(0, (int)said.Length);

    /// <summary>Lets the next piece arrive; false when there is none.</summary>
    public bool Next()
    {
        bool more = arrived < stream.Length;
        arrived = Math.Min(arrived + cut, stream.Length);
        return more;
    }

    /// <inheritdoc/>
    public override int Receive(Span<byte> into)
    {
        int count = Math.Min(arrived - taken, into.Length);
        stream.AsSpan(taken, count).CopyTo(into);
        taken += count;
        return count;
    }

    /// <inheritdoc/>
    public override int Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        said.Write(head);
        said.Write(body);
        return head.Length + body.Length;
    }
}
