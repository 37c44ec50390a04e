using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Plugins;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// Nodes that boot with a store: what is loaded, what is not, and what they say of it.
/// </summary>
public sealed class InstalledPluginTests : IDisposable
{
    private const string Id = "acme.good";
    private readonly StoreBench bench = new(Id);

    public InstalledPluginTests() => PluginBuilder.PutTransport(Folder.File("plugins"));

    private TestFolder Folder => bench.Folder;

    private PluginStore Store => bench.Store;

    public void Dispose() => bench.Dispose();

    [Fact]
    public async Task What_is_installed_is_loaded_at_the_next_start_and_can_be_rolled_back()
    {
        Install(Bundle("1.0.0"));
        Assert.Equal("1.0.0 active", await StandingsAsync());
        Upgrade(Bundle("1.1.0"));
        Assert.Equal("1.1.0 active, 1.0.0 superseded", await StandingsAsync());
        _ = Store.Change(Id, static (entry, now) => entry.RollBack(now));
        Assert.Equal("1.0.0 active, 1.1.0 superseded", await StandingsAsync());
        _ = Store.Change(Id, static (entry, now) => entry.Disable("too loud", now));
        Assert.Equal("1.0.0 disabled, 1.1.0 superseded", await StandingsAsync());
        _ = Store.Change(Id, static (entry, now) => entry.Enable(now));
        Assert.Equal("1.0.0 active, 1.1.0 superseded", await StandingsAsync());
        _ = Store.Change(Id, static (entry, now) => entry.Remove(now));
        Assert.Equal("", await StandingsAsync());
        Assert.False(Directory.Exists(Folder.File($"data/plugins/{Id}")));
    }

    [Fact]
    public async Task What_is_changed_while_the_node_runs_waits_for_its_restart()
    {
        Install(Bundle("1.0.0"));
        await using (Node node = await BootAsync())
        {
            Upgrade(Bundle("1.1.0"));
            Assert.Equal("1.0.0 active, 1.1.0 restart pending", Shown(await RowsAsync()));
            _ = Store.Change(Id, static (entry, now) => entry.RollBack(now));
            Assert.Equal("1.0.0 active, 1.1.0 superseded", Shown(await RowsAsync()));
            _ = Store.Change(Id, static (entry, now) => entry.Disable("why", now));
            PluginRow row = (await RowsAsync())[0];
            Assert.Equal("restart pending", row.Standing);
            Assert.StartsWith("disabled by an operator: why", row.Reason);
            _ = Store.Change(Id, static (entry, now) => entry.Remove(now));
            Assert.Equal("1.0.0 restart pending", Shown(await RowsAsync()));
            Install(Bundle("2.0.0", "acme.other"));
            Assert.Equal(
                "2.0.0 restart pending", Shown(await RowsAsync("acme.other"), "acme.other"));
        }

        await using Node next = await BootAsync();
        Assert.Equal("", Shown(await RowsAsync()));
        Assert.Equal("2.0.0 active", Shown(await RowsAsync("acme.other"), "acme.other"));
    }

    [Fact]
    public void Of_a_node_that_does_not_run_the_store_says_what_it_would_load()
    {
        Install(Bundle("1.0.0"));
        Upgrade(Bundle("1.1.0"));
        Assert.Equal("1.1.0 installed, 1.0.0 superseded", Shown(Rows(null)));
        File.WriteAllText(Folder.File($"data/plugins/{Id}/1.1.0/{Id}.dll"), "rubbish");
        Assert.Equal("1.1.0 modified, 1.0.0 superseded", Shown(Rows(null)));
    }

    [Fact]
    public async Task A_changed_file_of_what_is_installed_is_found_before_it_is_loaded()
    {
        Install(Bundle("1.0.0"));
        File.AppendAllText(Folder.File($"data/plugins/{Id}/1.0.0/{Id}.dll"), "x");
        await ExpectAsync("modified", $"plugin {Id}, file {Id}.dll: expected the SHA-256 ");
    }

