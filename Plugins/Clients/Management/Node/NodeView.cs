using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;

namespace StorageOs.Management.Node;

/// <summary>
/// The node as its API tells of it. Any thread; what is told is a document of the moment.
/// </summary>
internal sealed class NodeView(NodeInfo node, string? url, INodeOperations operations)
{
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookAge = TimeSpan.FromMilliseconds(250);
    private readonly Lock gate = new();
    private volatile string? partnerUrl;
    private Task<string> look = Task.FromResult("null");
    private long lookedAt;

    /// <summary>The node's name.</summary>
    public string Name => node.Name;

    /// <summary>The group at home on it.</summary>
    public int HomeGroup => node.HomeGroup.Value;

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
        string status = await Look().WaitAsync(AnswerTimeMax, cancellation);
        return new JsonObject
        {
            ["time"] = Time(DateTimeOffset.UtcNow),
            ["url"] = url,
            ["partnerUrl"] = partnerUrl,
            ["version"] = typeof(NodeView).Assembly.GetName().Version!.ToString(3),
            ["node"] = JsonNode.Parse(status),
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

    /// <summary>
    /// One look at a time, and few a second, whoever asks: each takes a turn of every module, and
    /// those of a module that stands still would queue there.
    /// </summary>
    private Task<string> Look()
    {
        lock (gate)
        {
            bool serves = !look.IsCompleted || (look.IsCompletedSuccessfully
                && lookedAt != 0 && Stopwatch.GetElapsedTime(lookedAt) < LookAge);
            if (!serves)
            {
                look = LookAsync();
            }

            return look;
        }
    }

    private async Task<string> LookAsync()
    {
        JsonNode? status = await operations.RunAsync("status", [], CancellationToken.None);
        Volatile.Write(ref lookedAt, Stopwatch.GetTimestamp());
        return status?.ToJsonString() ?? "null";
    }

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
