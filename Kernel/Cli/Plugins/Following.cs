using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Cli.Plugins;

/// <summary>What a running node made of a change in its store.</summary>
/// <param name="Standing">How the plugin stands there now; null when it is not there.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="Waits">Why the change waits for a restart; null when it is done.</param>
internal sealed record Following(string? Standing, string Reason, string? Waits)
{
    // A plugin stops, is taken down and begins, each within times of the kernel's.
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromMinutes(1);

    /// <summary>Asks a node to follow its store. One that cannot waits for its restart.</summary>
    internal static async Task<Following> AskAsync(
        string socket, string id, CancellationToken cancellation)
    {
        try
        {
            JsonNode? answer = await NodeClient.AskAsync(
                socket, "follow", new JsonObject { ["id"] = id }, AnswerTimeMax, cancellation);
            JsonNode? plugin = answer?["plugin"];
            return new(
                (string?)plugin?["standing"], $"{plugin?["reason"]}", (string?)answer?["waits"]);
        }
        catch (RefusedException refused) when (NodeClient.IsUnreachable(refused))
        {
            return new(null, "", refused.Refusal.Actual);
        }
        catch (RefusedException refused)
        {
            return new(PluginStanding.Of(FindingKind.Wrong), $"{refused.Refusal}", null);
        }
    }

    /// <summary>For people, behind what was done to the plugin.</summary>
    internal string Said(string node, string done) =>
        Waits is not null ? $"takes effect when {node} starts again: {Waits}"
        : Standing is null ? $"{node} has ended it"
        : Reason.Length == 0 || Reason == done ? Standing : $"{Standing}: {Reason}";

    /// <summary>Why a node does not run what it was meant to run; null when it does.</summary>
    internal Refusal? ProblemOf(StoreEntry entry) =>
        entry.Wanted is null || Waits is not null
            || Standing is PluginStanding.Active or PluginStanding.Starting
            ? null
            : new Refusal(
                $"plugin {entry.Id}", "to run", Reason.Length > 0 ? Reason : $"{Standing}",
                entry.Previous is null ? $"storageos plugin remove {entry.Id}"
                    : $"storageos plugin rollback {entry.Id}");
}
