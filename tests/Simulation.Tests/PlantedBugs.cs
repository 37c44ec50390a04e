using System.Globalization;

namespace StorageOs.Simulation.Tests;

/// <summary>
/// The simulation is as good as what it finds: each planted bug is caught again on the seed that
/// caught it first, and that seed is clean without it.
/// </summary>
[Trait("Category", "Slow")]
public sealed class PlantedBugs
{
    /// <summary>Name and seed of every planted bug.</summary>
    public static TheoryData<string, int> Caught
    {
        get
        {
            TheoryData<string, int> all = new();
            foreach (Mutant mutant in MutantBuild.All)
            {
                all.Add(mutant.Name, mutant.Seed);
            }

            return all;
        }
    }

    [Fact]
    public void There_are_twenty_at_least() => Assert.True(MutantBuild.All.Count >= 20);

    [Theory]
    [MemberData(nameof(Caught))]
    public void A_planted_bug_is_caught_on_its_seed(string name, int seed)
    {
        (int code, string said) = MutantBuild.Run(name, "--seed", Text(seed));
        Assert.True(code == 1, $"{name} is not caught on seed {seed}:\n{said}");
    }

    [Fact]
    public void Without_a_planted_bug_the_same_build_is_clean_on_each_of_these_seeds()
    {
        foreach (int seed in MutantBuild.All.Select(static mutant => mutant.Seed).Distinct())
        {
            (int code, string said) = MutantBuild.Run("", "--seed", Text(seed));
            Assert.True(code == 0, said);
        }
    }

    private static string Text(int seed) => seed.ToString(CultureInfo.InvariantCulture);
}
