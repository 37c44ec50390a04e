using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Configure;
using StorageOs.Kernel.Cli.Image;
using StorageOs.Kernel.Cli.Remote;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Pair.Tests;

/// <summary>docs/CONFIGURATION.md, its examples, and <c>config explain</c>.</summary>
public sealed partial class ConfigurationReferenceTests
{
    private static readonly string File = Path.Combine(PairRun.Root, "docs", "CONFIGURATION.md");
    private static readonly string Examples =
        Path.Combine(PairRun.Root, "docs", "configuration");

    private static readonly JsonDocumentOptions Lenient =
        new() { CommentHandling = JsonCommentHandling.Skip };

    private static readonly string[] Directories =
        [Path.Combine(PairRun.Root, "artifacts", "plugins")];

    private static PluginManifest[] Manifests { get; } =
        [.. PluginCatalog.Find(Directories).Select(static one => one.Good)
            .OfType<PluginManifest>().OrderBy(static one => one.Id, StringComparer.Ordinal)];

    private static JsonNode Every { get; } = JsonNode.Parse(
        System.IO.File.ReadAllText(Path.Combine(Examples, "every-key.json")), null, Lenient)!;

    private static string Made { get; } = new ConfigurationDocument(
        Manifests, Every, System.IO.File.ReadAllText(Path.Combine(Examples, "small.json")))
        .Markdown(System.IO.File.ReadAllText(
            Path.Combine(PairRun.Root, "tests/Pair.Tests/ConfigurationDocument.md")));

    [Fact]
    public void The_document_is_made_of_the_code()
    {
        if (Environment.GetEnvironmentVariable("ACCEPT_CONFIGURATION") == "1")
        {
            System.IO.File.WriteAllText(File, Made);
        }

        Assert.True(
            System.IO.File.Exists(File) && System.IO.File.ReadAllText(File) == Made,
            "docs/CONFIGURATION.md differs from the code. If that is meant: ACCEPT_CONFIGURATION=1 "
            + "dotnet test tests/Pair.Tests --filter ConfigurationReferenceTests, and have it "
            + "reviewed.");
    }

    [Fact]
    public void Every_key_has_its_meaning_and_stands_in_an_example()
    {
        KeyFacts[] keys = [.. ConfigExplain.All(Directories)];
        Assert.Equal(10, Manifests.Length);
        Assert.All(Manifests, static one => Assert.NotEmpty(KeyFacts.Of(one)));
        Assert.All(keys, static key => Assert.True(
            MeaningForm().IsMatch(key.Meaning), $"{key.Path}: {key.Meaning}"));
        HashSet<string> shown = [.. PathsOf(Every, ""), .. PathsOf(JsonNode.Parse(
            System.IO.File.ReadAllText(Path.Combine(Examples, "small.json")), null, Lenient)!, "")];
        Assert.All(keys, key => Assert.Contains(key.Path, shown));
        Assert.Equal(
            keys.Length, keys.Select(static key => key.Path).Distinct().Count() + Shared(keys));
    }

    [Theory]
    [InlineData("every-key.json", "tcp")]
    [InlineData("every-key.json", "loopback")]
    [InlineData("every-key.json", "verbs")]
    [InlineData("small.json", "loopback")]
    public void A_node_would_boot_with_each_example(string file, string transport)
    {
        using Sandbox sandbox = new(file);
        var (code, output, error) = sandbox.Check($"transport:name={transport}");
        Assert.True(code == 0, error);
        Assert.Contains($"node a would load {transport}, ", output);
        Assert.DoesNotContain("of no plugin", output);
    }

    [Fact]
    public void A_node_would_boot_with_what_guests_and_packages_are_given()
    {
        GuestSettings guests = new("/image", "tcg", "verbs", 1 << 30, 10809, 7800);
        string guest = GuestConfiguration.Of("a", $"{Guid.NewGuid()}", guests).ToJsonString();
        string package = System.IO.File.ReadAllText(
            Path.Combine(PairRun.Root, "packaging", "node.json"));
        foreach (string text in new[] { guest, package })
        {
            using Sandbox sandbox = new("small.json");
            System.IO.File.WriteAllText(sandbox.File, text);
            Assert.Empty(NodeConfiguration.Load(
                sandbox.File, [$"pair:id={Guid.NewGuid()}", .. sandbox.Sets],
                out NodeSettings? settings));
            Assert.Empty(ConfigurationCheck.Of(
                settings!, NullLogger.Instance, out _, out IReadOnlyList<string> unused));
            Assert.Empty(unused);
        }
    }

