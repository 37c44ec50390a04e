using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>Everything that can happen to a pair, at random, under load.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class ChaosTests
{
    [Theory]
    [InlineData("loopback", "1")]
    [InlineData("tcp", "1")]
    public void No_answer_is_wrong_whatever_happens(string transport, string minutes)
    {
        JsonNode report = Chaos(transport, minutes);
        Assert.Empty(report["violations"]!.AsArray());
        Assert.True(report["operationsChecked"]!.GetValue<long>() > 1000, $"{report}");
        Assert.True(report["faultsWhileWriting"]!.GetValue<int>() > 10, $"{report}");
        Assert.True(report["faults"]!.AsObject().Count >= 8, $"{report}");
    }

    [Fact]
    [Trait("Category", "Soak")]
    public void No_answer_is_wrong_in_an_hour()
    {
        JsonNode report = Chaos("loopback", "60");
        Assert.Empty(report["violations"]!.AsArray());
        Assert.True(report["faultsWhileWriting"]!.GetValue<int>() >= 1000, $"{report}");
    }

    private static JsonNode Chaos(string transport, string minutes)
    {
        var (code, output, error) = PairRun.Run(
            TimeSpan.FromMinutes(double.Parse(minutes) + 6), PairRun.Kernel,
            "chaos", "--minutes", minutes, "--transport", transport, "-o", "json");
        Assert.True(code is 0 or 1 && output.Length > 0, $"exit {code}: {output}{error}");
        return JsonNode.Parse(output)!;
    }
}
