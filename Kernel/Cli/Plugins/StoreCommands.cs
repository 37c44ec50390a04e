using System.CommandLine;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Schema;
using StorageOs.Kernel.Hosting.Store;
using StorageOs.Kernel.Management;

namespace StorageOs.Kernel.Cli.Plugins;

/// <summary>
/// Commands that change the stores of a pair's nodes, one node after the other. They work on files,
/// so the nodes may run or not; one that runs is asked to follow.
/// </summary>
internal static class StoreCommands
{
    private delegate StoreEntry BundleStep(
        StoreEntry entry, PluginManifest manifest, DateTimeOffset now);

    internal static IEnumerable<Command> Make() =>
    [
        OfBundle(
            "install", "Installs a plugin out of a bundle.",
            static (entry, manifest, now) => entry.Install(manifest.Version, now)),
        OfBundle(
            "upgrade", "Puts another version of an installed plugin in its place.",
            static (entry, manifest, now) => entry.Upgrade(manifest.Version, now)),
        OfId(
            "enable", "Has a plugin loaded again that was disabled or has malfunctioned.",
            static (entry, _, now) => entry.Enable(now)),
        OfId(
            "disable", "Has a plugin not loaded any more.",
            static (entry, why, now) => entry.Disable(why, now), takesReason: true),
        OfId(
            "rollback", "Goes back to the version before the last upgrade.",
            static (entry, _, now) => entry.RollBack(now)),
        OfId(
            "remove", "Removes all versions of a plugin.",
            static (entry, _, now) => entry.Remove(now)),
        Show(),
    ];

