using System.Diagnostics;
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
        string file = pair.WriteBytes(8 << 20);
        Signal(pair.Pid("a"), "KILL");
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");
        Assert.Equal("PartnerExited", Reason(pair.Node("b")));
        pair.Compare(file);
        file = pair.WriteBytes(4 << 20, "later");
        Assert.Equal(0, pair.Ask("start", "a").Code);
        await pair.InSyncAsync();
        Assert.Equal("b", $"{pair.Volume("a")["owner"]}");
        Assert.Equal(0, pair.Ask("takeover", "--node", "a", "--group", "0").Code);
        await PairRun.UntilAsync(
            () => pair.Volume("a")["served"]!.GetValue<bool>(), "home again, renounced by b");
        pair.Compare(file);
    }

    [Fact]
    public async Task A_stopped_owner_is_not_taken_over_and_serves_on()
    {
        await using PairRun pair = await StartAsync();
        string file = pair.WriteBytes(8 << 20);
        int a = pair.Pid("a");
        Signal(a, "STOP");
        try
        {
            long from = Stopwatch.GetTimestamp();
            await PairRun.UntilAsync(() => pair.Session("b") != "Ready", "b has lost a");
            while (Stopwatch.GetElapsedTime(from) < Pause)
            {
                JsonNode volume = pair.Volume("b");
                Assert.False(volume["served"]!.GetValue<bool>(), $"{volume}");
                Assert.Equal("a", $"{volume["owner"]}");
                await Task.Delay(TimeSpan.FromMilliseconds(50));
            }

            Assert.Contains("a lost link starts no takeover", $"{pair.Volume("b")["why"]}");
            Assert.True(Other(pair, "b")["served"]!.GetValue<bool>(), "b goes on with its own");
        }
        finally
        {
            Signal(a, "CONT");
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
        Signal(a, "STOP");
        await PairRun.UntilAsync(() => pair.Session("b") != "Ready", "b has lost a");
        Signal(a, "KILL"); // Its death ended no session: what it did meanwhile, nobody saw.
        await Task.Delay(TimeSpan.FromSeconds(2));
        Assert.False(pair.Volume("b")["served"]!.GetValue<bool>());
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
        Signal(pair.Pid("a"), "KILL");
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");
        string file = pair.WriteBytes(8 << 20);
        Signal(pair.Pid("b"), "KILL");
        pair.Boot(first);
        await PairRun.UntilAsync(
            () => $"{pair.Node(first)["phase"]}" == "Serving"
                && (first == "a" || $"{pair.Volume("b")["state"]}" == "alone"), "the first");
        await Task.Delay(TimeSpan.FromSeconds(1));
        Assert.Equal(first == "b" ? "alone" : "frozen", $"{pair.Volume(first)["state"]}");
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
        Signal(pair.Pid("a"), "KILL");
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

    private static void Signal(int pid, string signal) =>
        Assert.Equal(0, PairRun.Run("kill", $"-{signal}", $"{pid}").Code);
}
