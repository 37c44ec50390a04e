using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Probe;

/// <summary>
/// Writes into the partner's ring beside a bare ping-pong on one TCP socket between the same two
/// processes: one whose answer is as small as a write's, and one that sends back what came.
/// </summary>
internal sealed class TcpProbe(ProbeClient client)
{
    private const int Batches = 4_000;
    private const int SmallAnswer = 16;

    private readonly Completion[] completions = new Completion[1];
    private IPort port = null!;
    private IRemoteMemory remote = null!;
    private IRegion source = null!;
    private int bytes;
    private int position;

    /// <summary>Arguments: <c>bytes</c>, <c>rounds</c>, <c>echo</c> (the partner's).</summary>
    public async ValueTask<JsonNode?> RunAsync(JsonObject arguments)
    {
        bytes = arguments["bytes"]!.GetValue<int>();
        int rounds = arguments["rounds"]!.GetValue<int>();
        port = client.Grant!.Ports["probe"];
        remote = client.Grant.Memory["ring"];
        source = client.Services.Region("source");
        IPEndPoint echo = IPEndPoint.Parse($"{arguments["echo"]}");
        using Socket small = Connect(echo, bytes, SmallAnswer);
        using Socket whole = Connect(echo, bytes, bytes);
        Rounds smallRounds = new(Batches, 1);
        Rounds wholeRounds = new(Batches, 1);
        JsonArray smalls = [];
        JsonArray wholes = [];
        for (int round = -1; round < rounds; round++)
        {
            JsonObject besideSmall = smallRounds.Run(Write, _ => PingPong(small, SmallAnswer));
            await Task.Yield(); // The node's other modules have their turn.
            JsonObject besideWhole = wholeRounds.Run(Write, _ => PingPong(whole, bytes));
            await Task.Yield();
            if (round >= 0)
            {
                // The round before the first is for the compiler to learn in.
                smalls.Add(besideSmall);
                wholes.Add(besideWhole);
            }
        }

        return new JsonObject { ["answer"] = smalls, ["echo"] = wholes };
    }

    /// <summary>The other side: after eight bytes that say how much comes and goes.</summary>
    public static void Serve(Socket caller)
    {
        Span<byte> terms = stackalloc byte[8];
        Fill(caller, terms);
        byte[] came = new byte[BinaryPrimitives.ReadInt32LittleEndian(terms)];
        int answer = BinaryPrimitives.ReadInt32LittleEndian(terms[4..]);
        caller.NoDelay = true;
        while (Fill(caller, came))
        {
            caller.Send(came.AsSpan(0, answer));
        }
    }

    private static Socket Connect(IPEndPoint echo, int question, int answer)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
        };
        socket.Connect(echo);
        Span<byte> terms = stackalloc byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(terms, question);
        BinaryPrimitives.WriteInt32LittleEndian(terms[4..], answer);
        socket.Send(terms);
        return socket;
    }

    private static bool Fill(Socket socket, Span<byte> bytes)
    {
        for (int have = 0; have < bytes.Length;)
        {
            int got = socket.Receive(bytes[have..]);
            if (got == 0)
            {
                return false;
            }

            have += got;
        }

        return true;
    }

    private void PingPong(Socket echo, int answer)
    {
        echo.Send(source.Bytes[..bytes]);
        Invariant.Require(Fill(echo, source.Bytes.Slice(bytes, answer)));
    }

    private void Write(int count)
    {
        for (int i = 0; i < count; i++)
        {
            position = position + bytes + bytes > client.RingBytes ? 0 : position + bytes;
            Invariant.Require(port.TryPostWrite((ulong)i, source, 0, remote, position, bytes));
            while (port.Poll(completions) == 0)
            {
                // As its caller waits in the kernel, this one waits here.
            }

            Invariant.Require(completions[0].Status == CompletionStatus.Success);
        }
    }
}
