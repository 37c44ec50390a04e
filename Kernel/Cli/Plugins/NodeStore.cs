using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Cli.Plugins;

/// <summary>The store of one node of a pair on this machine, as its configuration has it.</summary>
internal sealed class NodeStore
{
    private readonly string dataDirectory;

    private NodeStore(string name, NodeSettings settings)
    {
        (Name, Settings) = (name, settings.Plugins);
        (dataDirectory, Transport) = (settings.Node.DataDirectory, settings.Transport.Name);
        Store = new PluginStore(Settings.Store, TimeProvider.System) { IsInUse = () => Runs };
        Trust = PluginTrust.Of(Settings, out IReadOnlyList<Refusal> refusals);
        KeyRefusals = refusals;
    }

    /// <summary>The node's name.</summary>
    internal string Name { get; }

    /// <summary>Whether it runs now.</summary>
    internal bool Runs => DataLock.IsHeld(dataDirectory);

    /// <summary>Id of the transport that its configuration chooses.</summary>
    internal string Transport { get; }

    /// <summary>Its configuration of plugins.</summary>
    internal PluginSettings Settings { get; }

    /// <summary>Its store.</summary>
    internal PluginStore Store { get; }

    /// <summary>Whom it trusts.</summary>
    internal PluginTrust Trust { get; }

    /// <summary>Files of its trust directory that are no keys.</summary>
    internal IReadOnlyList<Refusal> KeyRefusals { get; }

    /// <summary>Opens a node's store.</summary>
    /// <exception cref="RefusedException">
    /// It is elsewhere, or its configuration is wrong.
    /// </exception>
    internal static NodeStore Open(PairLayout pair, string name)
    {
        if (!pair.IsLocal)
        {
            throw new RefusedException(new Refusal(
                $"plugin store of {name}", "a node of this machine", "a node elsewhere",
                "run storageos plugin where its disk is"));
        }

        IReadOnlyList<Refusal> refusals =
            NodeConfiguration.Load(pair.Config(name), [], out NodeSettings? settings);
        return settings is null
            ? throw new RefusedException(refusals[0])
            : new NodeStore(name, settings);
    }

    /// <summary>
    /// How a node's plugins stand, by its own word and by its store where that is of this machine.
    /// </summary>
    internal static IReadOnlyList<PluginRow> RowsOf(
        PairLayout pair, string name, JsonArray? running)
    {
        try
        {
            NodeStore node = Open(pair, name);
            return PluginView.Of(running, node.Store.Read(), node.Look);
        }
        catch (RefusedException)
        {
            // A guest, or a configuration that says no more where the store is: the node's word.
            return PluginView.Of(running, [], static _ => new PluginCandidate("", null, null));
        }
    }

    /// <summary>What a node would make of a plugin's current version if it started now.</summary>
    internal PluginCandidate Look(StoreRecord record)
    {
        PluginInspection found = PluginInspection.Of(record.Folder, Trust, PluginOrigin.Store);
        return record.Judge(new PluginCandidate(found.Name, found.Manifest, found.Error));
    }
}
