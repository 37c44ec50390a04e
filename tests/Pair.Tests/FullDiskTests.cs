using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>
/// A data directory on a small file system of its own, filled by a client's writes.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class FullDiskTests
{
    private const int WrittenBytes = 128 << 20; // More than the log and the small disk together.
    private const long VolumeBytes = 160L << 20;

    [Theory]
    [InlineData("a")] // The owner's disk.
    [InlineData("b")] // The partner's.
    public async Task Writes_stop_nothing_acknowledged_is_lost_and_room_brings_the_service_back(
        string node)
    {
        await using PairRun pair = new();
        pair.Make(VolumeBytes);
        string data = Path.Combine(pair.Folder, node, "data");
        Directory.CreateDirectory(data);
        AsRoot("mount", "-t", "tmpfs", "-o", "size=24M", "storageos-test", data);
        try
        {
            await FillAsync(pair, node, data);
        }
        finally
        {
            _ = pair.Ask("stop", "--kill");
            AsRoot("umount", data);
        }
    }

    private static async Task FillAsync(PairRun pair, string node, string data)
    {
        pair.Boot("a");
        pair.Boot("b");
        await pair.InSyncAsync();
        string file = Path.Combine(Path.GetDirectoryName(pair.Folder)!, "bytes");
        File.WriteAllBytes(file, RandomNumberGenerator.GetBytes(WrittenBytes));
        using Process copy = Process.Start("nbdcopy", [file, pair.Uri]);
        await PairRun.UntilAsync(
            () => $"{pair.Volume(node)["waits"]}".Contains("no space on this node's disk"),
            "a clear state");

        // The log fills and pushes back; the client waits and is not told of any error.
        await PairRun.UntilAsync(
            () => LogFill(pair, "a") is var fill && fill > 56 << 20 && fill == LogFill(pair, "a"),
            "the log pushes back");
        Assert.False(copy.HasExited);
        var (code, output, _) = pair.Ask("status");
        Assert.Equal(3, code); // Degraded, and why is said to whoever looks.
        Assert.Contains("no space", output);
        foreach (string each in new[] { "a", "b" })
        {
            Assert.Equal("Ready", pair.Session(each));
            Assert.Equal("Serving", $"{pair.Node(each)["phase"]}");
        }

        AsRoot("mount", "-o", "remount,size=200M", data);
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(40));
        await copy.WaitForExitAsync(limit.Token);
        Assert.Equal(0, copy.ExitCode);
        pair.Compare(file);
        await pair.InSyncAsync();
        Assert.Equal("", $"{pair.Volume(node)["waits"]}");

        // What the small disk missed meanwhile is there, too.
        string other = node == "a" ? "b" : "a";
        Assert.Equal(0, pair.Ask("stop", other, "--kill").Code);
        await PairRun.UntilAsync(
            () => pair.Volume(node)["served"]?.GetValue<bool>() == true, $"{node} serves alone");
        pair.Compare(file);
    }

    private static long LogFill(PairRun pair, string node) =>
        pair.Node(node)["sections"]!["volumes"]!.AsArray()
            .First(volume => $"{volume!["name"]}" == "vol0")!["logFillBytes"]!.GetValue<long>();

    private static void AsRoot(params string[] command)
    {
        string[] all = Environment.IsPrivilegedProcess ? command : ["sudo", "-n", .. command];
        var (code, output, error) = PairRun.Run(all[0], all[1..]);
        Assert.True(code == 0, $"{string.Join(' ', all)}: exit {code}: {output}{error}");
    }
}
