using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Plugins;
using StorageOs.Kernel.Cli.Configure;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Pair.Tests;

/// <summary>
/// docs/CONFIGURATION.md: what a person wrote in <c>ConfigurationDocument.md</c>, with tables of the
/// keys as the code has them, and examples out of files that are checked, where it says so:
/// <c>{{node}}</c>, <c>{{machine}}</c>, <c>{{example PATH}}</c>, <c>{{transports}}</c>, and
/// <c>{{plugins}}</c>.
/// </summary>
/// <param name="manifests">Of all plugins, ordered.</param>
/// <param name="every">The example with every key.</param>
/// <param name="small">The small one, as text.</param>
internal sealed class ConfigurationDocument(
    IReadOnlyList<PluginManifest> manifests, JsonNode every, string small)
{
    private const string Head = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";

    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    // What a manifest cannot say: the forms of addresses, and what lies in other files.
    private static readonly Dictionary<string, string> More = new()
    {
        ["loopback"] =
            """
            Both nodes on one machine. `transport.address` is a Fibre Channel id such as `fc:010203`
            (or an IPv4 address, which stands for the id of its last three bytes), `transport.port`
            the number of a virtual interface.
            """,
        ["tcp"] =
            """
            Two machines on any network. `transport.address` is an IPv4 or IPv6 address of the node's
            own, of the same family on both, and `transport.port` a TCP port: the node with the
            higher `node.systemId` listens there. More: [OPERATIONS](OPERATIONS.md#choosing-a-transport).
            """,
        ["verbs"] =
            """
            RDMA. `transport.address` is the IP address or GID of an interface of an RDMA device, with
            `#1`, `#2` behind it where nodes share one, and `transport.port` a port of rdma_cm, 1 to
            65535. More: [OPERATIONS](OPERATIONS.md#rdma).
            """,
        ["failover-monitor"] =
            """
            More: [moving groups](OPERATIONS.md#moving-groups-on-purpose),
            [without a witness](OPERATIONS.md#without-a-witness),
            [moving the register](OPERATIONS.md#moving-the-register).
            """,
        ["management"] =
            """
            Without settings it is not loaded. Relative paths start at `node.dataDirectory`. The
            [file of tokens](#tokens-of-the-http-api) is read again with each request that has a
            token; the certificate when the node starts. More:
            [OPERATIONS](OPERATIONS.md#the-http-api-and-the-dashboard).
            """,
        ["nbd-export"] = "A volume `vol0` of the group is at `nbd://HOST:PORT/vol0`.",
        ["volumes"] =
            """
            The order of the list means nothing. A volume may grow, the node that follows first
            ([OPERATIONS](OPERATIONS.md#resync)), and never shrinks. More:
            [scrub](OPERATIONS.md#scrub).
            """,
        ["witness-etcd"] =
            """
            Loaded where it has settings. The files that it names are read when the node starts.
            More: [OPERATIONS](OPERATIONS.md#choosing-a-witness).
            """,
        ["witness-file"] =
            "Loaded where it has settings. More: [OPERATIONS](OPERATIONS.md#choosing-a-witness).",
    };

    /// <summary>Fills a person's text.</summary>
    public string Markdown(string template)
    {
        StringBuilder text = new();
        foreach (string line in template.ReplaceLineEndings("\n").TrimEnd('\n').Split('\n'))
        {
            _ = text.Append(line switch
            {
                "{{node}}" => Node(),
                "{{machine}}" => Table(KeyFacts.OfMachine) + "\n" + Json("machine"),
                "{{small}}" => $"```json\n{small.TrimEnd('\n')}\n```\n",
                "{{transports}}" => Sections(static kind => kind == PluginKind.Transport),
                "{{plugins}}" => Sections(static kind => kind != PluginKind.Transport),
                _ => line + "\n",
            });
        }

        return text.ToString();
    }

    private static string Node()
    {
        StringBuilder text = new();
        foreach (IGrouping<string, KeyFacts> part in KeyFacts.OfNode.GroupBy(
            static key => key.Name.Split('.')[0]))
        {
            _ = text.Append($"### `{part.Key}`\n\n{Table(part)}\n");
        }

        return text.ToString().TrimEnd('\n') + "\n";
    }

    private string Sections(Func<PluginKind, bool> wanted)
    {
        StringBuilder text = new();
        foreach (PluginManifest manifest in manifests.Where(one => wanted(one.Kind)))
        {
            _ = text.Append($"### {manifest.Id}\n\n");
            if (More.TryGetValue(manifest.Id, out string? more))
            {
                _ = text.Append(more.ReplaceLineEndings("\n")).Append("\n\n");
            }

            bool isTransport = manifest.Kind == PluginKind.Transport;
            _ = text.Append($"Keys below `{(isTransport ? "transport.options"
                : $"plugins.settings.{manifest.Id}")}`:\n\n")
                .Append(Table(KeyFacts.Of(manifest)))
                .Append('\n')
                .Append(isTransport ? Options(manifest.Id) : Settings(manifest.Id))
                .Append('\n');
        }

        return text.ToString().TrimEnd('\n') + "\n";
    }

    // As a file would have them that holds those of this transport alone.
    private string Options(string id) => Json(
        new JsonObject
        {
            ["name"] = id,
            ["options"] = new JsonObject(every["transport"]!["options"]!.AsObject()
                .Where(one => one.Key.StartsWith(id + ".", StringComparison.Ordinal))
                .Select(one => KeyValuePair.Create(
                    one.Key[(id.Length + 1)..], one.Value?.DeepClone()))),
        },
        "transport");

    private string Settings(string id) =>
        Json(every["plugins"]!["settings"]![id]!.DeepClone(), id);

    private string Json(string key) => Json(every[key]!.DeepClone(), key);

    private static string Json(JsonNode value, string key) =>
        $"```json\n{Inner(new JsonObject { [key] = value })}\n```\n";

    /// <summary>The members of an object alone, as they stand in a larger one.</summary>
    private static string Inner(JsonObject one) => string.Join('\n', one.ToJsonString(Indented)
        .Split('\n')[1..^1].Select(static line => line[2..]));

    private static string Table(IEnumerable<KeyFacts> keys)
    {
        StringBuilder text = new(Head);
        foreach (KeyFacts key in keys)
        {
            _ = text.Append($"| `{key.Name}`{(key.IsLive ? " (live)" : "")} | {Cell(key.Value)} | "
                + $"{(key.Default is { } usual ? Cell(usual) : "**needed**")} | "
                + $"{Cell(key.Meaning)} |\n");
        }

        return text.ToString();
    }

    private static string Cell(string text) => text
        .Replace("|", "\\|", StringComparison.Ordinal)
        .Replace("*", "\\*", StringComparison.Ordinal);
}
