using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Packages;

namespace StorageOs.Kernel.Tests;

/// <summary>What a package, or a person, restarts a node by.</summary>
public sealed class NodeStandingTests
{
    [Theory]
    [InlineData("true", "InSync", "Ready", "Found", "")]
    [InlineData("true", "InSync", "Ready", "None", "")]
    [InlineData("false", "InSync", "Ready", "Found", "")]
    [InlineData("false", "Stale", "Ready", "Found", "")]
    [InlineData("true", "Stale", "Ready", "Found", "vol0 has no other good copy: it is Stale")]
    [InlineData("true", "InSync", "Lost", "Found", "there is no session with a partner")]
    [InlineData("true", "InSync", "Ready", "Unavailable", "the witness is unreachable")]
    [InlineData("false", "InSync", "Ready", "Unavailable", "the witness is unreachable")]
    [InlineData("false", "InSync", "Lost", "Unavailable", "")]
    public void A_node_is_not_stopped_when_users_would_have_nobody(
        string served, string sync, string session, string witness, string why)
    {
        string[] reasons = [.. NodeStanding.WhyNotStop(JsonNode.Parse($$"""
            {
              "phase": "Serving", "session": { "state": "{{session}}" },
              "witness": { "state": "{{witness}}" },
              "volumes": [ { "name": "vol0", "served": {{served}}, "sync": "{{sync}}" } ]
            }
            """)!.AsObject())];
        Assert.Equal(why.Length == 0 ? 0 : 1, reasons.Length);
        Assert.StartsWith(why, string.Concat(reasons), StringComparison.Ordinal);
    }

    [Fact]
    public void Of_one_that_does_not_answer_nobody_knows_what_it_serves() => Assert.Equal(
        ["it does not answer: no answer within 3 s"],
        NodeStanding.WhyNotStop(new JsonObject
        {
            ["phase"] = "Unreachable",
            ["reason"] = "no answer within 3 s",
        }));

    [Fact]
    public void A_node_is_up_when_all_is_loaded_and_nothing_failed_that_had_not_before()
    {
        JsonObject loading = Status("Connecting", "Loading");
        Assert.False(NodeStanding.IsSettled(loading, late: true));
        JsonObject starting = Status("Recovering", "Starting");
        Assert.False(NodeStanding.IsSettled(starting, late: false));
        Assert.True(NodeStanding.IsSettled(starting, late: true));
        JsonObject failed = Status("Serving", "Failed");
        Assert.True(NodeStanding.IsSettled(failed, late: false));
        Assert.Equal(
            ["greeter is Failed: it threw"],
            NodeStanding.WhyNotUp(failed, NodeStanding.FailedIn(null)));
        Assert.Empty(NodeStanding.WhyNotUp(failed, NodeStanding.FailedIn(failed)));
    }

    private static JsonObject Status(string phase, string state) => new()
    {
        ["phase"] = phase,
        ["plugins"] = new JsonArray(new JsonObject
        {
            ["id"] = "greeter",
            ["state"] = state,
            ["reason"] = "it threw",
        }),
    };
}
