using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Cli.Plugins;

/// <summary><c>plugin show</c>: all that is known of one plugin, node by node.</summary>
internal static class PluginShow
{
    /// <summary>Shows it.</summary>
    internal static async Task<int> RunAsync(
        Output output, PairLayout pair, IReadOnlyList<string> names, string id,
        CancellationToken cancellation)
    {
        JsonArray nodes = [];
        foreach (string name in names)
        {
            JsonObject status = await NodeClient.StatusAsync(
                name, pair.Socket(name), cancellation);
            if (Of(pair, name, id, status["plugins"] as JsonArray) is { } shown)
            {
                nodes.Add(shown);
            }
        }

        if (nodes.Count == 0)
        {
            return output.Fail(new Refusal(
                $"plugin {id}", "a plugin that is installed or loaded", "none of that id",
                "storageos plugin list names them"));
        }

        if (output.Json)
        {
            Output.Write(new JsonObject { ["ok"] = true, ["nodes"] = nodes });
        }
        else
        {
            foreach (JsonNode? node in nodes)
            {
                Say(output, node!.AsObject(), "");
            }
        }

        return ExitCode.Good;
    }

    private static JsonObject? Of(PairLayout pair, string name, string id, JsonArray? running)
    {
        PluginRow[] rows = [.. NodeStore.RowsOf(pair, name, running).Where(row => row.Id == id)];
        if (rows.Length == 0)
        {
            return null;
        }

        JsonObject shown = new() { ["node"] = name };
        foreach (PluginRow row in rows)
        {
            shown[$"version {row.Version}"] = row.Reason.Length == 0
                ? row.Standing : $"{row.Standing}: {row.Reason}";
        }

        shown["source"] = rows[0].Source;
        if (pair.IsLocal)
        {
            NodeStore node = NodeStore.Open(pair, name);
            if (node.Store.Read().FirstOrDefault(record => record.Id == id) is { } record)
            {
                Add(shown, node, record);
            }
        }

        return shown;
    }

    private static void Add(JsonObject shown, NodeStore node, StoreRecord record)
    {
        if (record.Entry is { } entry)
        {
            shown["last change"] = $"{entry.Reason}, {entry.Changed.UtcDateTime:O}";
            shown["enabled"] = entry.Enabled;
            shown["disabled why"] = entry.DisabledWhy;
            shown["failures"] = new JsonArray([.. entry.Failures.Select(
                static failure => (JsonNode)$"{failure.At.UtcDateTime:O} {failure.Why}")]);
        }

        if (record.IsInstalled && node.Look(record).Manifest is { } manifest)
        {
            shown["folder"] = manifest.Folder;
            shown["kind"] = $"{manifest.Kind}".ToLowerInvariant();
            shown["maturity"] = $"{manifest.Maturity}".ToLowerInvariant();
            shown["signature"] = $"{manifest.Signature}".ToLowerInvariant();
            shown["needs restart"] = manifest.NeedsRestart;
            shown["critical"] = manifest.Critical;
            shown["memory at most"] = manifest.Limits.MemoryBytes;
            shown["ports at most"] = manifest.Limits.Ports;
            shown["operations in flight at most"] = manifest.Limits.Posts;
            shown["lines of log a minute at most"] = manifest.Limits.LogLines;
            shown["heap at most"] = manifest.Limits.HeapBytes;
            shown["provides"] = Names(manifest.Provides);
            shown["requires"] = Names(manifest.Requires);
            shown["may"] = new JsonArray([.. manifest.Capabilities.Select(
                static one => (JsonNode)$"{one}".ToLowerInvariant())]);
            shown["settings"] = new JsonArray([.. manifest.Settings.Properties.Keys.Select(
                static key => (JsonNode)key)]);
        }
    }

    private static JsonArray Names(IReadOnlyList<Type> services) =>
        [.. services.Select(static service => (JsonNode)service.Name)];

    private static void Say(Output output, JsonObject node, string indent)
    {
        foreach ((string key, JsonNode? value) in node)
        {
            string text = value is JsonArray list
                ? string.Join(", ", list.Select(static item => $"{item}")) : $"{value}";
            if (text.Length > 0)
            {
                output.Say($"{indent}{key}: {text}");
            }
        }

        output.Say("");
    }
}
