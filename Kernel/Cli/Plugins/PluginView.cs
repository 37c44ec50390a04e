using System.Text.Json.Nodes;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Cli.Plugins;

/// <summary>One version of a plugin on one node, as an operator sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Kind">What it is; empty when its manifest cannot be read.</param>
/// <param name="Version">Its version; empty likewise.</param>
/// <param name="Standing">How it stands, by <see cref="PluginStanding"/>.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="Source">Where it comes from: system, directory or store.</param>
/// <param name="Signature">By whom it is signed: none, known or unknown.</param>
/// <param name="Containment">
/// Whether what it does can end the node: process when not, else "not contained"; empty of what is
/// no client and of what does not run.
/// </param>
internal sealed record PluginRow(
    string Id, string Kind, string Version, string Standing, string Reason, string Source,
    string Signature, string Containment = "");

/// <summary>
/// Lays what a node's store wants beside what the node runs: where they differ, a restart is
/// pending. Pure but for the look at folders that is handed in.
/// </summary>
internal static class PluginView
{
    private const string Store = "store";

    /// <summary>The rows of one node.</summary>
    /// <param name="running">Its plugins by its own word; null when it gives none.</param>
    /// <param name="store">What is in its store.</param>
    /// <param name="look">Looks at a version's folder.</param>
    internal static IReadOnlyList<PluginRow> Of(
        JsonArray? running, IReadOnlyList<StoreRecord> store,
        Func<StoreRecord, PluginCandidate> look)
    {
        List<PluginRow> rows = [];
        foreach (PluginRow row in (running ?? []).OfType<JsonObject>().Select(Row))
        {
            StoreRecord? record = store.FirstOrDefault(record => record.Id == row.Id);
            rows.Add(record?.Entry is { } entry ? Changed(row, entry) : row);
        }

        foreach (StoreRecord record in store.Where(static record => record.IsInstalled))
        {
            string? runs = rows.FirstOrDefault(
                row => row.Id == record.Id && row.Source == Store)?.Version;
            if (runs is null || runs != record.Entry?.Current)
            {
                rows.Add(Current(record, look(record), isRunning: running is not null));
            }

            if (record.Entry?.Previous is { } previous && previous != runs)
            {
                rows.Add(new PluginRow(
                    record.Id, "", previous, PluginStanding.Superseded,
                    $"kept for storageos plugin rollback {record.Id}", Store, ""));
            }
        }

        return rows;
    }

    private static PluginRow Row(JsonObject plugin) => new(
        $"{plugin["id"]}", $"{plugin["kind"]}", $"{plugin["version"]}",
        $"{plugin["standing"] ?? plugin["state"]}", $"{plugin["reason"]}", $"{plugin["source"]}",
        $"{plugin["signature"]}", $"{plugin["containment"]}");

    /// <summary>What runs, with what was decided about it since.</summary>
    private static PluginRow Changed(PluginRow row, StoreEntry entry)
    {
        if (entry.MalfunctionOf(row.Version) is { } why && row.Standing == PluginStanding.Failed)
        {
            return row with
            {
                Standing = PluginStanding.Of(FindingKind.Malfunctioned),
                Reason = why,
            };
        }

        bool barred = row.Standing == PluginStanding.Of(FindingKind.Malfunctioned)
            || row.Standing == PluginStanding.Of(FindingKind.Disabled);
        bool isWanted = row.Source == Store ? entry.Wanted is not null
            : entry.MalfunctionOf(row.Version) is null;
        bool isPending = barred
            ? isWanted
            : row.Source == Store && !isWanted && row.Standing != PluginStanding.Failed;
        return isPending
            ? row with
            {
                Standing = PluginStanding.RestartPending,
                Reason = $"{entry.Reason}; takes effect when the node starts again",
            }
            : row;
    }

    /// <summary>The current version, which the node does not run.</summary>
    private static PluginRow Current(StoreRecord record, PluginCandidate found, bool isRunning)
    {
        string waits = isRunning
            ? $"{record.Entry?.Reason}; takes effect when the node starts again"
            : $"{record.Entry?.Reason}; loaded when the node starts";
        return new PluginRow(
            record.Id, $"{found.Manifest?.Kind}".ToLowerInvariant(),
            record.Entry?.Current ?? "",
            found.Error is { } error ? PluginStanding.Of(error.Kind)
                : isRunning ? PluginStanding.RestartPending : PluginStanding.Installed,
            found.Error is { } wrong ? ReasonOf(wrong) : waits, Store,
            $"{found.Manifest?.Signature}".ToLowerInvariant());
    }

    private static string ReasonOf(Finding error) =>
        error.Kind == FindingKind.Disabled ? error.Refusal.Actual : $"{error.Refusal}";
}
