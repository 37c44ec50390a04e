using StorageOs.Storage.Tests.Model;

namespace StorageOs.Storage.Tests;

/// <summary>
/// A pair under random violence against a reference (L1, L2, L3, S6, S8, S11), one thread, one
/// seed. A failure names its seed and tells its story.
/// </summary>
public sealed class ModelTests
{
    private const int Seeds = 1_000;
    private const int RestlessSeeds = 60;

    [Fact]
    public void L1_L2_L3_S6_S8_S11_NothingAcknowledgedOrSeenIsLost() => RunAll(Seeds, false);

    /// <summary>The same, with clients that ask again from within all that they are
    /// told.</summary>
    [Fact]
    public void L1_L2_L3_S6_S8_S11_NorByWhatClientsDoFromWithinWhatTheyAreTold() =>
        RunAll(RestlessSeeds, restless: true);

    private static void RunAll(int seeds, bool restless)
    {
        int first = int.TryParse(
            Environment.GetEnvironmentVariable("STORAGEOS_SEED"), out int one) ? one : 0;
        int end = first != 0 ? first + 1 : seeds;
        for (int seed = first; seed < end; seed++)
        {
            Run(seed, restless);
        }
    }

    private static void Run(int seed, bool restless)
    {
        using Story story = new(seed, restless);
        try
        {
            story.Run(steps: 120);
        }
        catch (Exception failure)
        {
            throw new InvalidOperationException($"seed {seed}: {failure}\n{story.Told}", failure);
        }
    }
}
