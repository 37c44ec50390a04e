using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Remote;

/// <summary>
/// Asks a node through its HTTP API what it would be asked through its management socket.
/// </summary>
internal static class HttpNode
{
    private const string Base = "/api/v1/";

    /// <summary>Whether a node is named by the address of its API.</summary>
    internal static bool Is(string node) =>
        node.StartsWith("https://", StringComparison.Ordinal)
        || node.StartsWith("http://", StringComparison.Ordinal);

    /// <summary>
    /// Sends one command; the answer has the form of the management socket's.
    /// </summary>
    /// <exception cref="RefusedException">The API has no such command.</exception>
    internal static async Task<JsonObject> ExchangeAsync(
        string node, string command, JsonObject arguments, CancellationToken cancellation)
    {
        RemoteNode remote = RemoteNode.Parse(node);
        using HttpClient http = Client(remote);
        try
        {
            return command switch
            {
                "status" => Good((await GetAsync(http, "status", cancellation))?["node"]),
                "events" => Good(await GetAsync(http, "recorder", cancellation)),
                "scrub" => await PostAsync(http, "scrub", [], cancellation),
                "trace" when arguments["stop"] is not null =>
                    await PostAsync(http, "trace/stop", [], cancellation),
                "trace" => await PostAsync(http, "trace", arguments, cancellation),
                "takeover" => await TakeoverAsync(http, arguments, cancellation),
                _ => throw new RefusedException(new Refusal(
                    command, "a command that the HTTP API has", "one that it has not",
                    "run it on the node's own machine")),
            };
        }
        catch (HttpRequestException failure)
        {
            throw new IOException(failure.InnerException?.Message ?? failure.Message, failure);
        }
    }

    /// <summary>Asks the API at a Unix socket, or at what <see cref="RemoteNode"/> takes.</summary>
    internal static HttpClient Client(string api)
    {
        if (Is(api))
        {
            return Client(RemoteNode.Parse(api));
        }

        SocketsHttpHandler handler = new()
        {
            ConnectCallback = async (_, cancellation) => new NetworkStream(
                await NodeEndpoint.Parse(api).ConnectAsync(cancellation), ownsSocket: true),
        };
        return new HttpClient(handler) { BaseAddress = new Uri("http://node") };
    }

    private static HttpClient Client(RemoteNode remote)
    {
        SocketsHttpHandler handler = new() { AllowAutoRedirect = false, UseProxy = false };
        if (remote.TrustFile is { } file)
        {
            X509ChainPolicy policy = new()
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            Trust(policy, file);
            handler.SslOptions.CertificateChainPolicy = policy;
        }

        HttpClient http = new(handler)
        {
            BaseAddress = remote.Address,
            Timeout = Timeout.InfiniteTimeSpan, // Whoever asks has a limit of their own.
            MaxResponseContentBufferSize = Limits.ManagementReplyBytesMax,
        };
        http.DefaultRequestHeaders.Authorization =
            new AuthenticationHeaderValue("Bearer", remote.Token());
        return http;
    }

    private static void Trust(X509ChainPolicy policy, string file)
    {
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(file);
        }
        catch (CryptographicException failure)
        {
            throw new RefusedException(new Refusal(
                file, "certificates in PEM", failure.Message, "give the authority's"), failure);
        }
    }

    /// <summary>Each group by itself: the API moves one at a time.</summary>
    private static async Task<JsonObject> TakeoverAsync(
        HttpClient http, JsonObject arguments, CancellationToken cancellation)
    {
        if (arguments["force"]?.GetValue<bool>() == true)
        {
            throw new RefusedException(new Refusal(
                "takeover --force", "to be run on the node's own machine", "another machine",
                "log in there: what is acknowledged may be lost by it"));
        }

        JsonArray groups = [];
        int[] asked = arguments["group"] is { } one ? [one.GetValue<int>()] : [0, 1];
        foreach (int group in asked)
        {
            JsonObject answer = await PostAsync(
                http, "takeover", new JsonObject
                {
                    ["group"] = group,
                    ["check"] = arguments["check"]?.GetValue<bool>() == true,
                    ["override"] = arguments["override"]?.DeepClone(),
                },
                cancellation);
            foreach (JsonNode? moved in answer["result"]?["groups"] as JsonArray ?? [])
            {
                groups.Add(moved?.DeepClone());
            }
        }

        return Good(new JsonObject { ["groups"] = groups });
    }

    private static async Task<JsonNode?> GetAsync(
        HttpClient http, string path, CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await http.GetAsync(
            new Uri(Base + path, UriKind.Relative), cancellation);
        JsonNode? body = await ReadAsync(answer, cancellation);
        return answer.IsSuccessStatusCode ? body : throw new RefusedException(Why(answer, body));
    }

    private static async Task<JsonObject> PostAsync(
        HttpClient http, string path, JsonObject body, CancellationToken cancellation)
    {
        using HttpResponseMessage answer = await http.PostAsJsonAsync(
            new Uri(Base + path, UriKind.Relative), body, cancellation);
        JsonNode? said = await ReadAsync(answer, cancellation);
        return answer.IsSuccessStatusCode
            ? Good(said?["result"])
            : throw new RefusedException(Why(answer, said));
    }

    private static async Task<JsonNode?> ReadAsync(
        HttpResponseMessage answer, CancellationToken cancellation) =>
        JsonNode.Parse(await answer.Content.ReadAsStringAsync(cancellation) is { Length: > 0 } text
            ? text : "null");

    private static JsonObject Good(JsonNode? result) =>
        new() { ["ok"] = true, ["result"] = result?.DeepClone() };

    private static Refusal Why(HttpResponseMessage answer, JsonNode? body) =>
        body?["refusal"] is { } why
            ? new Refusal(
                $"{why["subject"]}", $"{why["expected"]}", $"{why["actual"]}", $"{why["remedy"]}")
            : new Refusal(
                $"{answer.RequestMessage?.RequestUri}", "an answer of a node",
                $"{(int)answer.StatusCode} {answer.ReasonPhrase}",
                answer.StatusCode == HttpStatusCode.Unauthorized
                    ? "give a token that the node knows" : "see that the address is a node's");
}
