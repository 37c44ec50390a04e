using System.Text.Json.Nodes;
using StorageOs.Conformance;

namespace StorageOs.Pair.Tests;

/// <summary><c>transport check</c>, as a user runs it.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class TransportCheckTests
{
    [Theory]
    [InlineData("loopback")]
    [InlineData("tcp")]
    public void Every_case_is_run_and_told(string transport)
    {
        var (code, output, error) = PairRun.StorageOs(
            "transport", "check", "--transport", transport, "-o", "json");
        Assert.True(code == 0, $"exit {code}: {output}{error}");
        JsonNode result = JsonNode.Parse(output)!;
        Assert.Equal(transport, $"{result["transport"]}");
        Assert.True(result["ok"]!.GetValue<bool>());
        Assert.NotEmpty(result["facts"]!.AsArray());
        Assert.Equal(
            TransportConformance.Cases.Keys,
            result["cases"]!.AsArray().Select(c => $"{c!["name"]}"));
        Assert.All(result["cases"]!.AsArray(), c => Assert.True(
            c!["passed"]!.GetValue<bool>() && c["ms"]!.GetValue<double>() > 0, $"{c}"));
    }

    [Fact]
    public void What_a_person_sees_fits_80_columns()
    {
        var (code, output, _) = PairRun.StorageOs(
            "transport", "check", "--transport", "tcp", "--case", "Rights");
        Assert.Equal(0, code);
        Assert.Contains("tcp: 1 cases passed, 0 failed", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public void A_transport_that_does_not_open_fails_every_case_and_says_why()
    {
        string folder = Directory.CreateTempSubdirectory("check-").FullName;
        string config = Path.Combine(folder, "pair");
        try
        {
            Kernel.Cli.PairLayout.At(config).Make(new Kernel.Cli.PairOptions(
                "tcp", [Path.Combine(PairRun.Root, "artifacts", "plugins")], 64L << 20, 20_000));
            string file = Path.Combine(config, "a", "config.json");
            JsonNode settings = JsonNode.Parse(File.ReadAllText(file))!;
            settings["transport"]!["options"]!["nonsense"] = "1";
            File.WriteAllText(file, settings.ToJsonString());
            var (code, output, _) = PairRun.StorageOs(
                "transport", "check", "--config", file, "--case", "Rights");
            Assert.Equal(1, code);
            Assert.Contains(
                "failed: Rights_are_checked: transport option nonsense: expected", output,
                StringComparison.Ordinal);
        }
        finally
        {
            Kernel.Cli.PairLayout.At(config).Delete();
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_transport_that_is_not_there_is_refused_with_those_that_are()
    {
        var (code, _, error) = PairRun.StorageOs("transport", "check", "--transport", "nope");
        Assert.Equal(1, code);
        Assert.Contains("loopback, tcp", error, StringComparison.Ordinal);
    }
}
