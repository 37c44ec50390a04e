using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>Rule S12: the operator's word, and what it costs.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class ForceTests
{
    [Theory]
    [InlineData("file")]
    [InlineData("none")]
    [Raises("takeover-forced")]
    public async Task A_stale_partner_serves_only_by_force_and_the_former_owner_is_copied_to(
        string witness)
    {
        await using PairRun pair = new();
        pair.Start("--witness", witness);
        await pair.InSyncAsync();
        pair.WriteBytes(2 << 20, "both-have-it");
        Kill(pair, "b");
        await PairRun.UntilAsync(() => $"{pair.Volume("a")["state"]}" == "alone", "a goes alone");
        pair.WriteBytes(4 << 20, "only-a-has-it");
        Kill(pair, "a");
        pair.Boot("b");
        await PairRun.UntilAsync(() => $"{pair.Node("b")["phase"]}" == "Serving", "b is up");
        if (witness == "none")
        {
            // Nobody has told b that it is stale: it may not take over, and a force outranks a.
            Assert.Contains("(S13)", $"{pair.Volume("b")["why"]}");
        }
        else
        {
            await PairRun.UntilAsync(
                () => $"{pair.Volume("b")["why"]}".StartsWith("stale since"), "b is stale");
        }

        Assert.False(pair.Volume("b")["served"]!.GetValue<bool>());
        Assert.NotEqual(0, Take(pair).Code);
        ulong term = TermAt(pair, "b");
        var (code, output, error) = Take(pair, "--force", "--term", $"{term + 1}");
        Assert.True(code == 1, output + error);
        Assert.Contains($"term {term}", error);
        Assert.False(pair.Volume("b")["served"]!.GetValue<bool>());

        (code, output, error) = Take(pair, "--force", "--term", $"{term}");
        Assert.True(code == 0, output + error);
        Assert.Contains("may be lost: ", output);
        Assert.Contains("after LSN", output);
        pair.NoteEvents();
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b by force");
        string file = pair.WriteBytes(3 << 20, "after-the-force");
        pair.Boot("a");
        await pair.InSyncAsync();
        Assert.Equal("b", $"{pair.Volume("a")["owner"]}");
        pair.Compare(file);
        Assert.Equal(0, pair.Ask("takeover", "--node", "a", "--group", "0").Code);
        await PairRun.UntilAsync(
            () => pair.Volume("a")["served"]!.GetValue<bool>(), "a serves what it was given");
        pair.Compare(file);
    }

    private static (int Code, string Out, string Error) Take(
        PairRun pair, params string[] more) =>
        pair.Ask(["takeover", "--node", "b", "--group", "0", .. more]);

    private static ulong TermAt(PairRun pair, string node) =>
        pair.Node(node)["sections"]!["ownership"]!["groups"]![0]!["term"]!.GetValue<ulong>();

    private static void Kill(PairRun pair, string node) =>
        PairRun.Signal(pair.Pid(node), "KILL");
}
