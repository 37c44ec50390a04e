using System.Globalization;
using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>A disk that changes what it holds, and who notices.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class ScrubPairTests
{
    private const int WrittenBytes = 16 << 20;
    private const int SpoiledAt = 5 << 20;

    [Fact]
    public async Task What_a_partners_disk_has_lost_is_found_and_repaired()
    {
        await using PairRun pair = await StartAsync();
        string file = pair.WriteBytes(WrittenBytes);
        await PassAsync(pair); // What both hold is known from here on.
        await SpoilAsync(pair, "b");
        await PassAsync(pair);
        Assert.Equal(1, Scrub(pair, "repaired"));
        Assert.Equal(0, Scrub(pair, "unresolved"));
        await PassAsync(pair);
        Assert.Equal(1, Scrub(pair, "repaired"));

        // A takeover reads from the disk that was repaired.
        await pair.KillAsync("a");
        await PairRun.UntilAsync(() => $"{pair.Volume("b")["state"]}" == "alone", "b serves");
        pair.Compare(file);
    }

    [Fact]
    public async Task Without_a_checksum_of_before_a_difference_is_reported_and_nothing_changed()
    {
        await using PairRun pair = await StartAsync();
        _ = pair.WriteBytes(WrittenBytes);
        await SpoilAsync(pair, "b");
        await PassAsync(pair);
        Assert.Equal(0, Scrub(pair, "repaired"));
        Assert.Equal(1, Scrub(pair, "unresolved"));
        JsonNode where = Report(pair)["unresolvedAt"]![0]!;
        Assert.Equal("vol0", $"{where["volume"]}");
        long offset = Number(where["offset"]);
        Assert.InRange(SpoiledAt, offset, offset + Number(where["length"]) - 1);
        Assert.Contains("nobody knows which is right", pair.Log("a"));
    }

    private static async Task<PairRun> StartAsync()
    {
        PairRun pair = new();
        pair.Make();
        foreach (string node in new[] { "a", "b" })
        {
            pair.Configure(node, static settings =>
            {
                JsonNode plugins = settings["plugins"]!;
                plugins["settings"] ??= new JsonObject();
                plugins["settings"]!["volumes"] ??= new JsonObject();
                plugins["settings"]!["volumes"]!["scrub"] =
                    new JsonObject { ["bytesPerSecond"] = 256 << 20 };
            });
            pair.Boot(node);
        }

        await pair.InSyncAsync();
        return pair;
    }

    /// <summary>Turns one bit over in a node's file of the volume, once all is in it.</summary>
    private static async Task SpoilAsync(PairRun pair, string node)
    {
        await PairRun.UntilAsync(
            () => pair.Node("a")["sections"]!["log"]![0] is { } log
                && $"{log["flushedOnBoth"]}" == $"{log["acknowledged"]}", "all on both disks");
        string path = Path.Combine(pair.Folder, node, "data", "volumes", "vol0.img");
        using FileStream disk = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        disk.Position = SpoiledAt;
        int old = disk.ReadByte();
        disk.Position = SpoiledAt;
        disk.WriteByte((byte)(old ^ 1));
    }

    private static async Task PassAsync(PairRun pair)
    {
        // There is nothing to begin before the owner has looked at what it owns.
        await PairRun.UntilAsync(() => $"{Report(pair)["state"]}" == "Waiting", "it may begin");
        long passes = Scrub(pair, "passes");
        Assert.Equal(0, pair.Ask("scrub").Code);
        await PairRun.UntilAsync(() => Scrub(pair, "passes") > passes, "a pass");
    }

    private static long Scrub(PairRun pair, string what) => Number(Report(pair)[what]);

    private static JsonNode Report(PairRun pair) =>
        pair.Node("a")["sections"]!["volumes"]![0]!["scrub"]!;

    private static long Number(JsonNode? value) =>
        long.Parse($"{value}", CultureInfo.InvariantCulture);
}