    [Fact]
    public async Task Another_plugin_in_the_place_of_what_is_installed_is_not_loaded()
    {
        Install(Bundle("1.0.0"));
        string place = Folder.File($"data/plugins/{Id}/1.0.0");
        Directory.Delete(place, recursive: true);
        Install(Bundle("1.0.0", "acme.other"));
        Directory.Move(Folder.File("data/plugins/acme.other/1.0.0"), place);
        await ExpectAsync("modified", $"expected version 1.0.0 of {Id}");
    }

    [Fact]
    public async Task A_signature_is_required_of_what_is_installed_when_the_node_says_so()
    {
        const string Required = ", \"trust\": \"trust\", \"requireSigned\": true";
        string bundle = Bundle("1.0.0");
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Directory.CreateDirectory(Folder.File("trust"));
        SignAll(key);
        BundleWriter.AddSignature(bundle, manifest => PluginSignature.Make(key, manifest));
        Install(bundle);
        await ExpectAsync("active", "", Required);

        File.Delete(Folder.File("trust/maker.pem"));
        SignAll(ECDsa.Create(ECCurve.NamedCurves.nistP256));
        await ExpectAsync("unsigned", "one by the unknown key", Required);
        File.Delete(Folder.File($"data/plugins/{Id}/1.0.0/plugin.sig"));
        await ExpectAsync("unsigned", "found no signature", Required);

        // The transport lies in a folder of the configuration: the rule is for it, too.
        void SignAll(ECDsa with)
        {
            File.WriteAllText(Folder.File("trust/maker.pem"), with.ExportSubjectPublicKeyInfoPem());
            string packed = BundleWriter.Pack(Folder.File("plugins/silent"), Folder.Path);
            BundleWriter.AddSignature(packed, manifest => PluginSignature.Make(with, manifest));
            Directory.Delete(Folder.File("plugins/silent"), recursive: true);
            Directory.CreateDirectory(Folder.File("plugins/silent"));
            Assert.Null(BundleReader.TryExtract(packed, Folder.File("plugins/silent")));
        }
    }

    [Fact]
    public async Task A_plugin_for_a_newer_contract_is_not_supported()
    {
        PluginBuilder.Put(Folder.File("plugins"), Id, PluginBuilder.ClientPlugin("good"));
        string file = Folder.File($"plugins/{Id}/plugin.json");
        File.WriteAllText(
            file, File.ReadAllText(file).Replace("\"min\": \"0.1\", \"max\": \"0.1\"",
                "\"min\": \"7.0\", \"max\": \"7.9\""));
        await ExpectAsync("not supported", "expected a range that meets this kernel's, 0.1 to 0.2, found 7");
    }

    [Theory]
    [InlineData("\"memory\": 4096", "[], [new RegionNeed(\"r\", 4096, RemoteAccess.Read)]", "active")]
    [InlineData("\"memory\": \"4K\"", "[], [new RegionNeed(\"r\", 8192, RemoteAccess.Read)]",
        "at most 4096 bytes of memory, its manifest's limit, found 8192")]
    [InlineData("\"ports\": 1", "[new PortNeed(\"p\", 1)], []", "active")]
    [InlineData("\"ports\": 0", "[new PortNeed(\"p\", 1)], []",
        "at most 0 ports, its manifest's limit, found 1")]
    [InlineData("\"posts\": 8", "[new PortNeed(\"p\", 4), new PortNeed(\"q\", 4)], []", "active")]
    [InlineData("\"posts\": 8", "[new PortNeed(\"p\", 5), new PortNeed(\"q\", 4)], []",
        "at most 8 operations in flight, its manifest's limit, found 9")]
    public async Task Needs_over_the_limits_of_the_manifest_refuse_the_plugin(
        string limits, string needs, string said)
    {
        PluginBuilder.Put(
            Folder.File("plugins"), Id,
            PluginBuilder.ClientPlugin("good").Replace("[], [])", $"{needs})"),
            more: $", \"limits\": {{ {limits} }}");
        bool good = said == "active";
        await ExpectAsync(good ? "active" : "refused", good ? "" : said);
    }

