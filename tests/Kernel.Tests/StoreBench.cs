using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// A folder of one test with a plugin store in it, and nodes that are booted there around a fake
/// manager. <paramref name="id"/> is the plugin that a test is about.
/// </summary>
internal sealed class StoreBench(string id) : IDisposable
{
    internal static readonly TimeSpan Soon = TimeSpan.FromSeconds(15);

    internal TestFolder Folder { get; } = new();

    internal FakeManager Manager { get; } = new();

    internal PluginStore Store => new(Folder.File("data/plugins"), TimeProvider.System);

    /// <summary>Packs a client plugin; of a few lines that do nothing when none are given.</summary>
    internal string Bundle(
        string version, string? source = null, string? of = null, string more = "",
        string? reactor = null)
    {
        string name = of ?? id;
        PluginBuilder.Put(
            Folder.File("sources"), name, source ?? PluginBuilder.ClientPlugin(name), more: more,
            reactor: reactor, version: version);
        return BundleWriter.Pack(Folder.File($"sources/{name}"), Folder.Path);
    }

    internal void Install(string bundle) => Put(
        bundle, static (entry, manifest, now) => entry.Install(manifest.Version, now));

    internal void Upgrade(string bundle) => Put(
        bundle, static (entry, manifest, now) => entry.Upgrade(manifest.Version, now));

    internal void Change(Func<StoreEntry, DateTimeOffset, StoreEntry> step, string? of = null) =>
        _ = Store.Change(of ?? id, step);

    /// <summary>The node's configuration, with <paramref name="more"/> said of its plugins.</summary>
    internal string Configure(string more = "") =>
        Folder.Configuration($$"""{ "directories": ["plugins"] {{more}} }""");

    internal async Task<Node> BootAsync(string more = "")
    {
        Assert.Empty(NodeConfiguration.Load(Configure(more), [], out NodeSettings? settings));
        Node node = await Node.BootAsync(settings!, Manager, NullLoggerFactory.Instance);
        await node.Serving.WaitAsync(Soon);
        return node;
    }

    internal async Task<JsonNode> AskAsync(
        string command, JsonObject? arguments = null, TimeSpan? limit = null) =>
        (await NodeClient.AskAsync(
            Folder.File("manage.sock"), command, arguments, limit ?? Soon, default))!;

    internal async Task<JsonArray> PluginsAsync() => (JsonArray)await AskAsync("plugins");

    /// <summary>Has the node follow its store in a plugin, however long that takes.</summary>
    internal Task<JsonNode> FollowAsync(string? of = null) => AskAsync(
        "follow", new JsonObject { ["id"] = of ?? id }, TimeSpan.FromMinutes(1));

    /// <summary>The plugin as a node that follows has answered.</summary>
    internal static string Shown(JsonNode answer) =>
        $"{answer["plugin"]!["version"]} {answer["plugin"]!["standing"]}";

    public void Dispose() => Folder.Dispose();

    private void Put(
        string bundle, Func<StoreEntry, PluginManifest, DateTimeOffset, StoreEntry> step) =>
        Assert.DoesNotContain(
            Store.Put(bundle, PluginTrust.Anybody, step, out _, out _),
            static finding => finding.IsError);
}
