using System.Text.Json.Nodes;

namespace StorageOs.Kernel.Cli;

/// <summary>The status of several nodes, and whether it is good.</summary>
internal sealed class PairStatus
{
    /// <summary>Makes one of both nodes' documents.</summary>
    internal PairStatus(IReadOnlyList<JsonObject> nodes) => Nodes = nodes;

    /// <summary>Each node's document.</summary>
    internal IReadOnlyList<JsonObject> Nodes { get; }

    /// <summary>What keeps the pair from being ready; empty when it is.</summary>
    internal IReadOnlyList<string> Lacks => [.. Nodes.SelectMany(LacksOf)];

    /// <summary>Volumes that the loss of one node would take along, a line each.</summary>
    internal IReadOnlyList<string> Exposed =>
    [
        .. Nodes.SelectMany(node => node["volumes"] as JsonArray ?? [])
            .GroupBy(volume => $"{volume?["name"]}")
            .Select(volume => (Name: volume.Key, Sync: SyncOf(volume)))
            .Where(volume => volume.Sync is not ("InSync" or "Moved" or ""))
            .Select(volume => $"{volume.Name} has one good copy: it is {volume.Sync}"),
    ];

    /// <summary>How far resyncs and scrubs have come.</summary>
    internal IReadOnlyList<Advance> Advances => [.. Nodes.SelectMany(Advance.Of)];

    /// <summary>What hinders takeovers, and what becomes of groups away from home.</summary>
    internal IReadOnlyList<string> Takeovers => [.. Nodes.SelectMany(TakeoversOf)];

    /// <summary>Where the page of a node that serves one is; null when none does.</summary>
    internal string? PageUrl => Nodes
        .Select(node => $"{node["sections"]?["management"]?["url"]}")
        .FirstOrDefault(url => url.Length > 0);

    /// <summary>Asks every node at once.</summary>
    internal static async Task<PairStatus> AskAsync(
        IEnumerable<(string Name, string Socket)> nodes, CancellationToken cancellation) =>
        new(await Task.WhenAll(nodes.Select(
            node => NodeClient.StatusAsync(node.Name, node.Socket, cancellation))));

    /// <summary>Both nodes of a pair.</summary>
    internal static Task<PairStatus> AskAsync(PairLayout pair, CancellationToken cancellation) =>
        AskAsync(PairLayout.Names.Select(name => (name, pair.Socket(name))), cancellation);

    /// <summary>The documented form: <c>{"nodes":[…]}</c>.</summary>
    internal JsonObject ToJson() =>
        new() { ["nodes"] = new JsonArray([.. Nodes.Select(node => node.DeepClone())]) };

    /// <summary>How a node stands to its witness, for people; empty when it has none.</summary>
    internal static string Witness(JsonObject node) => node["witness"] is not JsonObject witness
        ? ""
        : $"{witness["state"]}" switch
        {
            "Found" => "reachable",
            "Missing" => "empty",
            "None" => "none",
            _ => "unreachable",
        };

    /// <summary>Whether a node is meant to work without a witness.</summary>
    internal static bool HasNoWitness(JsonObject node) => Witness(node) == "none";

    /// <summary>Whether a node could take over, in a word or two; empty when nobody says.</summary>
    internal static string Takeover(JsonObject node)
    {
        JsonNode? takeover = node["takeover"];
        string first = $"{(takeover?["hindrances"] as JsonArray)?.FirstOrDefault()?["code"]}";
        return takeover?["possible"]?.GetValue<bool>() switch
        {
            true => "possible",
            false => first.Length == 0 ? "no" : $"no: {Spaced(first)}",
            null => "",
        };
    }

    private static string Spaced(string camel) => string.Concat(camel.Select(
        letter => char.IsUpper(letter) ? $" {char.ToLowerInvariant(letter)}" : $"{letter}"));

    private static IEnumerable<string> TakeoversOf(JsonObject node)
    {
        foreach (JsonNode? one in node["takeover"]?["hindrances"] as JsonArray ?? [])
        {
            string which = one?["planned"]?.GetValue<bool>() == true
                ? one["failover"]?.GetValue<bool>() == true ? "no takeover" : "no planned takeover"
                : "no takeover by itself";
            yield return $"{node["name"]}: {which} of group {one?["group"]}: {one?["what"]}, for"
                + $" {TakeoverCheck.Age(one?["ageSeconds"]?.GetValue<long>() ?? 0)};"
                + $" {one?["remedy"]}";
        }

        JsonNode? ownership = node["sections"]?["ownership"];
        foreach (JsonNode? group in (ownership as JsonObject)?["groups"] as JsonArray ?? [])
        {
            if (group?["giveback"]?["what"] is { } what)
            {
                yield return $"{node["name"]} has group {group["group"]}: {what}";
            }
        }
    }

    /// <summary>
    /// What of both nodes' words on one volume is to be believed: those of the one that serves it.
    /// </summary>
    internal static JsonNode? Best(IEnumerable<JsonNode?> volume) =>
        volume.FirstOrDefault(it => it?["served"]?.GetValue<bool>() == true)
            ?? volume.FirstOrDefault();

    private static string SyncOf(IEnumerable<JsonNode?> volume) => $"{Best(volume)?["sync"]}";

    private static IEnumerable<string> LacksOf(JsonObject node)
    {
        string name = $"{node["name"]}";
        if ($"{node["phase"]}" != "Serving")
        {
            yield return $"{name} is {node["phase"]}: {node["reason"]}".TrimEnd(' ', ':');
        }

        if (node["session"] is JsonObject session && $"{session["state"]}" != "Ready")
        {
            yield return $"{name}'s session is {session["state"]}: {session["reason"]}";
        }

        foreach (JsonNode? client in node["clients"] as JsonArray ?? [])
        {
            // That all of them wait for the session goes without saying.
            if ($"{client?["state"]}" is not ("Ready" or "WaitingForSession"))
            {
                string reason = $"{client?["reason"]}";
                yield return $"{name}'s client {client?["name"]} is {client?["state"]}"
                    + (reason.Length == 0 ? "" : $": {reason}");
            }
        }

        if (Witness(node) is { Length: > 0 } witness and not ("reachable" or "none"))
        {
            yield return $"{name}'s witness is {witness}: {node["witness"]!["detail"]}"
                .TrimEnd(' ', ':');
        }

        foreach ((string section, JsonNode? said) in node["sections"] as JsonObject ?? [])
        {
            if ((said as JsonObject)?["notReported"] is { } why)
            {
                yield return $"{name}'s {section} are not known: {why}";
            }
        }

        foreach (JsonNode? volume in node["volumes"] as JsonArray ?? [])
        {
            if ($"{volume?["waits"]}" is { Length: > 0 } waits)
            {
                yield return $"{name}'s {volume!["name"]} waits: {waits}";
            }
        }
    }
}