    [Theory]
    [InlineData("{ \"count\": 3 }", "active", "")]
    [InlineData("{ \"count\": \"three\" }", "refused",
        "configuration, key plugins:settings:acme.good:count: expected a whole number")]
    [InlineData("{ }", "refused", "key plugins:settings:acme.good:count")]
    public async Task Settings_that_do_not_fit_the_manifest_refuse_the_plugin_by_their_key(
        string settings, string standing, string said)
    {
        PluginBuilder.Put(
            Folder.File("plugins"), Id, PluginBuilder.ClientPlugin("good"), more: """
            , "settings": { "type": "object", "required": ["count"],
                            "properties": { "count": { "type": "integer" } } }
            """);
        await ExpectAsync(standing, said, $$""", "settings": { "{{Id}}": {{settings}} }""");
    }

    [Fact]
    [Raises("plugin-malfunctioned")]
    public async Task A_plugin_that_fails_three_times_in_five_minutes_is_left_alone_until_enabled()
    {
        PluginBuilder.Put(Folder.File("sources"), Id, PluginBuilder.ClientPlugin(
            "good", "throw new InvalidOperationException(\"broken\");"));
        Install(BundleWriter.Pack(Folder.File($"sources/{Id}"), Folder.Path));
        for (int boot = 1; boot <= 3; boot++)
        {
            await using (Node node = await BootAsync())
            {
                Assert.Equal("failed", boot < 3 ? (await RowsAsync())[0].Standing : "failed");
            }

            // What was noted is on the disk when the node has stopped.
            Assert.Equal(boot < 3 ? boot : 3, Store.Read().Single().Entry!.Failures.Count);
        }

        await ExpectAsync("malfunctioned", "3 failures within 5 minutes");
        Assert.DoesNotContain("admit good", bench.Manager.Calls.Skip(bench.Manager.Calls.Count - 4));
        _ = Store.Change(Id, static (entry, now) => entry.Enable(now));
        await ExpectAsync("failed", "InvalidOperationException: broken");
    }

    [Fact]
    public async Task A_plugin_of_a_directory_that_malfunctioned_is_left_alone_as_well()
    {
        PluginBuilder.Put(Folder.File("plugins"), Id, PluginBuilder.ClientPlugin("good"));
        for (int count = 0; count < 3; count++)
        {
            _ = Store.Change(Id, static (entry, now) => entry.Fail("boom", now));
        }

        await ExpectAsync("malfunctioned", "boom");
        _ = Store.Change(Id, static (entry, now) => entry.Enable(now));
        await ExpectAsync("active", "");
    }

    [Fact]
    public async Task Another_version_in_the_directory_is_not_left_alone_for_what_the_old_one_did()
    {
        PluginBuilder.Put(Folder.File("plugins"), Id, PluginBuilder.ClientPlugin("good"));
        for (int count = 0; count < 3; count++)
        {
            _ = Store.Change(Id, static (entry, now) => entry.Fail("boom", now, "1.0.0"));
        }

        await ExpectAsync("malfunctioned", "boom");
        PluginBuilder.Put(
            Folder.File("plugins"), Id, PluginBuilder.ClientPlugin("good"), version: "1.1.0");
        await ExpectAsync("active", "");
    }

    [Fact]
    public async Task What_is_installed_is_loaded_beside_the_clients_that_are_named()
    {
        PluginBuilder.Put(Folder.File("plugins"), "named", PluginBuilder.ClientPlugin("named"));
        PluginBuilder.Put(Folder.File("plugins"), "other", PluginBuilder.ClientPlugin("other"));
        Install(Bundle("1.0.0"));
        await using Node node = await BootAsync(", \"clients\": [\"named\"]");
        Assert.Equal(
            ["acme.good", "named"],
            node.Modules.Where(module => module.State == ModuleState.Running
                && module.Kind == PluginKind.Client).Select(module => module.Id).Order());
    }

