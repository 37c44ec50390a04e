using System.Globalization;
using StorageOs.Simulation.Tests;
using Xunit.Abstractions;

namespace StorageOs.Interleavings.Tests;

/// <summary>
/// The product's threads in the orders that some hundred seeds make, at each place where they
/// meet; and what would show if they met otherwise.
/// </summary>
public sealed class ScenarioTests(ITestOutputHelper output)
{
    private const uint RunsMax = 1_000;

    // More of them when something about threads is changed.
    private static readonly uint Runs = uint.Parse(
        Environment.GetEnvironmentVariable("STORAGEOS_RUNS") ?? "30", CultureInfo.InvariantCulture);

    /// <summary>Every scenario of the product.</summary>
    public static TheoryData<string> All
    {
        get
        {
            TheoryData<string> all = new();
            foreach (string name in Explored.Product.Scenarios.Where(
                static name => !name.StartsWith("Calibration.", StringComparison.Ordinal)))
            {
                all.Add(name);
            }

            return all;
        }
    }

    /// <summary>Name of every planted bug, and of the scenario that catches it.</summary>
    public static TheoryData<string, string> Planted
    {
        get
        {
            TheoryData<string, string> all = new();
            foreach (Mutant mutant in Explored.Mutants)
            {
                all.Add(mutant.Name, mutant.CaughtBy);
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void What_must_hold_holds_in_whatever_order_threads_meet(string name)
    {
        foreach (Choice choice in Enum.GetValues<Choice>())
        {
            Finding finding = Exploration.Run(
                Explored.Product.Scenario(name), choice, seed: 1, Runs);
            Assert.True(finding.Bug is null, $"{choice}, run {finding.Runs}: {finding.Bug}");
            Assert.Empty(finding.Uncontrolled);
            Assert.Equal((int)Runs, finding.Runs);
        }
    }

    [Theory]
    [Trait("Category", "Slow")]
    [MemberData(nameof(Planted))]
    public void A_planted_bug_is_caught(string name, string caughtBy)
    {
        Explored.Planted.Wake(name);
        List<string> runs = [];
        foreach (Choice choice in Enum.GetValues<Choice>())
        {
            Finding finding = Exploration.Run(
                Explored.Planted.Scenario(caughtBy), choice, seed: 1, RunsMax);
            runs.Add($"{choice} {finding.Runs}: {finding.Bug ?? "nothing"}");
            if (finding.Bug is not null)
            {
                output.WriteLine($"{name}: {runs[^1]}");
                return;
            }
        }

        Assert.Fail($"{name} is not caught by {caughtBy}: {string.Join(", ", runs)}");
    }

    [Fact]
    public void Every_scenario_catches_a_planted_bug() => Assert.Equal(
        Explored.Product.Scenarios.Where(
            static name => !name.StartsWith("Calibration.", StringComparison.Ordinal)).Order(),
        Explored.Mutants.Select(static mutant => mutant.CaughtBy).Distinct().Order());
}
