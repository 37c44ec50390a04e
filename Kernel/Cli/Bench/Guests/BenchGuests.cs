using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// A pair of guests of its own in a temporary directory, with what ours is measured beside, for as
/// long as something is measured.
/// </summary>
internal sealed class BenchGuests : IAsyncDisposable
{
    /// <summary>Size of each volume, and of each device of the peers.</summary>
    internal const long VolumeBytes = 64L * Size.MiB;

    private const string Probe = "/usr/lib/storageos/bench/GuestProbe";
    private const string Plugins = "/usr/lib/storageos/plugins";
    private const int SettleTriesMax = 10;
    private static readonly TimeSpan BootTimeMax = TimeSpan.FromMinutes(4);
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(2);

    private BenchGuests(PairLayout layout) => Layout = layout;

    /// <summary>Its files.</summary>
    internal PairLayout Layout { get; }

    /// <summary>What its nodes were made with.</summary>
    internal GuestSettings Settings => Layout.Guests!;

    /// <summary>Makes one; nothing of it runs yet.</summary>
    internal static async Task<BenchGuests> MakeAsync(CancellationToken cancellation)
    {
        ImageFiles.Require();
        if (await ImageFiles.RunAsync("bench-overlay", [], cancellation) != 0)
        {
            throw new RefusedException(new Refusal(
                "bench --guests", "image/bench-overlay to pack what guests need", "it failed",
                "see what it said above"));
        }

        GuestSettings settings = await ImageCommand.SettingsAsync(
            "verbs", VolumeBytes, DrillCommand.FreePorts(), cancellation);
        settings = settings with
        {
            Overlay = Path.Combine(ImageFiles.Folder, "bench.cpio"),
            PluginFolders = [Plugins, Probe],
            Spares = PeerDevices.Partitions,
        };
        string folder = Directory.CreateTempSubdirectory("storageos-bench-").FullName;
        return new BenchGuests(await GuestPair.MakeAsync(folder, settings, cancellation));
    }

    /// <summary>The shell of a guest.</summary>
    internal GuestShell Shell(string name) =>
        new(Layout, name);

    /// <summary>Asks a node to do something.</summary>
    internal Task<JsonNode?> AskAsync(
        string name, string command, JsonObject arguments, CancellationToken cancellation) =>
        NodeClient.AskAsync(
            Layout.Socket(name), command, arguments, AnswerTimeMax, cancellation);

    /// <summary>
    /// Waits until both copies of both groups are good and vol0 is served by a node, asked for it
    /// if need be. Returns what <see cref="ReadyAsync"/> says.
    /// </summary>
    internal async Task<string> InSyncAsync(string owner, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(LookAgain);
        for (long from = Stopwatch.GetTimestamp(); ;)
        {
            (string sessions, string lacks) = await ReadyAsync(owner, cancellation);
            if (lacks.Length == 0)
            {
                return sessions;
            }

            if (Stopwatch.GetElapsedTime(from) > BootTimeMax)
            {
                throw new RefusedException(new Refusal(
                    "bench --guests", $"a pair in sync within {BootTimeMax.TotalMinutes} minutes",
                    lacks, $"see {Layout.Log("a")} and {Layout.Log("b")}"));
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }
    }

    /// <summary>
    /// Waits until the pair has been in sync in one session for a while, and served by a node.
    /// Returns what <see cref="ReadyAsync"/> says.
    /// </summary>
    internal async Task<string> SettledAsync(string owner, CancellationToken cancellation)
    {
        for (int tries = 0; tries < SettleTriesMax; tries++)
        {
            string sessions = await InSyncAsync(owner, cancellation);
            await BenchPair.WaitAsync(Settling, cancellation);
            if (await ReadyAsync(owner, cancellation) == (sessions, ""))
            {
                return sessions;
            }
        }

        throw new RefusedException(new Refusal(
            "bench --guests", $"a pair in sync for {Settling.TotalSeconds} s",
            await ViewsAsync(PairLayout.Names, cancellation)));
    }

    /// <summary>
    /// Which session each node is in, as a text to compare with a later one, and what keeps vol0
    /// from being served by a node with both copies good; empty when nothing does.
    /// </summary>
    internal async Task<(string Sessions, string Lacks)> ReadyAsync(
        string owner, CancellationToken cancellation)
    {
        PairStatus status = await PairStatus.AskAsync(Layout, cancellation);
        string sessions = string.Join(' ', status.Nodes.Select(
            static node => $"{node["name"]}:{node["session"]?["count"]}"));
        if (status.Lacks.Count > 0)
        {
            return (sessions, string.Join("; ", status.Lacks));
        }

        if (!status.Nodes.All(IsInSync))
        {
            return (sessions, "a copy is not in sync yet");
        }

        if (status.Nodes.Any(node => $"{node["name"]}" == owner
            && $"{node["volumes"]![0]!["state"]}" == "mirrored"))
        {
            return (sessions, "");
        }

        await TakeHomeAsync(owner, cancellation);
        return (sessions, $"vol0 is on its way to {owner}");
    }

    /// <summary>How the nodes see each other, for a measurement that failed; in words.</summary>
    internal async Task<string> ViewsAsync(
        IEnumerable<string> names, CancellationToken cancellation)
    {
        List<string> views = [];
        foreach (string name in names)
        {
            JsonObject node = await NodeClient.StatusAsync(
                name, Layout.Socket(name), cancellation);
            JsonNode? partner = node["partner"];
            views.Add($"{name}: session {node["session"]?["count"]} "
                + $"{node["session"]?["state"]} {node["session"]?["reason"]}, "
                + $"last end {partner?["lastEnd"]}, "
                + $"largest gap {partner?["largestBeatGapMs"]} of {partner?["beatLimitMs"]} ms, "
                + $"vol0 {node["volumes"]?[0]?["state"]} {node["volumes"]?[0]?["waits"]}");
        }

        return string.Join("; ", views);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (string name in PairLayout.Names)
        {
            if (GuestProcess.Find(Layout, name) is { } pid)
            {
                NodeProcess.Kill(pid);
                _ = await NodeProcess.HasEndedAsync(pid, BootTimeMax, CancellationToken.None);
            }
        }

        GuestProcess.EndForwarder(Layout);
        Layout.Delete();
    }

    private static bool IsInSync(JsonObject node) =>
        node["volumes"] is JsonArray { Count: > 0 } volumes
        && volumes.All(volume => $"{volume?["sync"]}" == "InSync"
            && $"{volume?["state"]}" is "mirrored" or "passive");

    // Refused while something is on its way; the caller looks again.
    private async Task TakeHomeAsync(string owner, CancellationToken cancellation)
    {
        try
        {
            _ = await AskAsync(
                owner, "takeover", new JsonObject { ["group"] = 0 }, cancellation);
        }
        catch (RefusedException)
        {
            return;
        }
    }
}
