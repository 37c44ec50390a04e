using System.Net.Sockets;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Probe;

/// <summary>One-sided operations on the partner's ring beside plain copies and a socket.</summary>
internal sealed class PortProbe(ProbeClient client)
{
    private const int Batches = 2_000;
    private const int PerBatch = 64;
    private const int SocketBatches = 2_000;

    private readonly Completion[] completions = new Completion[PerBatch];
    private int bytes;
    private int position;
    private int copyPosition;
    private IPort port = null!;
    private IRemoteMemory remote = null!;
    private IRegion source = null!;
    private IRegion local = null!;

    /// <summary>
    /// Arguments: <c>bytes</c>, <c>rounds</c>, <c>echo</c> (path of the partner's socket).
    /// </summary>
    public async ValueTask<JsonNode?> RunAsync(JsonObject arguments)
    {
        bytes = arguments["bytes"]!.GetValue<int>();
        int rounds = arguments["rounds"]!.GetValue<int>();
        port = client.Grant!.Ports["probe"];
        remote = client.Grant.Memory["ring"];
        source = client.Services.Region("source");
        local = client.Services.Region("first");
        Rounds write = new(Batches, PerBatch);
        Rounds read = new(Batches, PerBatch);
        Rounds socket = new(SocketBatches, 1);
        using Socket echo = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        echo.Connect(new UnixDomainSocketEndPoint($"{arguments["echo"]}"));
        JsonArray writes = [];
        JsonArray reads = [];
        JsonArray sockets = [];
        for (int round = -1; round < rounds; round++)
        {
            JsonObject written = write.Run(Write, CopyOut);
            await Task.Yield(); // The node's other modules have their turn.
            JsonObject got = read.Run(Read, CopyIn);
            await Task.Yield();
            JsonObject told = socket.Run(Write, _ => PingPong(echo));
            if (round >= 0)
            {
                // The round before the first is for the compiler to learn in.
                writes.Add(written);
                reads.Add(got);
                sockets.Add(told);
            }

            await Task.Yield();
        }

        return new JsonObject { ["write"] = writes, ["read"] = reads, ["socket"] = sockets };
    }

    private int Step(ref int at, int by)
    {
        int now = at;
        at = at + by + by > client.RingBytes ? 0 : at + by;
        return now;
    }

    private void Write(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Invariant.Require(port.TryPostWrite(
                (ulong)i, source, 0, remote, Step(ref position, bytes), bytes));
            Complete();
        }
    }

    private void Read(int count)
    {
        for (int i = 0; i < count; i++)
        {
            Invariant.Require(port.TryPostRead(
                (ulong)i, source, 0, remote, Step(ref position, bytes), bytes));
            Complete();
        }
    }

    private void Complete()
    {
        int done;
        do
        {
            done = port.Poll(completions);
        }
        while (done == 0);

        Invariant.Require(completions[0].Status == CompletionStatus.Success);
    }

    private void CopyOut(int count)
    {
        for (int i = 0; i < count; i++)
        {
            source.Bytes[..bytes].CopyTo(local.Bytes.Slice(Step(ref copyPosition, bytes), bytes));
        }
    }

    private void CopyIn(int count)
    {
        for (int i = 0; i < count; i++)
        {
            local.Bytes.Slice(Step(ref copyPosition, bytes), bytes).CopyTo(source.Bytes);
        }
    }

    private void PingPong(Socket echo)
    {
        echo.Send(source.Bytes[..bytes]);
        Span<byte> answer = source.Bytes.Slice(bytes, bytes);
        for (int have = 0; have < bytes;)
        {
            have += echo.Receive(answer[have..]);
        }
    }
}
