using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// <c>takeover --check</c>: rehearses planned takeovers on the live state and moves nothing.
/// </summary>
internal static class TakeoverCheck
{
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(10);

    /// <summary>Asks each node; good when every group asked for could move, or need not.</summary>
    /// <param name="output">Where to say it.</param>
    /// <param name="pair">The pair.</param>
    /// <param name="nodes">Which nodes would take over.</param>
    /// <param name="group">Which group; null for all.</param>
    /// <param name="cancellation">Set when nobody waits any more.</param>
    internal static async Task<int> RunAsync(
        Output output, PairLayout pair, IReadOnlyList<string> nodes, int? group,
        CancellationToken cancellation)
    {
        JsonArray checks = [];
        foreach (string node in nodes)
        {
            foreach (JsonObject check in await AskAsync(pair, node, group, cancellation))
            {
                check.Insert(0, "node", node);
                checks.Add(check);
            }
        }

        bool good = checks.Count > 0 && checks.All(
            check => check!["possible"]!.GetValue<bool>());
        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = good, ["checks"] = checks });
        }
        else
        {
            foreach (JsonNode? check in checks)
            {
                Say(output, check!);
            }
        }

        return good ? ExitCode.Good : ExitCode.Failed;
    }

    /// <summary>What a node says; that it says nothing hinders it as much as anything.</summary>
    private static async Task<IReadOnlyList<JsonObject>> AskAsync(
        PairLayout pair, string node, int? group, CancellationToken cancellation)
    {
        JsonObject arguments = new() { ["check"] = true, ["group"] = group };
        try
        {
            JsonNode? result = await NodeClient.AskAsync(
                pair.Socket(node), "takeover", arguments, AnswerTimeMax, cancellation);
            return [.. (result?["groups"] as JsonArray ?? []).Select(
                one => one!.DeepClone().AsObject())];
        }
        catch (RefusedException refused)
        {
            return [Hindered(group, refused)];
        }
    }

    /// <summary>A refusal in the form of a check that found one hindrance.</summary>
    internal static JsonObject Hindered(int? group, RefusedException refused)
    {
        bool unreachable = NodeClient.IsUnreachable(refused);
        Refusal refusal = refused.Refusal;
        return new JsonObject
        {
            ["group"] = group,
            ["serves"] = false,
            ["possible"] = false,
            ["hindrances"] = new JsonArray(new JsonObject
            {
                ["group"] = group,
                ["code"] = unreachable ? "nodeUnreachable" : "refused",
                ["what"] = (refusal with { Remedy = "" }).ToString(),
                ["ageSeconds"] = null,
                ["remedy"] = unreachable ? "start it, or see its log" : refusal.Remedy,
            }),
        };
    }

    private static void Say(Output output, JsonNode check)
    {
        string group = check["group"] is { } number ? $"group {number}" : "anything";
        if (check["serves"]!.GetValue<bool>())
        {
            output.Say($"{check["node"]} serves {group}");
            return;
        }

        JsonNode? predicted = check["predicted"];
        output.Say(check["possible"]!.GetValue<bool>()
            ? $"{check["node"]} could take {group} over in about {predicted?["totalMs"]} ms;"
                + $" clients would wait {predicted?["pauseMs"]} ms"
            : $"{check["node"]} could not take {group} over");
        foreach (JsonNode? one in check["hindrances"]!.AsArray())
        {
            string age = one!["ageSeconds"] is { } seconds
                ? $", for {Age(seconds.GetValue<long>())}" : "";
            string remedy = $"{one["remedy"]}" is { Length: > 0 } todo ? $"; {todo}" : "";
            Text text = new($"{one["what"]}{age}{remedy}");
            Output.Tables().Write(new Padder(text, new Padding(2, 0, 0, 0)));
        }

        foreach (JsonNode? part in predicted?["madeOf"] as JsonArray ?? [])
        {
            output.Say($"  {part!["ms"],8} ms  {$"{part["step"]}",-7}  {part["from"]}");
        }

        if (check["lastPlanned"] is { } last)
        {
            output.Say($"  {last["totalMs"],8} ms  was the last one, {last["secondsAgo"]} s ago");
        }
    }

    /// <summary>An age in the largest unit that says enough.</summary>
    internal static string Age(long seconds) => seconds switch
    {
        < 120 => $"{seconds} s",
        < 7200 => $"{seconds / 60} min",
        < 172_800 => $"{seconds / 3600} h",
        _ => $"{seconds / 86_400} days",
    };
}
