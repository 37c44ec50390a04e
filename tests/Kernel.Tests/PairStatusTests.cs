using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli;

namespace StorageOs.Kernel.Tests;

/// <summary>What an operator's exit code rests on.</summary>
public sealed class PairStatusTests
{
    private const string Good = """
        {
          "name": "a", "phase": "Serving", "session": { "state": "Ready" },
          "clients": [ { "name": "volumes", "state": "Ready" } ],
          "sections": { "volumes": [], "ownership": { "groups": [] } }
        }
        """;

    [Fact]
    public void A_node_of_which_all_is_known_and_well_lacks_nothing() =>
        Assert.Empty(LacksOf(Good));

    [Fact]
    public void A_module_that_does_not_answer_is_a_lack()
    {
        string hangs = Good.Replace(
            "\"volumes\": []", "\"volumes\": { \"notReported\": \"volumes does not answer\" }",
            StringComparison.Ordinal);
        Assert.Contains(
            "volumes does not answer", Assert.Single(LacksOf(hangs)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("InSync", "InSync", "")]
    [InlineData("Stale", "InSync", "vol0 has one good copy: it is Stale")]
    [InlineData("InSync", "Stale", "")]
    [InlineData("New", "New", "vol0 has one good copy: it is New")]
    [InlineData("Moved", "Moved", "")]
    public void A_volume_with_one_good_copy_is_told_as_its_owner_sees_it(
        string owners, string others, string expected)
    {
        JsonObject a = Knows("true", owners);
        JsonObject b = Knows("false", others);
        Assert.All(
            (PairStatus[])[new([a, b]), new([b, a])],
            pair => Assert.Equal(expected, string.Join(", ", pair.Exposed)));
    }

    private static JsonObject Knows(string served, string sync) => JsonNode.Parse(
        "{ \"volumes\": [ { \"name\": \"vol0\", \"served\": " + served
        + ", \"sync\": \"" + sync + "\" } ] }")!.AsObject();

    private static IReadOnlyList<string> LacksOf(string document) =>
        new PairStatus([JsonNode.Parse(document)!.AsObject()]).Lacks;
}
