using System.Text.Json.Nodes;
using StorageOs.Kernel.Tests;
using StorageOs.Pair.Tests;
using Xunit.Abstractions;

namespace StorageOs.Skew.Tests;

/// <summary>
/// Pairs of real processes of the previous version and of today's, mixed in each way that an upgrade
/// mixes them. docs/PLUGINS.md has what comes of it as a table.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class MatrixTests(ITestOutputHelper output)
{
    private const string Words = "[new PortNeed(\"words\", 1)]";

    [Fact]
    public async Task Plugins_of_todays_version_say_to_the_previous_kernel_what_they_need()
    {
        await using PairRun pair = new();
        pair.Make();
        Boot(pair, "a", "previous", "today");
        // Named by their folders: nothing else of such a manifest is believed.
        foreach (string id in new[] { "NvramMirror", "Volumes", "FailoverMonitor", "NbdExport" })
        {
            await PairRun.UntilAsync(
                () => Standing(pair, "a", id).Contains("found 0.2 to 0.2; it needs a newer kernel"),
                $"{id} is refused: {Standing(pair, "a", id)}");
        }

        // What needs nothing new runs there.
        Assert.StartsWith("Running", Standing(pair, "a", "loopback"));
        Assert.StartsWith("Running", Standing(pair, "a", "witness-file"));
    }

    [Fact]
    public async Task Plugins_of_the_previous_version_run_on_todays_kernel()
    {
        const string kernel = "today", plugins = "previous";
        await using PairRun pair = new();
        pair.Make();
        Boot(pair, "a", kernel, plugins);
        Boot(pair, "b", kernel, plugins);
        await pair.InSyncAsync();
        Assert.Equal(Release.Of(plugins).Version, Version(pair, "a"));
        string file = pair.WriteBytes(8 << 20);
        pair.Compare(file);

        // From the other node's memory, too.
        await pair.KillAsync("a");
        await AloneAsync(pair, "b");
        pair.Compare(file);
        Boot(pair, "a", kernel, plugins);
        await pair.InSyncAsync();
    }

    [Theory]
    [InlineData("b", "a")]
    [InlineData("a", "b")]
    public async Task A_pair_is_upgraded_one_node_after_the_other_under_load_and_loses_nothing(
        string first, string second)
    {
        await using PairRun pair = new();
        pair.Make();
        Boot(pair, first, "previous", "previous");
        Boot(pair, second, "previous", "previous");
        await pair.InSyncAsync();
        SteadyWriter writer = new(pair.Port);
        using CancellationTokenSource stop = new();
        Task load = writer.RunAsync(stop.Token);
        await RestartAsync(pair, first, "today");
        Assert.NotEqual(Version(pair, first), Version(pair, second));

        // The two versions move groups to and from each other, and take over from each other.
        foreach (string to in Order(pair))
        {
            await PairRun.UntilAsync(
                () => pair.Ask("takeover", "--node", to, "--group", "0").Code == 0,
                $"{to} takes group 0 over");
            await pair.InSyncAsync();
        }

        foreach (string to in Order(pair))
        {
            string killed = Other(to);
            await pair.KillAsync(killed);
            await AloneAsync(pair, to);
            string version = killed == first ? "today" : "previous";
            Boot(pair, killed, version, version);
            await pair.InSyncAsync();
        }

        await RestartAsync(pair, second, "today");
        Assert.Equal(Version(pair, first), Version(pair, second));
        stop.Cancel();
        await load;
        output.WriteLine(
            $"{writer.Answers} writes answered, longest pause {writer.LongestPause}");
        Assert.Empty(writer.Errors);
        Assert.True(writer.Answers > 100, $"{writer.Answers} answered");
        Assert.Empty(await writer.WrongAsync());
        Assert.Equal(0, pair.Ask("status").Code);
    }

    [Fact]
    public async Task One_command_upgrades_a_pair_of_the_previous_version()
    {
        await using PairRun pair = new();
        pair.Make();
        Boot(pair, "a", "previous", "previous");
        Boot(pair, "b", "previous", "previous");
        await pair.InSyncAsync();
        SteadyWriter writer = new(pair.Port);
        using CancellationTokenSource stop = new();
        Task load = writer.RunAsync(stop.Token);
        (int code, string said, string error) = pair.Ask(
            "upgrade", "--to", Path.Combine(PairRun.Root, "artifacts"));
        Assert.True(code == 0, said + error);
        Assert.Equal(Release.Today.Version, Version(pair, "a"));
        Assert.Equal(Release.Today.Version, Version(pair, "b"));
        Assert.Equal("a b", pair.Owners("a"));
        stop.Cancel();
        await load;
        output.WriteLine(
            $"{writer.Answers} writes answered, longest pause {writer.LongestPause}");
        Assert.Empty(writer.Errors);
        Assert.True(writer.Answers > 100, $"{writer.Answers} answered");
        Assert.Empty(await writer.WrongAsync());
        Assert.Equal(0, pair.Ask("status").Code);
    }

    [Theory]
    [InlineData("today")]
    [InlineData("previous")]
    public async Task Nodes_with_other_sets_work_on_what_both_have_and_say_why_the_rest_does_not(
        string partner)
    {
        await using PairRun pair = new();
        pair.Make();
        string ofA = pair.Plugins + "-a";
        string ofB = pair.Plugins + "-b";
        PluginBuilder.Put(ofA, "acme.lone", Speaker("lone", 1, 1));
        PluginBuilder.Put(ofA, "acme.near", Speaker("near", 1, 2));
        PluginBuilder.Put(ofA, "acme.far", Speaker("far", 1, 1));
        PluginBuilder.Put(ofB, "acme.near", Speaker("near", 2, 4), version: "3.0.0");
        PluginBuilder.Put(ofB, "acme.far", Speaker("far", 3, 4), version: "3.0.0");
        PutNewer(ofB);
        Boot(pair, "a", "today", "today", ofA);
        Boot(pair, "b", partner, partner, ofB);
        await pair.InSyncAsync();
        await PairRun.UntilAsync(
            () => new[] { "a", "b" }.All(
                node => pair.Log(node).Contains("near speaks version 2", StringComparison.Ordinal)),
            "both speak the highest version that both know");
        Assert.Equal("WaitingForTwin", pair.Client("a", "lone"));
        Assert.Equal(
            "client lone: expected one of this name on the partner, found none",
            Why(pair, "a", "lone"));
        Assert.Equal("WaitingForTwin", pair.Client("a", "far"));
        Assert.Equal(
            "client far: expected an interface version of 1, found 3 to 4 on the partner; install a "
            + "common version on both nodes",
            Why(pair, "a", "far"));
        Assert.Equal("WaitingForTwin", pair.Client("b", "far"));
        Assert.Contains("expected an interface version of 1, found 3 to 4", Shown(pair));
        if (partner == "today")
        {
            Assert.Equal(
                "client far: expected an interface version of 3 to 4, found 1 on the partner; "
                + "install a common version on both nodes",
                Why(pair, "b", "far"));
            Assert.Equal("WaitingForTwin", pair.Client("b", "newer"));
        }
        else
        {
            Assert.Equal(
                $"manifest {ofB}/acme.newer/plugin.json, key contracts: expected a range that holds "
                + "0.1, this kernel's, found 0.2 to 0.2; it needs a newer kernel",
                pair.Reason("b", "acme.newer"));
        }

        pair.Compare(pair.WriteBytes(1 << 20));
    }

    private static string Speaker(string name, int min, int max, string use = "") =>
        PluginBuilder.Entry("registry.Services.AddSingleton<IClient, TheClient>();") + $$"""
        public sealed class TheClient(ILogger<TheClient> log) : IClient
        {
            public ClientNeeds Needs { get; } =
                new("{{name}}", new VersionRange({{min}}, {{max}}), {{Words}}, []);
            public ValueTask StartAsync(IClientServices services, CancellationToken stopping) =>
                default;
            public void PartnerReady(ClientGrant grant)
            {
                log.LogInformation("{{name}} speaks version {Version}", grant.Version);
                {{use}}
            }
            public void PartnerLost(SessionId session, SessionEnd end) { }
            public ValueTask StopAsync(CancellationToken deadline) => default;
        }
        """;

    // It uses what came with contracts 0.2, and a key of manifests that came with them.
    private static void PutNewer(string directory)
    {
        PluginBuilder.Put(
            directory, "acme.newer",
            Speaker("newer", 1, 1, "log.LogInformation(\"{Meeting}\", grant.Meeting);"),
            more: ", \"isolation\": \"process\"");
        string file = Path.Combine(directory, "acme.newer", "plugin.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace("0.1", "0.2"));
    }

    /// <summary>Boots a node with a kernel and plugins, and more plugins of others.</summary>
    private static void Boot(
        PairRun pair, string node, string kernel, string plugins, params string[] more)
    {
        string[] folders = [Release.Of(plugins).Plugins, .. more];
        pair.Configure(node, settings => settings["plugins"]!["directories"] =
            new JsonArray([.. folders.Select(static folder => JsonValue.Create(folder))]));
        _ = pair.Boot(node, Release.Of(kernel).Kernel);
    }

    private static async Task RestartAsync(PairRun pair, string node, string version)
    {
        (int code, string said, string error) = pair.Ask("stop", node);
        Assert.True(code == 0, said + error);
        await AloneAsync(pair, Other(node));
        Boot(pair, node, version, version);
        await pair.InSyncAsync();
    }

    private static Task AloneAsync(PairRun pair, string node) => PairRun.UntilAsync(
        () => $"{pair.Volume(node)["state"]}" == "alone", $"{node} serves alone");

    private static string Other(string node) => node == "a" ? "b" : "a";

    /// <summary>Where group 0 is not, and then where it was.</summary>
    private static string[] Order(PairRun pair) =>
        $"{pair.Volume("a")["owner"]}" == "a" ? ["b", "a"] : ["a", "b"];

    private static string Version(PairRun pair, string node) => $"{pair.Node(node)["plugins"]!
        .AsArray().Single(plugin => $"{plugin!["id"]}" == "volumes")!["version"]}";

    private static string Standing(PairRun pair, string node, string plugin) =>
        (pair.Node(node)["plugins"] as JsonArray)?
            .Where(one => $"{one!["id"]}" == plugin)
            .Select(one => $"{one!["state"]} {one["reason"]}").FirstOrDefault() ?? "";

    /// <summary>What an operator sees, as one line.</summary>
    private static string Shown(PairRun pair) => string.Join(
        ' ', pair.Ask("status").Out.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    private static string Why(PairRun pair, string node, string client) =>
        $"{pair.Node(node)["clients"]!.AsArray()
            .Single(each => $"{each!["name"]}" == client)!["reason"]}";
}
