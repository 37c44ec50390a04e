using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;
using StorageOs.Simulator;

namespace StorageOs.Simulation.Tests;

/// <summary>
/// A partner whose status page, outbox and words in our inbox are garbage: nothing of it ends the
/// connection manager, what is refused says what was expected and found, and a good boot of the
/// partner afterwards is ready as ever.
/// </summary>
public sealed class GarbageSimulation
{
    private const int Seeds = 1_000;
    private const int Turns = 200;
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan QuietTime = TimeSpan.FromSeconds(10);

    [Fact]
    public void GarbageIsRefusedAndAGoodBootIsReadyAfterwards()
    {
        int refused = 0;
        for (int seed = 0; seed < Seeds; seed++)
        {
            try
            {
                refused += Run(seed) ? 1 : 0;
            }
            catch (Exception failure)
            {
                throw new InvariantException($"seed {seed}: {failure}");
            }
        }

        // What looks torn is read again a thousand times before it is refused: most seeds end first.
        Assert.True(refused > 0, "no seed came to a refusal");
    }

    /// <summary>Whether anything was refused on the way.</summary>
    private static bool Run(int seed)
    {
        Random random = new(seed);
        SimulatedPair pair = new((ulong)seed, new());
        pair.Start(pair.A, SimulatedPair.Client("alpha"));
        pair.Start(pair.B, SimulatedPair.Client("alpha"));
        pair.Run(Turn * random.Next(1, 40));
        bool refused = false;
        for (int turn = 0; turn < Turns; turn++)
        {
            if (random.Next(4) == 0)
            {
                Spoil(pair, random);
            }

            pair.Run(Turn);
            if (pair.A.Core.Refusal is { } refusal)
            {
                refused = true;
                Assert.NotEmpty(refusal.Subject);
                Assert.NotEmpty(refusal.Expected);
                Assert.NotEqual(refusal.Expected, refusal.Actual);
            }
        }

        pair.Reboot(pair.B, SimulatedPair.Client("alpha"));
        bool ready = pair.RunUntil(() => pair.BothReady, QuietTime);
        Assert.True(ready, $"not ready: {pair.A.Core.State} {pair.A.Core.Detail}"
            + $" / {pair.B.Core.State} {pair.B.Core.Detail}");
        return refused;
    }

    private static void Spoil(SimulatedPair pair, Random random)
    {
        switch (random.Next(6))
        {
            case 0:
                pair.A.Inbox = AnyWord(random);
                break;
            case 1:
                InboxWord word = InboxWord.Unpack(pair.A.Inbox);
                pair.A.Inbox = (word with { Level = (uint)random.Next(80) }).Packed;
                break;
            case 2:
                pair.B.Damage(8 * random.Next(StatusPage.IdentityBytes / 8), AnyWord(random));
                break;
            case 3:
                pair.B.Damage(StatusPage.StatusOffset + (8 * random.Next(3)), AnyWord(random));
                break;
            default:
                SpoilRecord(pair.B, random);
                break;
        }
    }

    /// <summary>Sequences, the length, the checksum or the first bytes of a payload.</summary>
    private static void SpoilRecord(SimulatedNode node, Random random)
    {
        int slot = StatusPage.SlotOffset((ulong)random.Next(StatusPage.SlotCount));
        int offset = random.Next(8) == 0 ? StatusPage.SlotBytes - 8 : 8 * random.Next(8);
        node.Damage(slot + offset, AnyWord(random));
    }

    private static ulong AnyWord(Random random) => random.Next(5) switch
    {
        0 => 0,
        1 => ulong.MaxValue,
        2 => 0x7fff_ffff, // The largest length there is.
        3 => 0x8000_0000, // A negative one.
        _ => (ulong)random.NextInt64(),
    };
}
