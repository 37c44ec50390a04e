using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>Rule S13 on real processes: a pair without a witness.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class NoWitnessTests
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(7); // Longer than any grace.

    [Fact]
    public async Task A_killed_owner_is_taken_over_and_comes_back_as_partner()
    {
        await using PairRun pair = await StartAsync();
        JsonNode witness = pair.Node("a")["witness"]!;
        Assert.Equal("none", $"{witness["description"]}");
        Assert.Contains("a lost link starts no takeover", $"{witness["detail"]}");
        Assert.Contains("witness none: a lost link", pair.Ask("status").Out);
        await pair.OwnerIsKilledAndComesHomeAsync(
            () => Assert.Equal("PartnerExited", Reason(pair.Node("b"))));
    }

    [Fact]
    public async Task A_stopped_owner_is_not_taken_over_and_serves_on()
    {
        await using PairRun pair = await StartAsync();
        string file = pair.WriteBytes(8 << 20);
        int a = pair.Pid("a");
        PairRun.Signal(a, "STOP");
        try
        {
            await PairRun.UntilAsync(() => pair.Session("b") != "Ready", "b has lost a");
            await PairRun.HoldsAsync(() => IsPassive(pair), Pause, "b takes nothing over");
            Assert.Contains("a lost link starts no takeover", $"{pair.Volume("b")["why"]}");
            Assert.True(Other(pair, "b")["served"]!.GetValue<bool>(), "b goes on with its own");
        }
        finally
        {
            PairRun.Signal(a, "CONT");
        }

        await pair.InSyncAsync();
        Assert.Equal("a", $"{pair.Volume("a")["owner"]}");
        pair.Compare(file);
        pair.Compare(pair.WriteBytes(1 << 20, "later"));
    }

    [Fact]
    public async Task An_owner_stopped_for_long_and_then_killed_is_not_taken_over()
    {
        await using PairRun pair = await StartAsync();
        int a = pair.Pid("a");
        PairRun.Signal(a, "STOP");
        await PairRun.UntilAsync(() => pair.Session("b") != "Ready", "b has lost a");
        PairRun.Signal(a, "KILL"); // Its death ended no session: what it did, nobody saw.
        await PairRun.HoldsAsync(
            () => IsPassive(pair), TimeSpan.FromSeconds(2), "b takes nothing over");
        Assert.Equal(0, pair.Ask("start", "a").Code);
        await pair.InSyncAsync();
        Assert.Equal("a", $"{pair.Volume("b")["owner"]}");
    }

    [Theory]
    [InlineData("a", "b")]
    [InlineData("b", "a")]
    public async Task After_both_were_killed_the_one_that_went_alone_serves(
        string first, string second)
    {
        await using PairRun pair = await StartAsync();
        await pair.KillAsync("a");
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");
        string file = pair.WriteBytes(8 << 20);
        PairRun.Signal(pair.Pid("b"), "KILL");
        pair.Boot(first);
        await PairRun.UntilAsync(
            () => $"{pair.Node(first)["phase"]}" == "Serving"
                && (first == "a" || $"{pair.Volume("b")["state"]}" == "alone"), "the first");
        string state = first == "b" ? "alone" : "frozen";
        await PairRun.HoldsAsync(
            () => $"{pair.Volume(first)["state"]}" == state, TimeSpan.FromSeconds(1), state);
        pair.Boot(second);
        await pair.InSyncAsync();
        Assert.Equal("b", $"{pair.Volume("a")["owner"]}");
        pair.Compare(file);
    }

    [Fact]
    public async Task An_unreadable_record_means_no_takeover()
    {
        await using PairRun pair = await StartAsync();
        string record = Path.Combine(pair.Folder, "a", "data", "failover-group0.record");
        File.Move(record, record + ".away");
        PairRun.Signal(pair.Pid("a"), "KILL");
        await PairRun.UntilAsync(
            () => $"{pair.Volume("b")["why"]}".Contains("record does not allow a takeover"), "no");
        Assert.False(pair.Volume("b")["served"]!.GetValue<bool>());
        File.Move(record + ".away", record);
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "readable again");
    }

    private static async Task<PairRun> StartAsync()
    {
        PairRun pair = new();
        pair.Start("--witness", "none");
        await pair.InSyncAsync();
        return pair;
    }

    private static JsonNode Other(PairRun pair, string node) =>
        pair.Node(node)["volumes"]!.AsArray().Single(v => $"{v!["name"]}" == "vol1")!;

    private static string Reason(JsonObject node) => $"{node["partner"]!["lastEnd"]}" is { } end
        && end.Contains("PartnerExited") ? "PartnerExited" : $"{node["partner"]}";

    private static bool IsPassive(PairRun pair) =>
        !pair.Volume("b")["served"]!.GetValue<bool>() && $"{pair.Volume("b")["owner"]}" == "a";
}
