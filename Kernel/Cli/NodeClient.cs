using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Remote;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// Asks a running node through its management socket, or where it is elsewhere by its HTTP API.
/// </summary>
internal static class NodeClient
{
    /// <summary>How long a node may take to answer status.</summary>
    internal static readonly TimeSpan StatusTimeMax = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Sends one command and returns its result. The node is named by the path of its socket or by
    /// what <see cref="NodeEndpoint"/> takes.
    /// </summary>
    /// <exception cref="RefusedException">The node does not answer, or refuses.</exception>
    internal static async Task<JsonNode?> AskAsync(
        string socket,
        string command,
        JsonObject? arguments,
        TimeSpan limit,
        CancellationToken cancellation)
    {
        using CancellationTokenSource timer =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timer.CancelAfter(limit);
        JsonObject reply;
        try
        {
            reply = await ExchangeAsync(socket, command, arguments, timer.Token);
        }
        catch (Exception failure) when (failure is SocketException or IOException or JsonException
            || (failure is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            string found = failure is OperationCanceledException
                ? $"no answer within {limit.TotalSeconds} s" : failure.Message;
            throw new RefusedException(
                new Refusal(
                    $"node at {socket}", "an answer", found, "see its log, or start the node"),
                failure);
        }

        if (reply["ok"]?.GetValue<bool>() == true)
        {
            return reply["result"]?.DeepClone();
        }

        JsonNode? refusal = reply["refusal"];
        throw new RefusedException(new Refusal(
            $"{refusal?["subject"]}", $"{refusal?["expected"]}", $"{refusal?["actual"]}",
            $"{refusal?["remedy"]}"));
    }

    /// <summary>
    /// Whether a node gave no answer, as opposed to one that refuses, and to what this side of the
    /// connection lacks.
    /// </summary>
    internal static bool IsUnreachable(RefusedException refused) =>
        refused.InnerException is SocketException or IOException or OperationCanceledException;

    /// <summary>
    /// A node's status; one that does not answer has the phase <c>Unreachable</c>.
    /// </summary>
    internal static async Task<JsonObject> StatusAsync(
        string name, string socket, CancellationToken cancellation)
    {
        try
        {
            JsonNode? status = await AskAsync(
                socket, "status", null, StatusTimeMax, cancellation);
            return status as JsonObject ?? Unreachable(name, "an answer that is no object");
        }
        catch (RefusedException refused)
        {
            return Unreachable(name, refused.Refusal.Actual);
        }
    }

    private static JsonObject Unreachable(string name, string why) => new()
    {
        ["name"] = name,
        ["pid"] = null,
        ["phase"] = "Unreachable",
        ["reason"] = why,
    };

    private static async Task<JsonObject> ExchangeAsync(
        string socket, string command, JsonObject? arguments, CancellationToken cancellation)
    {
        if (HttpNode.Is(socket))
        {
            return await HttpNode.ExchangeAsync(socket, command, arguments ?? [], cancellation);
        }

        NodeEndpoint endpoint = NodeEndpoint.Parse(socket);
        using Socket connection = await endpoint.ConnectAsync(cancellation);
        using NetworkStream stream = new(connection);
        LineReader reader = new(stream, Limits.ManagementReplyBytesMax);
        if (endpoint.Key is { } key)
        {
            await ManagementProof.GiveAsync(stream, reader, key, cancellation);
        }

        JsonObject request = new() { ["command"] = command, ["arguments"] = arguments ?? [] };
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(request), (byte)'\n'];
        await stream.WriteAsync(line, cancellation);
        ReadOnlyMemory<byte>? answer = await reader.ReadAsync(cancellation);
        return answer is { } bytes && JsonNode.Parse(bytes.Span) is JsonObject reply
            ? reply
            : throw new IOException("the connection was closed without an answer");
    }
}
