using System.Diagnostics;
using System.Net.Sockets;
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
    private const string NoAnswer = "no answer";
    private static readonly TimeSpan LookPeriod = TimeSpan.FromMilliseconds(250);

    // A plugin stops, is taken down and begins, each within times of the kernel's, and that once
    // for each of its clients; another change may be under way before it.
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan StartTimeMax = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Asks a node to follow its store, and waits until what it begins has started. A node that
    /// cannot be asked follows when it starts; one that is asked and then gives no answer may have
    /// been ended by the change.
    /// </summary>
    /// <param name="socket">Where the node is.</param>
    /// <param name="id">The plugin's id.</param>
    /// <param name="startTimeMax">How long it may take to start; null for the usual.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    internal static async Task<Following> AskAsync(
        string socket, string id, TimeSpan? startTimeMax, CancellationToken cancellation)
    {
        bool asked = false;
        try
        {
            JsonNode? answer = await NodeClient.AskAsync(
                socket, "follow", new JsonObject { ["id"] = id }, AnswerTimeMax, cancellation);
            asked = true;
            Following now = Of(answer?["plugin"], (string?)answer?["waits"]);
            TimeSpan limit = startTimeMax ?? StartTimeMax;
            for (long from = Stopwatch.GetTimestamp();
                now is { Standing: PluginStanding.Starting, Waits: null }
                    && Stopwatch.GetElapsedTime(from) < limit;)
            {
                await Task.Delay(LookPeriod, cancellation);
                now = await LookAsync(socket, id, cancellation);
            }

            return now;
        }
        catch (RefusedException refused) when (!asked && refused.InnerException is SocketException)
        {
            return new(null, "", refused.Refusal.Actual);
        }
        catch (RefusedException refused) when (NodeClient.IsUnreachable(refused))
        {
            return new(NoAnswer, refused.Refusal.Actual, null);
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
        Standing != NoAnswer
            && (entry.Wanted is null || Waits is not null || Standing is PluginStanding.Active)
            ? null
            : new Refusal(
                $"plugin {entry.Id}", "to run", Reason.Length > 0 ? Reason : $"{Standing}",
                Standing is PluginStanding.Starting
                    ? "storageos plugin list says when it has started; then use --node"
                : entry.Previous is null ? $"storageos plugin remove {entry.Id}"
                    : $"storageos plugin rollback {entry.Id}");

    private static Following Of(JsonNode? plugin, string? waits) =>
        new((string?)plugin?["standing"], $"{plugin?["reason"]}", waits);

    private static async Task<Following> LookAsync(
        string socket, string id, CancellationToken cancellation)
    {
        JsonNode? plugins = await NodeClient.AskAsync(
            socket, "plugins", null, NodeClient.StatusTimeMax, cancellation);

        // What is left of an earlier version stands there, too.
        return Of(
            (plugins as JsonArray)?.LastOrDefault(plugin => $"{plugin?["id"]}" == id
                && $"{plugin?["standing"]}" != PluginStanding.RestartPending),
            null);
    }
}
