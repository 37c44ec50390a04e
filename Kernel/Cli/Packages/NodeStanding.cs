using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Packages;

/// <summary>What one node's status says to whoever is about to restart it, or just has.</summary>
internal static class NodeStanding
{
    /// <summary>
    /// What stands against stopping a node: users would lose volumes that it serves, or its partner
    /// would have to go on alone and could not. One that does not answer may be all that they have.
    /// </summary>
    internal static IReadOnlyList<string> WhyNotStop(JsonObject status)
    {
        if ($"{status["phase"]}" == "Unreachable")
        {
            return [$"it does not answer: {status["reason"]}"];
        }

        JsonNode?[] served =
        [
            .. (status["volumes"] as JsonArray ?? [])
                .Where(static volume => volume?["served"]?.GetValue<bool>() == true),
        ];
        List<string> reasons =
        [
            .. served.Where(static volume => $"{volume!["sync"]}" != "InSync")
                .Select(static volume =>
                    $"{volume!["name"]} has no other good copy: it is {volume["sync"]}"),
        ];
        bool hasPartner = $"{status["session"]?["state"]}" == "Ready";
        if (!hasPartner && served.Length > 0)
        {
            string names = string.Join(", ", served.Select(static one => $"{one!["name"]}"));
            reasons.Add($"there is no session with a partner that would serve {names}");
        }

        // A partner that serves must have it recorded that it goes on alone.
        if ((hasPartner || served.Length > 0)
            && PairStatus.Witness(status) is { Length: > 0 } witness
            and not ("reachable" or "none"))
        {
            reasons.Add($"the witness is {witness}, and without it the partner cannot go on alone");
        }

        return reasons;
    }

    /// <summary>Whether a node has nothing left to load.</summary>
    /// <param name="status">What it says.</param>
    /// <param name="late">
    /// Whether it had time enough: what starts then, starts when its partner is there.
    /// </param>
    internal static bool IsSettled(JsonObject status, bool late) =>
        $"{status["phase"]}" is nameof(BootPhase.Serving)
            or nameof(BootPhase.Recovering)
        && (late || Plugins(status).All(static plugin => $"{plugin["state"]}"
            is not (nameof(ModuleState.Loading) or nameof(ModuleState.Starting))));

    /// <summary>What has failed of a settled node that had not before.</summary>
    internal static IReadOnlyList<string> WhyNotUp(
        JsonObject status, IReadOnlySet<string> before) =>
    [
        .. Plugins(status)
            .Where(plugin => HasFailed(plugin) && !before.Contains($"{plugin["id"]}"))
            .Select(static plugin => $"{plugin["id"]} is {plugin["state"]}: {Why(plugin)}"),
    ];

    /// <summary>Ids of what has failed; none of no status.</summary>
    internal static IReadOnlySet<string> FailedIn(JsonObject? status) => Plugins(status ?? [])
        .Where(HasFailed).Select(static plugin => $"{plugin["id"]}").ToHashSet();

    private static IEnumerable<JsonObject> Plugins(JsonObject status) =>
        (status["plugins"] as JsonArray ?? []).OfType<JsonObject>();

    private static string Why(JsonObject plugin) => plugin["refusal"] is { } refusal
        ? $"expected {refusal["expected"]}, found {refusal["actual"]}" : $"{plugin["reason"]}";

    private static bool HasFailed(JsonObject plugin) =>
        $"{plugin["state"]}" is nameof(ModuleState.Refused) or nameof(ModuleState.Failed);
}
