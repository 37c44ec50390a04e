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

    private static IReadOnlyList<string> LacksOf(string document) =>
        new PairStatus([JsonNode.Parse(document)!.AsObject()]).Lacks;
}
