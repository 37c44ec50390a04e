using System.Globalization;
using Xunit.Sdk;

namespace Sample.ObjectGateway.Tests;

/// <summary>What was acknowledged is there after any crash, and what was not is whole or absent.
/// </summary>
public sealed class CrashTests
{
    private const int Lives = 8;

    /// <summary>STORAGEOS_SEED runs one seed alone, OBJECTS_SEEDS more of them.</summary>
    [Fact]
    public void Nothing_acknowledged_is_lost_or_torn()
    {
        int? only = Number("STORAGEOS_SEED");
        int first = only ?? 1;
        int last = only ?? Number("OBJECTS_SEEDS") ?? 20;
        (int acknowledged, ulong checkpoints, int full) = (0, 0, 0);
        for (int seed = first; seed <= last; seed++)
        {
            try
            {
                World world = new(seed);
                for (int life = 0; life < Lives; life++)
                {
                    world.Live();
                }

                acknowledged += world.Acknowledged;
                checkpoints += world.Checkpoints;
                full += world.Full;
            }
            catch (Exception wrong)
            {
                throw new XunitException($"seed {seed}: {wrong}");
            }
        }

        // It proves little unless all of this has happened.
        Assert.True(
            only is not null || (acknowledged > 100 * last && checkpoints > 2UL * (ulong)last
                && full > 0),
            $"{acknowledged} acknowledged, {checkpoints} checkpoints, {full} refused");
    }

    private static int? Number(string name) =>
        Environment.GetEnvironmentVariable(name) is { } text
            ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
