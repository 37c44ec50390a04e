using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Management.Node;

/// <summary>
/// The node as its API tells of it. Any thread; what is told is a document of the moment.
/// </summary>
internal sealed class NodeView(string name, string? url, INodeOperations operations)
{
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(5);
    private volatile string? partnerUrl;

    /// <summary>The node's name.</summary>
    public string Name => name;

    /// <summary>
    /// Where the partner's page is, as it last said; it stays when the partner is gone.
    /// </summary>
    public string? PartnerUrl
    {
        get => partnerUrl;
        set => partnerUrl = value;
    }

    /// <summary>The node's own status, with what a page needs beside it.</summary>
    public async Task<JsonObject> StatusAsync(CancellationToken cancellation)
    {
        JsonNode? status = await AskAsync("status", [], AnswerTimeMax, cancellation);
        return new JsonObject
        {
            ["time"] = Time(DateTimeOffset.UtcNow),
            ["url"] = url,
            ["partnerUrl"] = partnerUrl,
            ["version"] = typeof(NodeView).Assembly.GetName().Version!.ToString(3),
            ["node"] = status,
        };
    }

    /// <summary>Both nodes' events as this one knows them, oldest first.</summary>
    public async Task<JsonArray> EventsAsync(TimeSpan? age, CancellationToken cancellation)
    {
        JsonNode? story = await AskAsync("timeline", [], AnswerTimeMax, cancellation);
        string from = age is { } back ? Time(DateTimeOffset.UtcNow - back) : "";
        return
        [
            .. (story?["events"] as JsonArray ?? []).OfType<JsonObject>()
                .Where(one => string.CompareOrdinal($"{one["time"]}", from) >= 0)
                .Select(EventOf),
        ];
    }

    /// <summary>Asks the node for anything else.</summary>
    /// <exception cref="Contracts.Runtime.RefusedException">It refuses.</exception>
    public async Task<JsonNode?> AskAsync(
        string command, JsonObject arguments, TimeSpan limit, CancellationToken cancellation) =>
        await operations.RunAsync(command, arguments, cancellation).WaitAsync(limit, cancellation);

    /// <summary>A time as the API writes it.</summary>
    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString(
        "yyyy-MM-ddTHH:mm:ss.ffffffZ", System.Globalization.CultureInfo.InvariantCulture);

    private static JsonNode EventOf(JsonObject one) => new JsonObject
    {
        ["node"] = one["node"]?.DeepClone(),
        ["time"] = one["time"]?.DeepClone(),
        ["epoch"] = one["epoch"]?.DeepClone(),
        ["sequence"] = one["sequence"]?.DeepClone(),
        ["severity"] = Severity($"{one["level"]}"),
        ["source"] = one["source"]?.DeepClone(),
        ["event"] = one["name"]?.DeepClone(),
        ["text"] = one["text"]?.DeepClone(),
        ["group"] = one["group"]?.DeepClone(),
        ["term"] = one["term"]?.DeepClone() ?? 0,
        ["session"] = one["session"]?.DeepClone(),
    };

    private static string Severity(string level) => level switch
    {
        "Warning" => "warning",
        "Error" or "Critical" => "error",
        _ => "info",
    };
}