    [Theory]
    [InlineData("plugins:settings:volumes:volumes:0:sizeBytes=4097",
        "a whole number from 4096 to 70368744177664, a multiple of 4096, found \"4097\"; correct it "
        + "there: size of the volume in bytes")]
    [InlineData("plugins:settings:volumes:volumes:0:name=.a", "found \".a\"; correct it there: name")]
    [InlineData("plugins:settings:volumes:volumes:0:size=1", "one of name, group, sizeBytes, device")]
    [InlineData("plugins:settings:volumes:scrub:everyHour=1", "one of bytesPerSecond, everyHours")]
    [InlineData("plugins:settings:nvram-mirror:logBytes=64M", "from 1048576 to 1073741824")]
    [InlineData("plugins:settings:nvram-mirror:bytes=1", "one of logBytes")]
    [InlineData("plugins:settings:failover-monitor:giveback:rounds=11", "from 1 to 10")]
    [InlineData("plugins:settings:failover-monitor:awayGrace=1", "an unknown key")]
    [InlineData("plugins:settings:nbd-export:addresses:0:group=2", "one of 0, 1")]
    [InlineData("plugins:settings:nbd-export:addresses:0:adress=::", "an unknown key")]
    [InlineData("plugins:settings:management:requestsPerSecond=0", "from 1 to 1000")]
    [InlineData("plugins:settings:management:port=1", "an unknown key")]
    [InlineData("plugins:settings:witness-etcd:deadlineMs=99", "from 100 to 10000")]
    [InlineData("plugins:settings:witness-etcd:endpoint=x", "an unknown key")]
    [InlineData("plugins:settings:witness-file:folder=x", "an unknown key")]
    [InlineData("transport:options:tls=maybe", "one of none, pair-key")]
    [InlineData("transport:options:tcp.key=x", "key transport:options:key: expected one of tls")]
    [InlineData("machine:interface:0:name=x", "one of interfaces, route, nvram, mounts")]
    [InlineData("machine:interfaces:0:mtu=1", "from 68 to 65536")]
    public void Check_finds_what_is_wrong_in_each_part(string set, string said)
    {
        using Sandbox sandbox = new("every-key.json");
        IReadOnlyList<Refusal> refusals = NodeConfiguration.Load(
            sandbox.File, [set, .. sandbox.Sets, "plugins:requireSigned=false"],
            out NodeSettings? settings);
        Assert.Empty(refusals);
        refusals = ConfigurationCheck.Of(settings!, NullLogger.Instance, out _, out _);
        Assert.Contains(said, $"{Assert.Single(refusals)}");
    }

    [Fact]
    public void Check_tells_of_settings_of_no_plugin()
    {
        using Sandbox sandbox = new("small.json");
        var (code, output, error) = sandbox.Check("plugins:settings:volume:directory=/x");
        Assert.True(code == 0, error);
        Assert.Contains("plugins:settings:volume is of no plugin that is there", output);
    }

    [Fact]
    public void Explain_tells_of_a_key_however_it_is_called()
    {
        foreach (string name in (string[])["sizeBytes", "volumes:volumes:0:sizeBytes"])
        {
            var (code, output, error) = PairRun.StorageOs("config", "explain", name);
            Assert.True(code == 0, error);
            Assert.Equal(
                "plugins.settings.volumes.volumes[].sizeBytes size of the volume in bytes "
                + "value: 4096 bytes (4 KiB) to 70368744177664 bytes (64 TiB), a multiple of 4096 "
                + "must be there taken when the node starts",
                string.Join(' ', output.Split(
                    (char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
        }

        Assert.Equal(1, PairRun.StorageOs("config", "explain", "colour").Code);
        string all = PairRun.StorageOs("config", "explain").Out;
        Assert.All(all.Split('\n'), static line => Assert.True(line.Length <= 80, line));
        JsonArray json = JsonNode.Parse(
            PairRun.StorageOs("config", "explain", "beatMs", "-o", "json").Out)!.AsArray();
        Assert.Equal("2 ms", $"{Assert.Single(json)!["default"]}");
    }

    [Fact]
    public void The_other_files_are_as_they_are_shown()
    {
        RemoteSettings remote = JsonSerializer.Deserialize<RemoteSettings>(
            RemoteExample().Match(Made).Groups[1].Value)!;
        Assert.Equal("/home/alice/ca.pem", RemoteNode.Parse(remote.A).TrustFile);
        Assert.Equal("10.0.0.2", RemoteNode.Parse(remote.B).Address.Host);
        Assert.Contains($"operator alice {Convert.ToHexStringLower(
            SHA256.HashData(Encoding.UTF8.GetBytes("correct horse battery staple")))}\n", Made);
    }

    // The transports' keys are in one place, each with its own.
    private static int Shared(IEnumerable<KeyFacts> keys) =>
        keys.GroupBy(static key => key.Path).Sum(static same => same.Count() - 1);

    private static IEnumerable<string> PathsOf(JsonNode node, string path)
    {
        IEnumerable<(string, JsonNode)> children = node switch
        {
            JsonObject group => group.Select(one => (
                path.Length == 0 ? one.Key
                    : path == "transport.options" ? $"{path}.{one.Key.Split('.')[^1]}"
                    : $"{path}.{one.Key}", one.Value!)),
            JsonArray list => list.Select(one => ($"{path}[]", one!)),
            _ => [],
        };
        return children.SelectMany(static child => PathsOf(child.Item2, child.Item1)).Append(path);
    }

    [GeneratedRegex("^[A-Za-z0-9][^|]{9,}[^.]$")]
    private static partial Regex MeaningForm();

    [GeneratedRegex("```json\n({\n  \"A\".*?\n})\n```", RegexOptions.Singleline)]
    private static partial Regex RemoteExample();

    /// <summary>A folder with an example and the keys beside it.</summary>
    private sealed class Sandbox : IDisposable
    {
        private readonly string folder = Directory.CreateTempSubdirectory("reference-").FullName;

        public Sandbox(string example)
        {
            System.IO.File.Copy(Path.Combine(Examples, example), File);
            _ = Directory.CreateDirectory(Path.Combine(folder, "trust"));
            foreach (string key in new[] { "pair.key", "manage.key" })
            {
                string path = Path.Combine(folder, key);
                System.IO.File.WriteAllBytes(path, new byte[32]);
                System.IO.File.SetUnixFileMode(
                    path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }
        }

        public string File => Path.Combine(folder, "node.json");

        /// <summary>What is elsewhere here than in the example.</summary>
        public string[] Sets =>
            [$"plugins:directories:0={Directories[0]}", $"plugins:trust={folder}/trust"];

        public (int Code, string Out, string Error) Check(string set) => PairRun.StorageOs(
            ["config", "check", File, .. Sets.Append(set).SelectMany(
                static one => new[] { "--set", one })]);

        public void Dispose() => Directory.Delete(folder, recursive: true);
    }
}
