using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Plugins;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Tests;

/// <summary>What reads the console of this process, which is one.</summary>
[CollectionDefinition("console", DisableParallelization = true)]
public sealed class ConsoleReaders;

/// <summary>The commands about plugins, as they are typed.</summary>
[Collection("console")]
public sealed class PluginCommandTests : IDisposable
{
    private readonly TestFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("plugin", "validate", "")]
    [InlineData("plugin", "validate", "x", "--trust=")]
    [InlineData("plugin", "pack", "")]
    [InlineData("plugin", "pack", ".", "--into", "")]
    [InlineData("plugin", "keygen", "--out", "")]
    [InlineData("plugin", "sign", "", "--key", "k")]
    [InlineData("plugin", "sign", "b", "--key=")]
    [InlineData("plugin", "install", "")]
    [InlineData("plugin", "enable", "")]
    [InlineData("plugin", "list", "--dir", "")]
    [InlineData("boot", "--config", "")]
    public async Task An_empty_argument_is_bad_usage(params string[] arguments) =>
        Assert.Equal(ExitCode.BadUsage, (await RunAsync(arguments)).Code);

    [Fact]
    public async Task What_is_no_file_is_no_bundle_and_is_not_waited_for()
    {
        string pipe = folder.File("pipe.sosplugin");
        using (Process made = Process.Start("mkfifo", pipe))
        {
            await made.WaitForExitAsync();
        }

        foreach (string path in new[] { pipe, "/dev/zero" })
        {
            (int code, string said) = await RunAsync("plugin", "validate", path);
            Assert.Equal(ExitCode.Failed, code);
            Assert.Contains("found a pipe or device", said, StringComparison.Ordinal);
        }

        PluginBuilder.Put(folder.Path, "acme.good", PluginBuilder.ClientPlugin("good"));
        File.Move(pipe, folder.File("acme.good/pipe"));
        (_, string packed) = await RunAsync("plugin", "pack", folder.File("acme.good"));
        Assert.Contains("found a pipe or device", packed, StringComparison.Ordinal);
        File.Delete(folder.File("acme.good/plugin.json"));
        File.Move(folder.File("acme.good/pipe"), folder.File("acme.good/plugin.json"));
        Assert.Contains("found a pipe or device", Assert.Single(
            ManifestReader.Read(folder.File("acme.good"), out _, out _)).Refusal.ToString());
    }

    [Fact]
    public async Task A_bundle_that_is_no_good_takes_no_place_of_an_older_one()
    {
        PluginBuilder.Put(folder.Path, "acme.good", PluginBuilder.ClientPlugin("good"));
        string[] pack = ["plugin", "pack", folder.File("acme.good"), "--into", folder.Path];
        Assert.Equal(ExitCode.Good, (await RunAsync(pack)).Code);
        string bundle = folder.File("acme.good.1.0.0.sosplugin");
        byte[] before = File.ReadAllBytes(bundle);
        File.WriteAllText(folder.File("acme.good/acme.good.dll"), "rubbish");
        Assert.Equal(ExitCode.Failed, (await RunAsync(pack)).Code);
        Assert.Equal(before, File.ReadAllBytes(bundle));
        Assert.False(File.Exists(bundle + ".new"));
    }

    [Fact]
    public async Task What_a_manifest_says_moves_no_cursor()
    {
        PluginBuilder.Put(folder.Path, "acme.good", PluginBuilder.ClientPlugin("good"));
        string file = folder.File("acme.good/plugin.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace(
            "\"reactor\"", "\"\\u001b[2J\\u202e\": 1, \"reactor\"", StringComparison.Ordinal));
        (int code, string said) = await RunAsync("plugin", "validate", folder.File("acme.good"));
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("\\u001b[2J\\u202e", said, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', said);
        Assert.DoesNotContain('\u202e', said);
    }

    [Fact]
    public void Whether_a_node_runs_is_told_by_the_directory_that_it_is_configured_with()
    {
        PairLayout pair = MakePair("silent", "elsewhere");
        Assert.False(NodeStore.Open(pair, "a").Runs);
        Refusal? refusal = DataLock.TryTake(folder.File("pair/a/elsewhere"), out DataLock? held);
        Assert.Null(refusal);
        using (held)
        {
            Assert.True(NodeStore.Open(pair, "a").Runs);
            Assert.True(NodeStore.Open(pair, "a").Store.IsInUse());

            // Nor does it matter whether the holder has said who it is.
            File.Delete(folder.File("pair/a/elsewhere/lock.pid"));
            Assert.True(NodeStore.Open(pair, "a").Runs);
        }

        Assert.False(NodeStore.Open(pair, "a").Runs);
    }

    [Theory]
    [InlineData("remove", "acme.wire", 1)]
    [InlineData("disable", "acme.wire", 1)]
    [InlineData("remove", "silent", 0)]
    public async Task Who_takes_away_the_transport_that_is_chosen_is_warned(
        string step, string transport, int warnings)
    {
        MakePair(transport, "data");
        PluginBuilder.PutTransport(folder.File("sources"), "acme.wire");
        string bundle = BundleWriter.Pack(folder.File("sources/acme.wire"), folder.Path);
        string[] where = ["--dir", folder.File("pair"), "-o", "json"];
        Assert.Equal(
            ExitCode.Good, (await RunAsync(["plugin", "install", bundle, .. where])).Code);
        (int code, string said) = await RunAsync(["plugin", step, "acme.wire", .. where]);
        Assert.Equal(ExitCode.Good, code);
        JsonNode node = JsonNode.Parse(said)!["nodes"]![0]!;
        Assert.Equal(warnings, node["warnings"]!.AsArray().Count(
            warning => $"{warning!["subject"]}" == "transport acme.wire"));
    }

    [Fact]
    public async Task The_plugin_too_many_for_a_node_is_refused_when_it_is_installed()
    {
        MakePair("silent", "data");
        string plugins = folder.File("pair/plugins");
        for (int count = 0; count < Limits.PluginsMax; count++)
        {
            Directory.CreateDirectory(Path.Combine(plugins, $"p{count}"));
            File.WriteAllText(Path.Combine(plugins, $"p{count}", "plugin.json"), "{}");
        }

        PluginBuilder.Put(folder.File("sources"), "acme.good", PluginBuilder.ClientPlugin("good"));
        string bundle = BundleWriter.Pack(folder.File("sources/acme.good"), folder.Path);
        (int code, string said) = await RunAsync(
            "plugin", "install", bundle, "--node", "a", "--dir", folder.File("pair"));
        Assert.Equal(ExitCode.Failed, code);
        Assert.Contains("expected at most 64 plugins of a", said, StringComparison.Ordinal);
        Assert.Contains("storageos plugin remove", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"directory\": { \"type\": \"string\" }", true)]
    [InlineData("\"address\": { \"type\": \"string\" }", false)]
    public void A_witness_that_is_given_to_a_pair_has_its_register(
        string property, bool hasDirectory)
    {
        PluginBuilder.PutWitness(
            folder.File("given"), "acme.witness",
            $", \"settings\": {{ \"type\": \"object\", \"properties\": {{ {property} }} }}");
        PluginBuilder.Put(folder.File("given"), "acme.client", PluginBuilder.ClientPlugin("c"));
        PluginManifest given = PairCommand.GivenWitness([folder.File("given")])!;
        PairLayout pair = PairLayout.At(folder.File("pair"));
        pair.Make(new PairOptions("loopback", [folder.File("given")], 1 << 20, 10809)
        {
            Witness = PairWitness.Given,
            GivenWitness = given,
        });
        Assert.Empty(NodeConfiguration.Load(pair.Config("b"), [], out NodeSettings? settings));
        Assert.Equal(["acme.client", "acme.witness"], settings!.Plugins.Clients!);
        string register = folder.File("pair/witness-acme.witness");
        Assert.True(Directory.Exists(register));
        Assert.Equal(
            hasDirectory ? register : null, settings.Plugins.Settings["acme.witness:directory"]);
        Assert.Equal(
            "acme.witness", settings.Plugins.Settings["failover-monitor:witness"]);
        Assert.Null(settings.Plugins.Settings["witness-file:directory"]);
        pair.Delete();

        PluginBuilder.PutWitness(folder.File("given"), "acme.second");
        Assert.Equal("acme.second and acme.witness", Assert.Throws<RefusedException>(
            () => PairCommand.GivenWitness([folder.File("given")])).Refusal.Actual);
    }

    /// <summary>A pair whose configuration is a person's own.</summary>
    private PairLayout MakePair(string transport, string data)
    {
        string text = File.ReadAllText(folder.Configuration(
            "{ \"directories\": [\"../plugins\"] }"));
        foreach (string name in PairLayout.Names)
        {
            Directory.CreateDirectory(folder.File($"pair/{name}"));
            File.WriteAllText(folder.File($"pair/{name}/config.json"), text
                .Replace("\"data\"", $"\"{data}\"", StringComparison.Ordinal)
                .Replace("\"silent\"", $"\"{transport}\"", StringComparison.Ordinal)
                .Replace("\"pair.key\"", "\"../../pair.key\"", StringComparison.Ordinal));
        }

        return PairLayout.At(folder.File("pair"));
    }

    private static async Task<(int Code, string Said)> RunAsync(params string[] arguments)
    {
        (TextWriter said, TextWriter errors) = (Console.Out, Console.Error);
        using StringWriter written = new();
        Console.SetOut(written);
        Console.SetError(written);
        try
        {
            int code = await CommandLine.RunAsync(arguments, static () => new FakeManager())
                .WaitAsync(TimeSpan.FromSeconds(30));
            return (code, written.ToString());
        }
        finally
        {
            Console.SetOut(said);
            Console.SetError(errors);
        }
    }
}
