using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// A write over the transport that needs no special hardware, beside what two processes had to do
/// without one.
/// </summary>
internal sealed class TcpBench(BenchView view, int rounds)
{
    private const int Bytes = 4096;
    private const double Aim = 1.3;
    private const string EchoAddress = "127.0.0.2";

    /// <summary>Measures.</summary>
    internal async Task<JsonObject> RunAsync(CancellationToken cancellation)
    {
        string echo = $"{EchoAddress}:{FreePort()}";
        await using BenchPair pair = await BenchPair.StartAsync(
            [ProbeBench.Folder], ["nvram-mirror", "bench-probe"], Size.MiB,
            new JsonObject { ["tcpEcho"] = echo, ["ringBytes"] = 4 * Size.MiB }, cancellation,
            "tcp");
        view.Progress($"writes of {Bytes} bytes over tcp");
        JsonNode answer = (await pair.AskAsync("a", "bench-tcp", new JsonObject
        {
            ["bytes"] = Bytes,
            ["rounds"] = rounds,
            ["echo"] = echo,
        }, cancellation))!;
        Comparison small = Comparison.Of(answer["answer"]!);
        Comparison whole = Comparison.Of(answer["echo"]!);
        return new JsonObject
        {
            [$"write{Bytes}"] = small.ToJson(
                "a TCP ping-pong, 16 bytes back", $"at most {Aim} times",
                small.MedianRatio <= Aim),
            [$"echo{Bytes}"] = whole.ToJson("a TCP ping-pong, all back", null, false),
        };
    }

    private static int FreePort()
    {
        using TcpListener listener = new(IPAddress.Parse(EchoAddress), 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
