using System.Net.Sockets;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>
/// What is done to a guest from outside, by QEMU's machine protocol (QMP): lines of JSON on a Unix
/// socket, a greeting first.
/// </summary>
internal static class GuestMonitor
{
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(10);

    /// <summary>Cuts the guest off from its partner, or joins it again.</summary>
    internal static Task SetInterconnectAsync(
        PairLayout pair, string name, bool up, CancellationToken cancellation) => RunAsync(
        pair, name, "set_link", new JsonObject { ["name"] = "interconnect", ["up"] = up },
        cancellation);

    /// <summary>Resets the guest, as its button does.</summary>
    internal static Task ResetAsync(
        PairLayout pair, string name, CancellationToken cancellation) =>
        RunAsync(pair, name, "system_reset", [], cancellation);

    /// <summary>Runs a command of QEMU's; what it returned.</summary>
    internal static async Task<JsonNode> RunAsync(
        PairLayout pair, string name, string command, JsonObject arguments,
        CancellationToken cancellation)
    {
        using CancellationTokenSource limit =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(AnswerTimeMax);
        using Socket socket = new(
            AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        string path = Path.Combine(pair.Directory, name, "qmp.sock");
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), limit.Token);
        await using NetworkStream stream = new(socket);
        LineReader lines = new(stream, Limits.ManagementReplyBytesMax);
        _ = await lines.ReadAsync(limit.Token);
        _ = await SendAsync(stream, lines, "qmp_capabilities", [], limit.Token);
        return await SendAsync(stream, lines, command, arguments, limit.Token);
    }

    private static async Task<JsonNode> SendAsync(
        NetworkStream stream, LineReader lines, string command, JsonObject arguments,
        CancellationToken cancellation)
    {
        JsonObject request = new() { ["execute"] = command, ["arguments"] = arguments };
        byte[] line = [.. System.Text.Encoding.UTF8.GetBytes(request.ToJsonString()), (byte)'\n'];
        await stream.WriteAsync(line, cancellation);
        while (await lines.ReadAsync(cancellation) is { } reply)
        {
            JsonNode? answer = JsonNode.Parse(reply.Span);
            if (answer?["return"] is { } returned)
            {
                return returned;
            }

            if (answer?["error"] is { } error)
            {
                throw new RefusedException(new Refusal(
                    $"QEMU's {command}", "success", $"{error["desc"]}"));
            }
        }

        throw new IOException($"QEMU closed its monitor instead of answering {command}");
    }
}
