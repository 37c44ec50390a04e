using System.Runtime.CompilerServices;
using Stateless;
using Stateless.Graph;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Simulation.Tests;

/// <summary>Handshake stories as a person can read them and a diff can review.</summary>
public sealed class Transcripts
{
    public static TheoryData<string> Names => new(Stories.Told.Keys);

    [Theory]
    [MemberData(nameof(Names))]
    public void StoryIsToldAsBefore(string name) => Matches(
        Path.Combine(Folder(), "Transcripts", name + ".txt"), Stories.Tell(Stories.Told[name]));

    [Fact]
    public void TheDiagramIsGeneratedFromTheTable() => Matches(
        Path.Combine(Folder(), "..", "..", "docs", "handshake.mmd"),
        MermaidGraph.Format(HandshakeTable.Build().GetInfo()));

    [Fact]
    public void EveryLegalMoveIsNeededByAStory()
    {
        // Who is ahead of whom depends on the seed, and some moves are made only by the one ahead.
        (Action<Simulator.SimulatedPair> Story, ulong Seed)[] stories =
        [
            .. Stories.Told.Values.Select(story => (story, 7ul)),
            .. Stories.Exits().Select(exit => (exit.Story, 7ul)),
            .. new ulong[] { 8, 9, 10, 11 }.SelectMany(seed => Stories.Exits()
                .Where(exit => exit.Name.EndsWith("AwaitConfirmed") || exit.Name.EndsWith("in Ports"))
                .Select(exit => (exit.Story, seed))),
        ];
        string[] told = [.. stories.Select(s => Stories.Tell(s.Story, seed: s.Seed))];
        Move[] idle = [.. HandshakeTable.Moves.Where(move => !stories.Index().Any(each =>
            Stories.Tell(each.Item.Story, () => Without(move), each.Item.Seed) != told[each.Index]))];
        Assert.Empty(idle);
    }

    private static StateMachine<HandshakeState, Trigger> Without(Move move) =>
        HandshakeTable.Build(HandshakeTable.Moves.Where(m => m != move));

    /// <summary>Compares with a file that a person reviews; STORAGEOS_ACCEPT=1 writes it.</summary>
    private static void Matches(string file, string actual)
    {
        actual = actual.ReplaceLineEndings("\n").TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable("STORAGEOS_ACCEPT") == "1")
        {
            _ = Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, actual);
        }

        Assert.True(File.Exists(file), $"{file} is missing; accept it with STORAGEOS_ACCEPT=1");
        Assert.Equal(File.ReadAllText(file), actual);
    }

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
