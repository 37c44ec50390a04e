using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>
/// S9 to S11 on real processes: a lone owner that is killed in mid-write forgets no change, its
/// partner is given these and no more, and both disks are the same at the end.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class ResyncPairTests
{
    private const int WrittenBytes = 32 << 20;
    private const int AreaBytes = 4 << 20; // Where a lone owner's clients write.

    [Fact]
    public async Task S9_What_a_lone_owner_wrote_when_it_was_killed_is_all_that_is_copied()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        _ = pair.WriteBytes(WrittenBytes);
        await PairRun.UntilAsync(() => FlushedOnBoth(pair), "all on both disks");
        Kill(pair, "b");
        await PairRun.UntilAsync(() => State(pair, "a") == "alone", "the owner alone");
        using (Process writer = Writer(pair))
        {
            await PairRun.UntilAsync(() => ChangedBytes(pair, "a") >= AreaBytes / 2, "changes");
            Assert.False(writer.HasExited); // In mid-write.
            Kill(pair, "a");
            writer.Kill();
            await writer.WaitForExitAsync();
        }

        Assert.Equal(0, pair.Ask("start").Code);
        await pair.InSyncAsync();
        JsonNode resync = Group(pair, "a")["lastResync"]!;
        Assert.Equal("Changes", $"{resync["kind"]}");
        Assert.Equal("true", $"{resync["good"]}");
        Assert.Equal(0, Number(resync["mismatches"]));
        Assert.InRange(Number(resync["bytesDone"]), AreaBytes / 2, AreaBytes);
        Assert.True(Number(resync["bytesCompared"]) >= Number(resync["bytesDone"]));
        await SameDisksAsync(pair);
    }

    [Fact]
    public async Task S11_A_record_that_was_spoiled_is_not_believed_and_status_says_why()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        _ = pair.WriteBytes(WrittenBytes);
        await PairRun.UntilAsync(() => FlushedOnBoth(pair), "all on both disks");
        Kill(pair, "b");
        await PairRun.UntilAsync(() => State(pair, "a") == "alone", "the owner alone");
        string file = pair.WriteBytes(AreaBytes, "more");
        await PairRun.UntilAsync(() => ChangedBytes(pair, "a") >= AreaBytes, "changes");
        await PairRun.UntilAsync(() => Flushed(pair, "a"), "all on the owner's disk");
        Kill(pair, "a");
        string record = Path.Combine(pair.Folder, "a", "data", "volumes", "group0.changes");
        byte[] bytes = File.ReadAllBytes(record);
        bytes[4096 + 16] ^= 2; // A granule of the first page.
        File.WriteAllBytes(record, bytes);
        Assert.Equal(0, pair.Ask("start").Code);
        await pair.InSyncAsync();
        JsonNode resync = Group(pair, "a")["lastResync"]!;
        Assert.Contains("page 0 of the record of changes is damaged", $"{resync["why"]}");
        Assert.Equal(64 << 20, Number(resync["bytesCompared"]));
        Assert.Contains("is damaged", pair.Log("a"));
        pair.Compare(file);
        await SameDisksAsync(pair);
    }

    private static void Kill(PairRun pair, string node)
    {
        using Process process = Process.GetProcessById(pair.Pid(node));
        process.Kill();
        process.WaitForExit();
    }

    /// <summary>Writes 4 KiB here and there in the area until it is killed.</summary>
    private static Process Writer(PairRun pair) => Process.Start(new ProcessStartInfo("fio", [
        "--name=lone", "--ioengine=nbd", $"--uri={pair.Uri}", "--rw=randwrite", "--bs=4k",
        $"--size={AreaBytes}", "--iodepth=8", "--time_based", "--runtime=60", "--randrepeat=0"])
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    private static JsonNode Group(PairRun pair, string node) =>
        pair.Node(node)["sections"]?["ownership"]?["groups"]?[0] ?? new JsonObject();

    private static string State(PairRun pair, string node) => $"{Group(pair, node)["state"]}";

    private static long Number(JsonNode? value) =>
        long.Parse($"{value}", CultureInfo.InvariantCulture);

    private static long ChangedBytes(PairRun pair, string node) =>
        Number(pair.Node(node)["sections"]?["volumes"]?[0]?["changedBytes"] ?? "0");

    private static bool Flushed(PairRun pair, string node)
    {
        JsonNode? log = pair.Node(node)["sections"]?["log"]?[0];
        return log is not null && $"{log["flushed"]}" == $"{log["acknowledged"]}";
    }

    /// <summary>As the owner knows it: what it does not know flushed counts as changed.</summary>
    private static bool FlushedOnBoth(PairRun pair)
    {
        JsonNode? log = pair.Node("a")["sections"]?["log"]?[0];
        return log is not null && $"{log["flushedOnBoth"]}" == $"{log["acknowledged"]}";
    }

    private static async Task SameDisksAsync(PairRun pair)
    {
        foreach (string node in new[] { "a", "b" })
        {
            await PairRun.UntilAsync(() => Flushed(pair, node), $"{node} has moved all to disk");
        }

        byte[][] disks = [.. new[] { "a", "b" }.Select(node => File.ReadAllBytes(
            Path.Combine(pair.Folder, node, "data", "volumes", "vol0.img")))];
        Assert.True(disks[0].AsSpan().SequenceEqual(disks[1]), "the disks differ");
    }
}
