using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm;
using StorageOs.Simulator;

namespace StorageOs.Simulation.Tests;

/// <summary>Two connection managers, one thread, one seed each, with everything going wrong for a while.</summary>
public sealed class HandshakeSimulation
{
    private const int SeedsPerFault = 2_000;
    private static readonly TimeSpan FaultTime = TimeSpan.FromMilliseconds(200);

    // Slow retries (a refusal caused by garbage) and the largest pause, with room.
    private static readonly TimeSpan QuietTime = TimeSpan.FromSeconds(4);

    public static TheoryData<string> Faults => new("lost", "repeated", "late", "reboots", "everything");

    [Theory]
    [MemberData(nameof(Faults))]
    public void EveryPairIsReadyOnceFaultsStop(string kind)
    {
        for (ulong seed = 0; seed < SeedsPerFault; seed++)
        {
            Run(seed, kind, mutant: null);
        }
    }

    [Theory]
    [InlineData("status never says Seen")]
    [InlineData("clients never hear of the loss")]
    [InlineData("the second write is forgotten")]
    [InlineData("no word of the next edition")]
    public void APlantedBugIsCaught(string bug)
    {
        Exception? caught = null;
        for (ulong seed = 0; seed < 200 && caught is null; seed++)
        {
            caught = Record.Exception(() => Run(seed, "everything", (_, effect) => !Is(bug, effect)));
        }

        Assert.NotNull(caught);
    }

    private static bool Is(string bug, CcmEffect effect) => bug switch
    {
        "status never says Seen" =>
            effect is CcmEffect.PublishStatus { Word.Handshake: HandshakePhase.Seen },
        "clients never hear of the loss" => effect is CcmEffect.DropClient { Alerted: true },
        "the second write is forgotten" =>
            effect is CcmEffect.WriteInbox { Word.Level: InboxWord.Confirmed },
        "no word of the next edition" =>
            effect is CcmEffect.WriteInbox { Word.Level: InboxWord.Confirmed + 4 },
        _ => throw new ArgumentException(bug),
    };

    private static void Run(ulong seed, string kind, Func<SimulatedNode, CcmEffect, bool>? mutant)
    {
        var pair = new SimulatedPair(seed, FaultsOf(kind), mutant: mutant);
        try
        {
            pair.Start(pair.A, SimulatedPair.Client("alpha"), SimulatedPair.Client("only-a"));
            pair.Start(pair.B, SimulatedPair.Client("alpha"), SimulatedPair.Client("beta"));
            pair.Run(FaultTime, withFaults: true);
            pair.Run(TimeSpan.FromMilliseconds(300));
            if (!pair.BothReady)
            {
                pair.Run(QuietTime);
            }

            Assert.True(pair.BothReady, $"not ready: {pair.A.Core.State} {pair.B.Core.State}");
            Assert.Contains("alpha", pair.A.Alerted.Keys);
            Assert.Equal(pair.A.Alerted.Keys.Order(), pair.B.Alerted.Keys.Order());
            Assert.All(pair.A.Alerted.Values, session => Assert.Equal(pair.A.Core.Session, session));
        }
        catch (Exception failure) when (mutant is null)
        {
            string tail = pair.Transcript[^Math.Min(4000, pair.Transcript.Length)..];
            throw new InvariantException($"seed {seed}, {kind}: {failure.Message}\n{tail}");
        }
    }

    private static PairFaults FaultsOf(string kind) => kind switch
    {
        "lost" => new() { LoseOneIn = 20 },
        "repeated" => new() { RepeatOneIn = 3 },
        "late" => new() { StrikeAgainOneIn = 4, LoseOneIn = 60, DelayMicrosecondsMax = 4000 },
        "reboots" => new() { RebootOneIn = 15, LoseOneIn = 100 },
        _ => new()
        {
            LoseOneIn = 50,
            RepeatOneIn = 10,
            StrikeAgainOneIn = 20,
            RebootOneIn = 50,
            PauseOneIn = 60,
            ClientChangeOneIn = 30,
        },
    };
}