    [Theory]
    [InlineData(", \"clients\": [\"named\"]", "NotChosen")]
    [InlineData(", \"clients\": [\"named\", \"acme.witness\"]", "Running")]
    [InlineData(
        ", \"clients\": [\"named\"], \"settings\": { \"acme.witness\": { \"at\": 1 } }", "Running")]
    [InlineData("", "Running")]
    public async Task An_installed_witness_that_nothing_asks_for_is_left_alone(
        string more, string state)
    {
        PluginBuilder.Put(Folder.File("plugins"), "named", PluginBuilder.ClientPlugin("named"));
        PluginBuilder.PutWitness(Folder.File("sources"), "acme.witness");
        Install(BundleWriter.Pack(Folder.File("sources/acme.witness"), Folder.Path));
        await using Node node = await BootAsync(more);
        Assert.Equal(state, $"{node.Modules.Single(static m => m.Id == "acme.witness").State}");
    }

    [Fact]
    public async Task An_installed_plugin_takes_no_place_of_one_in_a_directory()
    {
        PluginBuilder.Put(Folder.File("plugins"), Id, PluginBuilder.ClientPlugin("good"));
        Install(Bundle("9.0.0"));
        await using Node node = await BootAsync();
        Module[] both = [.. node.Modules.Where(
            module => module.Id.StartsWith(Id, StringComparison.Ordinal))];
        Assert.Equal("1.0.0", both.Single(m => m.State == ModuleState.Running).Manifest!.Version);
        Assert.Contains("an id of its own", both.Single(
            module => module.State == ModuleState.Refused).Standing.Reason);
    }

    [Theory]
    [InlineData("rubbish")]
    [InlineData("{}")]
    [InlineData("""{"id":"other"}""")]
    public async Task A_state_that_cannot_be_read_costs_its_plugin_and_nobody_else(string text)
    {
        Install(Bundle("1.0.0"));
        Install(Bundle("1.0.0", "acme.other"));
        File.WriteAllText(Folder.File($"data/plugins/{Id}/state.json"), text);
        await ExpectAsync("refused", "expected what storageos plugin wrote");
        await using Node node = await BootAsync();
        Assert.Equal("1.0.0 active", Shown(await RowsAsync("acme.other"), "acme.other"));
    }

    private string Bundle(string version, string id = Id) => bench.Bundle(version, of: id);

    private void Install(string bundle) => bench.Install(bundle);

    private void Upgrade(string bundle) => bench.Upgrade(bundle);

    /// <summary>Boots a node and says how the plugin's versions stand.</summary>
    private async Task<string> StandingsAsync()
    {
        await using Node node = await BootAsync();
        return Shown(await RowsAsync());
    }

    private async Task ExpectAsync(string standing, string reason, string more = "")
    {
        await using Node node = await BootAsync(more);
        PluginRow row = (await RowsAsync()).First(row => row.Id == Id);
        Assert.True(row.Standing == standing, $"{row.Standing}: {row.Reason}");
        Assert.Contains(reason, row.Reason, StringComparison.Ordinal);
    }

    private static string Shown(IReadOnlyList<PluginRow> rows, string id = Id) =>
        string.Join(", ", rows.Where(row => row.Id == id)
            .Select(row => $"{row.Version} {row.Standing}"));

    /// <summary>The rows of <c>plugin list</c>, with those of one plugin first.</summary>
    private async Task<IReadOnlyList<PluginRow>> RowsAsync(string id = Id)
    {
        JsonArray plugins = await bench.PluginsAsync();
        return [.. Rows(plugins).OrderBy(row => row.Id == id ? 0 : 1)];
    }

    private IReadOnlyList<PluginRow> Rows(JsonArray? running) => PluginView.Of(
        running, Store.Read(), static record =>
        {
            PluginInspection found = PluginInspection.Of(
                record.Folder, PluginTrust.Anybody, PluginOrigin.Store);
            return record.Judge(new PluginCandidate(found.Name, found.Manifest, found.Error));
        });

    private Task<Node> BootAsync(string more = "") => bench.BootAsync(more);
}
