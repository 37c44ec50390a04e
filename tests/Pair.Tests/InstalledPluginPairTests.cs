using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>A plugin's life in the stores of a running pair, as an operator leads it.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class InstalledPluginPairTests
{
    private const string Id = "acme.greeter";

    [Fact]
    public async Task A_plugin_is_installed_upgraded_rolled_back_and_removed_restart_by_restart()
    {
        await using PairRun pair = new();
        string first = Bundle(pair, "1.0.0");
        string second = Bundle(pair, "1.1.0");
        pair.Start();

        Do(pair, "install", first);
        Assert.Equal("1.0.0 restart pending", Standing(pair, "a"));
        await RestartAsync(pair, "1.0.0 active");
        await PairRun.UntilAsync(
            () => pair.Log("a").Contains("heard: hello from b", StringComparison.Ordinal),
            "the twins have spoken");

        Do(pair, "upgrade", second);
        Assert.Equal("1.0.0 active, 1.1.0 restart pending", Standing(pair, "b"));
        await RestartAsync(pair, "1.1.0 active, 1.0.0 superseded");

        Do(pair, "rollback", Id);
        await RestartAsync(pair, "1.0.0 active, 1.1.0 superseded");

        Do(pair, "disable", Id, "--reason", "too loud");
        await RestartAsync(pair, "1.0.0 disabled, 1.1.0 superseded");
        await pair.InSyncAsync();
        Assert.Equal(0, pair.Ask("status").Code); // Nothing is lacking: that was decided.
        Do(pair, "enable", Id, "--node", "a");
        Assert.Equal("1.0.0 restart pending, 1.1.0 superseded", Standing(pair, "a"));
        Assert.Equal("1.0.0 disabled, 1.1.0 superseded", Standing(pair, "b"));

        // Of a node that does not run, too.
        Assert.Equal(0, pair.Ask("stop").Code);
        Do(pair, "remove", Id);
        Assert.False(Directory.Exists(Path.Combine(pair.Folder, "a/data/plugins", Id)));
        Assert.Equal(0, pair.Ask("start").Code);
        Assert.Equal("", Standing(pair, "a"));
    }

    [Fact]
    public async Task A_file_that_was_changed_in_the_store_is_named_and_costs_its_plugin_alone()
    {
        await using PairRun pair = new();
        pair.Make();
        Do(pair, "install", Bundle(pair, "1.0.0"));
        string file = Path.Combine(pair.Folder, $"b/data/plugins/{Id}/1.0.0/Greeter.dll");
        File.WriteAllBytes(file, [.. File.ReadAllBytes(file), 0]);
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        Assert.Equal("1.0.0 active", Standing(pair, "a"));
        Assert.Equal("1.0.0 modified", Standing(pair, "b"));
        Assert.Contains("file Greeter.dll: expected the SHA-256", pair.Reason("b", Id));
        Assert.Contains("file Greeter.dll", pair.Ask("plugin", "list").Out);
    }

    private static async Task RestartAsync(PairRun pair, string standing)
    {
        Assert.Equal(0, pair.Ask("stop").Code);
        Assert.Equal(0, pair.Ask("start").Code);
        foreach (string name in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(
                () => Standing(pair, name) == standing, $"{standing} on {name}");
        }
    }

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

    /// <summary>The sample, built as its maker builds it, with a name and version of its own.</summary>
    private static string Bundle(PairRun pair, string version)
    {
        string sample = Path.Combine(PairRun.Root, "samples", "Greeter");
        string folder = Path.Combine(Path.GetDirectoryName(pair.Folder)!, $"greeter-{version}");
        var (code, output, error) = PairRun.Run(
            "dotnet", "build", sample, "--nologo", "-v", "quiet");
        Assert.True(code == 0, output + error);
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(Path.Combine(sample, "bin", "plugin")))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        string manifest = Path.Combine(folder, "plugin.json");
        File.WriteAllText(manifest, File.ReadAllText(manifest)
            .Replace("\"greeter\"", $"\"{Id}\"", StringComparison.Ordinal)
            .Replace("\"1.0.0\"", $"\"{version}\"", StringComparison.Ordinal));
        (code, output, error) = PairRun.StorageOs(
            "plugin", "pack", folder, "--into", Path.GetDirectoryName(folder)!);
        Assert.True(code == 0, output + error);
        return Path.Combine(Path.GetDirectoryName(folder)!, $"{Id}.{version}.sosplugin");
    }
}
