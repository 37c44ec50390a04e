using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Tests;

public sealed class ConfigurationTests : IDisposable
{
    private readonly TestFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_good_file_is_read_whole()
    {
        IReadOnlyList<Refusal> refusals = Load(out NodeSettings? settings);
        Assert.Empty(refusals);
        Assert.Equal("a", settings!.Node.Name);
        Assert.Equal(0xaUL, settings.Node.SystemId);
        Assert.Equal(Path.Combine(folder.Path, "data"), settings.Node.DataDirectory);
        Assert.Equal(PersistenceLevel.Process, settings.Node.Persistence);
        Assert.Equal(0x5000000000UL, settings.Partner.MemoryAddress);
        Assert.Equal(32, settings.Pair.Key.Length);
        Assert.Equal("/tmp/f", settings.Transport.Options["fabric"]);
        Assert.DoesNotContain("Key", settings.Pair.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_part_of_another_configuration_is_read_as_a_file_is()
    {
        IConfiguration host = new ConfigurationBuilder()
            .AddJsonFile(folder.Configuration())
            .AddInMemoryCollection([new("node:name", "c"), new("node:beatMs", "1000")])
            .Build();
        IConfiguration outer = new ConfigurationBuilder().AddInMemoryCollection(
            host.AsEnumerable().Where(pair => pair.Value is not null)
                .Select(pair => KeyValuePair.Create($"StorageOs:{pair.Key}", pair.Value))).Build();
        Refusal refusal = Assert.Single(NodeConfiguration.Load(
            outer.GetSection("StorageOs"), "the host's configuration", folder.Path, out _));
        Assert.Equal("the host's configuration, key node:beatMs", refusal.Subject);

        outer["StorageOs:node:beatMs"] = "5";
        outer["StorageOs:plugins:settings:acme.tape:drives"] = "2";
        Assert.Empty(NodeConfiguration.Load(
            outer.GetSection("StorageOs"), "the host's configuration", folder.Path,
            out NodeSettings? settings));
        Assert.Equal("c", settings!.Node.Name);
        Assert.Equal(Path.Combine(folder.Path, "data"), settings.Node.DataDirectory);
        Assert.Equal("2", settings.Plugins.Settings.GetSection("acme.tape")["drives"]);

        outer["StorageOs:node:nmae"] = "c";
        Assert.Contains("a key that", Assert.Single(NodeConfiguration.Load(
            outer.GetSection("StorageOs"), "it", folder.Path, out _)).Expected);
    }

    [Fact]
    public void The_command_line_overrides_the_file()
    {
        Assert.Empty(Load(out NodeSettings? settings, "node:name=c", "node:persistence=power"));
        Assert.Equal("c", settings!.Node.Name);
        Assert.Equal(PersistenceLevel.Power, settings.Node.Persistence);
    }

    [Theory]
    [InlineData("node:systemId=xyz", "--set, key node:systemId", "hexadecimal")]
    [InlineData("node:systemId=0", "--set, key node:systemId", "hexadecimal")]
    [InlineData("node:systemId=b", "partner:systemId", "another id")]
    [InlineData("node:name=b", "partner:name", "another name")]
    [InlineData("node:name=a/b", "--set, key node:name", "letters, digits")]
    [InlineData("node:nmae=a", "--set, key node:nmae", "a key that")]
    [InlineData("transport:port=70000000000", "--set, key transport:port", "whole number")]
    [InlineData("transport:port=-1", "--set, key transport:port", "whole number")]
    [InlineData("partner:memoryAddress=0x5001", "--set, key partner:memoryAddress", "4096")]
    [InlineData("node:persistence=maybe", "--set, key node:persistence", "process or power")]
    [InlineData("pair:id=1", "--set, key pair:id", "GUID")]
    [InlineData("pair:keyFile=none", "--set, key pair:keyFile", "a file that can be read")]
    [InlineData("no-equals", "--set", "key=value")]
    public void What_is_wrong_is_refused_with_source_key_and_expectation(
        string set, string subject, string expected)
    {
        Refusal refusal = Assert.Single(Load(out NodeSettings? settings, set));
        Assert.Null(settings);
        Assert.Contains(subject, refusal.Subject, StringComparison.Ordinal);
        Assert.Contains(expected, refusal.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void A_group_where_a_value_belongs_is_refused() => Assert.Contains(
        Load(out _, "transport:port:x=1"),
        refusal => refusal.Subject.EndsWith("key transport:port", StringComparison.Ordinal)
            && refusal.Actual == "a group of keys or a list");

    [Fact]
    public void All_that_is_wrong_is_told_at_once()
    {
        File.WriteAllText(folder.File("node.json"), """{ "node": { "name": 5, "color": "x" } }""");
        IReadOnlyList<Refusal> refusals = NodeConfiguration.Load(
            folder.File("node.json"), [], out NodeSettings? settings);
        Assert.Null(settings);
        Assert.Contains(refusals, refusal => refusal.Subject.EndsWith("node:color"));
        Assert.Contains(refusals, refusal => refusal.Subject.EndsWith("partner:port"));
        Assert.All(refusals, refusal => Assert.StartsWith(folder.Path, refusal.Subject));
    }

    [Theory]
    [InlineData("{", "JSON")]
    [InlineData("[1]", "JSON")]
    [InlineData("""{"node":{"name":"a"},"node":{"name":"b"}}""", "JSON")]
    public void A_file_that_is_no_configuration_is_refused(string text, string expected)
    {
        File.WriteAllText(folder.File("node.json"), text);
        Refusal refusal = Assert.Single(
            NodeConfiguration.Load(folder.File("node.json"), [], out _));
        Assert.Contains(expected, refusal.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_there_is_refused() => Assert.Equal(
        "nothing",
        Assert.Single(NodeConfiguration.Load(folder.File("none.json"), [], out _)).Actual);

    [Fact]
    public void A_key_that_others_can_read_is_refused()
    {
        string key = folder.Key();
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Refusal refusal = Assert.Single(Load(out _));
        Assert.Equal("mode 440", refusal.Actual);
        Assert.Contains("chmod 600", refusal.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(31)]
    [InlineData(4097)]
    public void A_key_of_a_wrong_length_is_refused(int length)
    {
        File.WriteAllBytes(folder.Key(), new byte[length]);
        Assert.Equal($"{length}", Assert.Single(Load(out _)).Actual);
    }

    private IReadOnlyList<Refusal> Load(out NodeSettings? settings, params string[] sets) =>
        NodeConfiguration.Load(folder.Configuration(), sets, out settings);
}