    private static Command OfBundle(string name, string description, BundleStep step)
    {
        Argument<FileInfo> bundle = new("bundle")
        {
            Description = $"a file NAME.VERSION{BundleReader.Extension}",
        };
        Option<string?> directory = PairCommand.Directory();
        Option<string?> node = NodeOption();
        Command command = new(name, description) { bundle, directory, node };
        command.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed), PairLayout.At(parsed.GetValue(directory)), parsed.GetValue(node),
            store => Put(store, parsed.GetValue(bundle)!.FullName, step), cancellation));
        return command;
    }

    private static Command OfId(
        string name, string description,
        Func<StoreEntry, string?, DateTimeOffset, StoreEntry> step, bool takesReason = false)
    {
        Argument<string> id = new("id") { Description = "the plugin's id" };
        Option<string?> directory = PairCommand.Directory();
        Option<string?> node = NodeOption();
        Option<string?> reason = new("--reason") { Description = "why, for plugin list" };
        Command command = new(name, description) { id, directory, node };
        if (takesReason)
        {
            command.Add(reason);
        }

        command.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed), PairLayout.At(parsed.GetValue(directory)), parsed.GetValue(node),
            store => (
                store.Store.Change(parsed.GetValue(id)!, (entry, now) => step(
                    entry, takesReason ? parsed.GetValue(reason) : null, now)),
                []),
            cancellation));
        return command;
    }

    private static Command Show()
    {
        Argument<string> id = new("id") { Description = "the plugin's id" };
        Option<string?> directory = PairCommand.Directory();
        Option<string?> node = NodeOption();
        Command command = new("show", "Shows one plugin in full.") { id, directory, node };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return PluginShow.RunAsync(
                Output.Of(parsed), pair, Names(parsed.GetValue(node)), parsed.GetValue(id)!,
                cancellation);
        });
        return command;
    }

    /// <summary>The option for one node alone.</summary>
    private static Option<string?> NodeOption()
    {
        Option<string?> node = new("--node") { Description = "a or b; both when left out" };
        node.AcceptOnlyFromAmong([.. PairLayout.Names]);
        return node;
    }

    private static IReadOnlyList<string> Names(string? node) =>
        node is null ? PairLayout.Names : [node];

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, string? node,
        Func<NodeStore, (StoreEntry Entry, IReadOnlyList<Finding> Findings)> change,
        CancellationToken cancellation)
    {
        pair.Require();
        JsonArray done = [];
        Refusal? held = null;
        IReadOnlyList<Refusal> refusals = await EachNode.DoAsync(Names(node), async name =>
        {
            if (held is not null)
            {
                throw new RefusedException(held); // What one does not run its twin keeps away.
            }

            NodeStore store = NodeStore.Open(pair, name);
            (StoreEntry entry, IReadOnlyList<Finding> findings) = change(store);
            Following? following = store.Runs
                ? await Following.AskAsync(pair.Socket(name), entry.Id, null, cancellation)
                : null;
            done.Add(Tell(output, store, entry, findings, following));
            if (following is null)
            {
                store.Store.Prune(Limits.StoreLockTimeMax); // The change holds if this fails.
            }

            if (following?.ProblemOf(entry) is { } problem)
            {
                held = new Refusal(
                    $"plugin {entry.Id}", $"to be changed where {name} runs it", "left as it was",
                    $"correct it, or use --node {name}");
                throw new RefusedException(problem);
            }
        });
        JsonObject document = new() { ["ok"] = true, ["nodes"] = done };
        if (refusals.Count > 0)
        {
            return output.Fail(document, refusals);
        }

        if (output.Json)
        {
            Output.Write(document);
        }

        return ExitCode.Good;
    }

    private static (StoreEntry Entry, IReadOnlyList<Finding> Findings) Put(
        NodeStore node, string bundle, BundleStep step)
    {
        IReadOnlyList<Finding> findings = node.Store.Put(
            bundle, node.Trust,
            (entry, manifest, now) =>
            {
                RequireFree(node, manifest);
                return step(entry, manifest, now);
            },
            out StoreEntry? entry, out PluginManifest? manifest);
        if (entry is null)
        {
            throw new RefusedException(findings.First(static finding => finding.IsError).Refusal);
        }

        IEnumerable<Finding> lacks = SettingsCheck
            .Of(manifest!.Settings, node.Settings.Settings.GetSection(manifest.Id))
            .Select(static refusal => new Finding(FindingKind.Warning, refusal));
        return (entry, [.. findings, .. lacks]);
    }

    // An installed plugin takes no place of one that the configuration names: the node would refuse
    // it when it starts, and this is the better moment to say so.
    private static void RequireFree(NodeStore node, PluginManifest manifest)
    {
        IReadOnlyList<PluginCandidate> named = PluginCatalog.Find(node.Settings.Directories);
        int others = named.Count + node.Store.Read().Count(
            record => record.IsInstalled && record.Id != manifest.Id);
        if (others >= Limits.PluginsMax)
        {
            throw new RefusedException(new Refusal(
                $"plugin {manifest.Id}",
                $"at most {Limits.PluginsMax} plugins of {node.Name}, those of"
                + " plugins.directories among them", "one more",
                "storageos plugin remove one that is not needed"));
        }

        if (named.FirstOrDefault(other => other.Name == manifest.Id) is { } taken)
        {
            throw new RefusedException(new Refusal(
                $"plugin {manifest.Id}", "an id of its own",
                $"another of that id in {taken.Manifest?.Folder ?? "plugins.directories"}"));
        }
    }

    private static IEnumerable<Refusal> MissingTransport(NodeStore node, StoreEntry entry) =>
        entry.Id != node.Transport || entry.Wanted is not null ? [] :
        [
            new Refusal(
                $"transport {entry.Id}", $"to be loaded, for {node.Name} boots with no other",
                entry.Reason, "name another one in transport.name, or take this step back"),
        ];

    private static JsonObject Tell(
        Output output, NodeStore node, StoreEntry entry, IReadOnlyList<Finding> findings,
        Following? following)
    {
        string now = following?.Said(node.Name, entry.Reason) ?? $"{node.Name} does not run";
        output.Say($"{node.Name}: {entry.Id}: {entry.Reason}; {now}");
        IReadOnlyList<Refusal> warnings =
        [
            .. findings.Select(static finding => finding.Refusal), .. node.KeyRefusals,
            .. MissingTransport(node, entry),
        ];
        foreach (Refusal warning in warnings)
        {
            output.Say($"{node.Name}: warning: {warning}");
        }

        return new JsonObject
        {
            ["name"] = node.Name,
            ["running"] = following is not null,
            ["id"] = entry.Id,
            ["current"] = entry.Current,
            ["previous"] = entry.Previous,
            ["enabled"] = entry.Enabled,
            ["reason"] = entry.Reason,
            ["standing"] = following?.Standing,
            ["restartPending"] = following?.Waits is not null,
            ["waits"] = following?.Waits,
            ["warnings"] = new JsonArray(
                [.. warnings.Select(static warning => (JsonNode)StatusDocument.Of(warning)!)]),
        };
    }
}
