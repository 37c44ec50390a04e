using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using StorageOs.Kernel.Tests;

namespace StorageOs.Pair.Tests;

/// <summary>A plugin's life in the stores of a running pair, as an operator leads it.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class InstalledPluginPairTests
{
    private const string Id = "acme.greeter";

    [Fact]
    public async Task A_plugin_comes_changes_and_goes_while_the_pair_runs_and_its_session_stays()
    {
        await using PairRun pair = new();
        string first = Bundle(pair, "1.0.0");
        string second = Bundle(pair, "1.1.0");
        pair.Start();
        await pair.InSyncAsync();
        string session = Sessions(pair);
        Assert.NotEqual(", ", session);
        Task<(int Code, string Out, string Error)> load = Task.Run(() => PairRun.Run(
            "fio", "--name=load", "--ioengine=nbd", $"--uri={pair.Uri}", "--rw=randwrite",
            "--bs=4k", "--size=32M", "--time_based", "--runtime=20"));

        Do(pair, "install", first);
        Assert.Equal("1.0.0 active", Standing(pair, "a"));
        Assert.Equal("1.0.0 active", Standing(pair, "b"));
        await HeardAsync(pair, 1);
        Do(pair, "upgrade", second);
        Assert.Equal("1.1.0 active, 1.0.0 superseded", Standing(pair, "b"));
        await HeardAsync(pair, 2);
        Do(pair, "rollback", Id);
        Assert.Equal("1.0.0 active, 1.1.0 superseded", Standing(pair, "a"));
        await HeardAsync(pair, 3);
        Do(pair, "disable", Id, "--reason", "too loud");
        Assert.Equal("1.0.0 disabled, 1.1.0 superseded", Standing(pair, "a"));
        Assert.Equal(0, pair.Ask("status").Code); // Nothing is lacking: that was decided.
        Do(pair, "enable", Id, "--node", "a");
        Assert.Equal("1.0.0 active, 1.1.0 superseded", Standing(pair, "a"));
        Assert.Equal("1.0.0 disabled, 1.1.0 superseded", Standing(pair, "b"));
        Do(pair, "remove", Id);
        Assert.Equal("", Standing(pair, "a"));

        var (code, output, error) = await load;
        Assert.True(code == 0, output + error);
        Assert.Equal(session, Sessions(pair));
        Assert.Equal(0, pair.Ask("status").Code);

        // Of a node that does not run, too; what is removed then leaves no file.
        Assert.Equal(0, pair.Ask("stop").Code);
        Do(pair, "install", first);
        Do(pair, "remove", Id);
        Assert.False(Directory.Exists(Path.Combine(pair.Folder, "a/data/plugins", Id)));
    }

    [Fact]
    public async Task A_file_that_was_changed_in_the_store_is_named_and_costs_its_plugin_alone()
    {
        await using PairRun pair = new();
        pair.Make();
        Do(pair, "install", Bundle(pair, "1.0.0"));
        string file = Path.Combine(pair.Folder, $"b/data/plugins/{Id}/1.0.0/acme.greeter.dll");
        File.WriteAllBytes(file, [.. File.ReadAllBytes(file), 0]);
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        Assert.Equal("1.0.0 active", Standing(pair, "a"));
        Assert.Equal("1.0.0 modified", Standing(pair, "b"));
        Assert.Contains("file acme.greeter.dll: expected the SHA-256", pair.Reason("b", Id));
        Assert.Contains("file acme.greeter.dll", pair.Ask("plugin", "list").Out);
    }

    /// <summary>The session that each node has, by its tag.</summary>
    private static string Sessions(PairRun pair) => string.Join(", ", new[] { "a", "b" }
        .Select(name => $"{pair.Node(name)["session"]?["id"]}"));

    /// <summary>Both nodes' plugins have spoken that often, across a port of their own.</summary>
    private static Task HeardAsync(PairRun pair, int times) => PairRun.UntilAsync(
        () => new[] { ("a", "b"), ("b", "a") }.All(one => Regex.Count(
            pair.Log(one.Item1), $"heard: hello from {one.Item2}") >= times),
        $"the twins have spoken {times} times");

    private static void Do(PairRun pair, string what, params string[] arguments)
    {
        var (code, output, error) = pair.Ask(["plugin", what, .. arguments]);
        Assert.True(code == 0, $"plugin {what}: exit {code}: {output}{error}");
    }

    private static string Standing(PairRun pair, string node)
    {
        JsonNode list = JsonNode.Parse(pair.Ask("plugin", "list", "-o", "json").Out)!;
        JsonNode its = list["nodes"]!.AsArray().Single(each => $"{each!["name"]}" == node)!;
        return string.Join(", ", its["standings"]!.AsArray()
            .Where(row => $"{row!["id"]}" == Id)
            .Select(row => $"{row!["version"]} {row["standing"]}"));
    }

    /// <summary>The sample with a name and version of its own.</summary>
    private static string Bundle(PairRun pair, string version)
    {
        string parent = Path.GetDirectoryName(pair.Folder)!;
        string made = Path.Combine(parent, $"greeter-{version}");
        string folder = Path.Combine(made, Id);
        PluginBuilder.Put(
            made, Id,
            File.ReadAllText(Path.Combine(PairRun.Root, "samples/Greeter/Greeter/Greeter.cs")),
            version: version);
        string manifest = Path.Combine(folder, "plugin.json");
        File.WriteAllText(manifest, File.ReadAllText(manifest)
            .Replace("\"Entry\"", "\"Greeter.GreeterPlugin\"", StringComparison.Ordinal));
        (int code, string output, string error) = PairRun.StorageOs(
            "plugin", "pack", folder, "--into", parent);
        Assert.True(code == 0, output + error);
        return Path.Combine(parent, $"{Id}.{version}.sosplugin");
    }
}
