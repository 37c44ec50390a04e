using System.Text.Json.Nodes;

namespace StorageOs.Sdk.Tests;

/// <summary>The small samples, built from packages alone, tested and run on a pair.</summary>
[Trait("Category", "Slow")]
[Collection(nameof(Workshop))]
public sealed class SampleTests(Workshop workshop)
{
    [Theory]
    [InlineData("Greeter")]
    [InlineData("CountingTransport")]
    public void A_sample_passes_what_every_plugin_of_its_kind_does(string name)
    {
        string said = workshop.Dotnet(
            "test", Path.Combine(Sample.Build(workshop, name), $"{name}.Tests"), "--no-build",
            "--nologo");
        Assert.Contains("Passed!", said, StringComparison.Ordinal);
    }

    [Fact]
    public void The_greeter_greets_its_twin()
    {
        using Operator pair = new("--plugin", Plugin("Greeter"));
        pair.Hears("hello from a");
        Assert.Contains(
            pair.Node("a")["clients"]!.AsArray(), static client => $"{client!["name"]}" == "greeter");
    }

    [Fact]
    public void A_transport_built_outside_carries_a_pair_chosen_by_its_manifests_name_alone()
    {
        using Operator pair = new(
            "--transport", "counting", "--plugin", Plugin("CountingTransport"));
        JsonNode a = pair.Node("a");
        Assert.Equal("counting", $"{a["transport"]}");
        Assert.Equal(
            ["counting Running", "loopback NotChosen", "tcp NotChosen", "verbs NotChosen"],
            a["plugins"]!.AsArray().Where(static plugin => $"{plugin!["kind"]}" == "transport")
                .Select(static plugin => $"{plugin!["id"]} {plugin["state"]}").Order());
        Assert.True(a["sections"]!["counting"]!["writes"]!.GetValue<long>() > 0, $"{a}");
        Assert.True(a["sections"]!["counting"]!["reads"]!.GetValue<long>() > 0, $"{a}");

        // What a dead node leaves is told apart around it, too.
        pair.Do("stop", "a", "--kill");
        pair.Until(() => pair.Node("b")["volumes"]!.AsArray()
            .All(static volume => volume!["served"]!.GetValue<bool>()));
    }

    private string Plugin(string name) =>
        Path.Combine(Sample.Build(workshop, name), name, "bin/plugin");
}
