using System.Text;
using System.Text.Json;
using StorageOs.Plugin.Sdk;

namespace StorageOs.Sdk.Tests;

/// <summary>What a build says of a manifest, before any node has to.</summary>
public sealed class ManifestTests
{
    private const string Good = """
        {
          "id": "greeter",
          "version": "1.0.0",
          "kind": "client",
          "assembly": "Greeter.dll",
          "type": "Greeter.GreeterPlugin",
          "contracts": { "min": "0.1", "max": "0.1" },
          "uses": ["IOwnership"],
          "reactor": "own"
        }
        """;

    private static readonly PluginFacts Facts = new(
        "Greeter.dll", ["Greeter.GreeterPlugin", "Greeter.Other"], ["Greeter.GreeterPlugin"],
        ["IOwnership", "IVolumes", "IWitness"], new Version(0, 1));

    [Fact]
    public void A_good_one_has_nothing_wrong() => Assert.Empty(Of(Good));

    [Fact]
    public void Its_keys_are_those_of_the_schema()
    {
        using JsonDocument schema = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(Workshop.Root, "sdk/plugin.schema.json")));
        Assert.Equal(
            schema.RootElement.GetProperty("properties").EnumerateObject()
                .Select(static key => key.Name).Order(),
            ManifestCheck.Keys.Append("files").Order());
    }

    [Theory]
    [InlineData("\"greeter\"", "\"greeter!\"", 2, "key id: expected at most 64 letters")]
    [InlineData("\"1.0.0\"", "\"1 0\"", 3, "key version: expected a digit, then")]
    [InlineData("\"1.0.0\"", "\"v1\"", 3, "key version: expected a digit, then")]
    [InlineData("\"greeter\"", "\".greeter\"", 2, "key id: expected at most 64 letters")]
    [InlineData("\"1.0.0\"", "\"\"", 3, "key version: expected 1 to 256 characters, found 0")]
    [InlineData("\"1.0.0\"", "1", 3, "key version: expected a JSON string, found 1")]
    [InlineData("\"client\"", "\"klient\"", 4,
        "key kind: expected transport or client or witness, found \"klient\"")]
    [InlineData("Greeter.dll", "Greter.dll", 5,
        "key assembly: expected Greeter.dll, which is built here, found \"Greter.dll\"")]
    [InlineData("Greeter.GreeterPlugin", "GreeterPlugin", 6,
        "key type: expected a class of Greeter.dll that is not abstract, such as "
        + "Greeter.GreeterPlugin, found \"GreeterPlugin\"")]
    [InlineData("\"min\": \"0.1\", \"max\": \"0.1\"", "\"min\": \"0.2\", \"max\": \"0.3\"", 7,
        "key contracts: expected a range that holds 0.1, which this is built against, "
        + "found 0.2 to 0.3")]
    [InlineData("\"max\"", "\"most\"", 7, "key contracts: expected \"max\" with a version")]
    [InlineData("[\"IOwnership\"]", "[\"IOwner\"]", 8,
        "key uses: expected some of IOwnership, IVolumes, IWitness, found \"IOwner\"")]
    [InlineData("[\"IOwnership\"]", "\"IOwnership\"", 8, "key uses: expected a JSON array")]
    [InlineData("\"own\"", "\"kernel\"", 9,
        "key reactor: expected storage or own, for no transport, found kernel")]
    [InlineData("\"client\"", "\"transport\"", 9,
        "key reactor: expected kernel, for a transport, found own")]
    [InlineData("\"uses\"", "\"use\"", 8, "key use: expected one of $schema, id, version, kind")]
    [InlineData("\"uses\": [\"IOwnership\"]", "\"files\": {}", 8, "key files: expected nothing")]
    [InlineData("\"uses\": [\"IOwnership\"]", "\"id\": \"other\"", 8,
        "key id: expected it once, found 2 times")]
    [InlineData("\"id\": \"greeter\",", "", 0, "key id: expected a JSON string, found nothing")]
    [InlineData("\"own\"", "own", 9, "expected JSON, found")]
    [InlineData("\"own\"", "\"own\", \"maturity\": \"ripe\"", 9,
        "key maturity: expected experimental or preview or stable, found \"ripe\"")]
    [InlineData("\"own\"", "\"own\", \"limits\": { \"threads\": 1 }", 9,
        "key limits:threads: expected memory, ports, posts, logLines or heap, found an unknown limit")]
    [InlineData("\"own\"", "\"own\", \"limits\": { \"memory\": \"1T\" }", 9, "key limits:memory: ")]
    [InlineData("\"own\"", "\"own\", \"restart\": 1", 9, "key restart: expected true or false")]
    [InlineData("\"own\"", "\"own\", \"settings\": { \"type\": \"text\" }", 9, "key settings")]
    [InlineData("\"max\": \"0.1\"", "\"max\": \"0.1\", \"max\": \"0.1\"", 0, "expected JSON, found")]
    [InlineData("\"own\"", "\"\\ud800\"", 0, "expected texts that are Unicode, found")]
    public void What_is_wrong_is_said_with_its_line(string part, string wrong, int line, string said)
    {
        Finding finding = Assert.Single(Of(Good.Replace(part, wrong, StringComparison.Ordinal)));
        Assert.StartsWith(said, finding.ToString(), StringComparison.Ordinal);
        Assert.Equal(line, finding.Line);
    }

    [Fact]
    public void All_that_is_wrong_is_said_at_once() => Assert.Equal(
        ["id", "version", "kind", "assembly", "type", "contracts"],
        Of("{}").Select(static finding => finding.Key).Order(OrderOfKeys.Instance));

    [Fact]
    public void What_the_build_knows_is_read_from_the_assemblies()
    {
        string here = typeof(ManifestTests).Assembly.Location;
        string contracts = typeof(Contracts.Plugins.IPlugin).Assembly.Location;
        PluginFacts facts = PluginFacts.Read(here, contracts);
        Assert.Equal("StorageOs.Sdk.Tests.dll", facts.Assembly);
        Assert.Contains(typeof(ManifestTests).FullName, facts.Classes);
        Assert.Contains(typeof(Bundle).FullName, facts.Classes);
        Assert.Contains(typeof(OrderOfKeys).FullName, facts.Classes);
        Assert.DoesNotContain(typeof(Abstract).FullName, facts.Classes);
        Assert.Equal(
            [typeof(TalkPlugin).FullName],
            facts.Plugins.Where(static name => name.EndsWith("Plugin", StringComparison.Ordinal)));
        Assert.Contains("IWitness", facts.Services);
        Assert.DoesNotContain("WitnessReading", facts.Services);
        Assert.Equal(new Version(0, 2), facts.Contracts);
    }

    private static IReadOnlyList<Finding> Of(string text) =>
        ManifestCheck.Of(Encoding.UTF8.GetBytes(text), Facts);

    private abstract class Abstract;

    [Fact]
    public void A_manifest_that_names_every_file_is_as_long_as_a_node_reads()
    {
        string filler = new(' ', 200 * 1024);
        Assert.Empty(Of(Good + filler));
        Assert.Contains("at most 262144 bytes", Assert.Single(Of(Good + filler + filler)).ToString());
    }

    private sealed class OrderOfKeys : IComparer<string>
    {
        private static readonly string[] Keys =
            ["id", "version", "kind", "assembly", "type", "contracts"];

        public static OrderOfKeys Instance { get; } = new();

        public int Compare(string? x, string? y) =>
            Array.IndexOf(Keys, x).CompareTo(Array.IndexOf(Keys, y));
    }
}
