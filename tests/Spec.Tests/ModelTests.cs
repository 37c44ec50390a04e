using System.Text.Json.Nodes;

namespace StorageOs.Spec.Tests;

/// <summary>
/// Every model, exhaustively, and every broken variant of it, which spin must reject for the reason
/// that it was broken for. One run of <c>spec/check</c>, judged line by line.
/// </summary>
[Trait("Category", "Slow")]
public sealed class ModelTests(ModelTests.Runs runs) : IClassFixture<ModelTests.Runs>
{
    public static TheoryData<string> Names => new(SpecFolder.Names);

    [Theory]
    [MemberData(nameof(Names))]
    public void A_run_ends_as_expected(string name)
    {
        JsonNode run = runs.Of(name);
        Assert.True(
            run["good"]!.GetValue<bool>(),
            $"{name}: {run["verdict"]}, expected {run["expected"]}; spec/check --trace {name}");
        if (run["expected"]!.GetValue<string>() == "ok")
        {
            Assert.True(run["states"]!.GetValue<long>() > 1000, "it has hardly a state");
        }
    }

    /// <summary>What all runs gave.</summary>
    public sealed class Runs
    {
        private static readonly TimeSpan Patience = TimeSpan.FromMinutes(20);
        private readonly Dictionary<string, JsonNode> found = [];

        public Runs()
        {
            (_, string output, string errors) = SpecFolder.Check(Patience, "-o", "json");
            Assert.True(output.Length > 0, errors);
            foreach (JsonNode? run in JsonNode.Parse(output)!.AsArray())
            {
                found[run!["name"]!.GetValue<string>()] = run;
            }
        }

        /// <summary>What one run gave.</summary>
        public JsonNode Of(string name) => found[name];
    }
}
