using System.Diagnostics;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Cli.Chaos;

/// <summary>What is done to a pair.</summary>
internal enum ChaosFault
{
    /// <summary>A node's process is killed.</summary>
    Kill,

    /// <summary>Both are.</summary>
    KillBoth,

    /// <summary>A node's process is stopped by a signal and goes on later.</summary>
    Pause,

    /// <summary>A node is stopped in good order.</summary>
    Stop,

    /// <summary>A node is asked to take a group over.</summary>
    Takeover,

    /// <summary>A node is asked to take the group home that is at home there.</summary>
    Giveback,

    /// <summary>The register's directory is gone.</summary>
    WitnessLost,

    /// <summary>A node's disk has no room.</summary>
    DiskFull,

    /// <summary>More is written at once than the log holds.</summary>
    LogFull,
}

/// <summary>A pair of its own, and what can be done to it. One caller at a time.</summary>
internal sealed class ChaosPair : IAsyncDisposable
{
    /// <summary>
    /// Size of each volume; blocks that are checked are never in its flooded part.
    /// </summary>
    public const long VolumeBytes = 128L * Size.MiB;

    /// <summary>Start of a volume that a flood of writes goes to.</summary>
    public const long FloodBytes = 16L * Size.MiB;

    private const int LogBytes = 2 * Size.MiB; // Small, so that it can be filled.
    private const string DiskMiB = "320";
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan FloodTime = TimeSpan.FromMilliseconds(400);
    private readonly Dictionary<string, int> pids = [];
    private readonly HashSet<string> paused = [];
    private readonly HashSet<string> full = [];
    private readonly List<string> mounts = [];
    private bool witnessAway;

    private ChaosPair(PairLayout layout, int port) => (Layout, Port) = (layout, port);

    /// <summary>Its files.</summary>
    public PairLayout Layout { get; }

    /// <summary>Port of vol0's service address; vol1 has the next.</summary>
    public int Port { get; }

    /// <summary>
    /// Whether disks can be filled: each needs a file system of its own, which root makes.
    /// </summary>
    public bool DisksCanFill => mounts.Count > 0;

    /// <summary>Makes one and starts it.</summary>
    public static async Task<ChaosPair> StartAsync(
        string transport, CancellationToken cancellation)
    {
        string folder = Directory.CreateTempSubdirectory("storageos-chaos-").FullName;
        ChaosPair pair = new(PairLayout.At(folder), DrillCommand.FreePorts());
        try
        {
            pair.Layout.Make(new PairOptions(
                transport, [NodeConfiguration.BuiltPlugins], VolumeBytes, pair.Port)
            {
                MoreSettings = new()
                {
                    ["nvram-mirror"] = new JsonObject { ["logBytes"] = LogBytes },
                },
            });
            await pair.MountAsync(cancellation);
            await pair.HealAsync(cancellation);
            string lacks = await pair.InSyncAsync(EndTimeMax, cancellation);
            return lacks.Length == 0 ? pair : throw new RefusedException(new Refusal(
                "chaos", "a pair that is ready", lacks));
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>Nodes that run and are not paused.</summary>
    public IReadOnlyList<string> Awake =>
        [.. PairLayout.Names.Where(name => Runs(name) && !paused.Contains(name))];

    /// <summary>Does it.</summary>
    /// <param name="fault">What.</param>
    /// <param name="node">To whom, where it happens to a node; it is awake.</param>
    /// <param name="group">Which group, where one is moved or flooded.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>What came of it, for the timeline.</returns>
    public Task<string> StrikeAsync(
        ChaosFault fault, string node, int group, CancellationToken cancellation) => fault switch
        {
            ChaosFault.Kill => KillAsync([node], cancellation),
            ChaosFault.KillBoth => KillAsync(PairLayout.Names, cancellation),
            ChaosFault.Pause => PauseAsync(node, cancellation),
            ChaosFault.Stop => StopAsync(node, cancellation),
            ChaosFault.Takeover => TakeoverAsync(node, group, cancellation),
            ChaosFault.Giveback => TakeoverAsync(node, PairLayout.HomeGroup(node), cancellation),
            ChaosFault.WitnessLost => Task.FromResult(MoveWitness(away: true)),
            ChaosFault.DiskFull => Task.FromResult(FillDisk(node)),
            _ => FloodAsync(group, cancellation),
        };

    /// <summary>Undoes all that lasts.</summary>
    public async Task HealAsync(CancellationToken cancellation)
    {
        foreach (string name in paused)
        {
            _ = Libc.kill(pids[name], Libc.SIGCONT);
        }

        paused.Clear();
        _ = MoveWitness(away: false);
        foreach (string name in full)
        {
            File.Delete(Ballast(name));
        }

        full.Clear();
        foreach (string name in PairLayout.Names.Where(name => !Runs(name)))
        {
            pids[name] = await NodeProcess.StartAsync(Layout, name, cancellation);
        }
    }

    /// <summary>Waits until both copies of both groups are good.</summary>
    /// <returns>What is missing when the limit is over; empty when nothing is.</returns>
    public async Task<string> InSyncAsync(TimeSpan limit, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(50));
        for (long from = Stopwatch.GetTimestamp(); ;)
        {
            string lacks = await LacksAsync(cancellation);
            if (lacks.Length == 0 || Stopwatch.GetElapsedTime(from) > limit)
            {
                return lacks;
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }
    }

    /// <summary>Asks a node to serve all groups.</summary>
    public async Task TakeAllAsync(string node, CancellationToken cancellation)
    {
        foreach (int group in new[] { 0, 1 })
        {
            _ = await AskTakeoverAsync(node, group, cancellation);
        }
    }

    /// <summary>How often a node took over from a partner that had lived on.</summary>
    public async Task<int> FalseTakeoversAsync(CancellationToken cancellation)
    {
        PairStatus status = await PairStatus.AskAsync(Layout, cancellation);
        return status.Nodes.Sum(node =>
            node["sections"]?["ownership"]?["falseTakeovers"]?.GetValue<int>() ?? 0);
    }

    /// <summary>Ends the nodes and keeps the files when they are to be looked at.</summary>
    public bool Keep { get; set; }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync(PairLayout.Names, CancellationToken.None);
        if (Keep)
        {
            return;
        }

        foreach (string mount in mounts)
        {
            await RunAsync("umount", [mount], CancellationToken.None);
        }

        Layout.Delete();
    }

    private async Task<string> LacksAsync(CancellationToken cancellation)
    {
        PairStatus status = await PairStatus.AskAsync(Layout, cancellation);
        IEnumerable<string> volumes = status.Nodes.SelectMany(node =>
            (node["volumes"] as JsonArray ?? [])
                .Where(static volume => $"{volume?["sync"]}" != "InSync")
                .Select(v => $"{node["name"]}'s {v?["name"]} is {v?["sync"]}: {v?["why"]}"));
        return string.Join("; ", status.Lacks.Concat(volumes));
    }

    /// <summary>
    /// Gives each node's data a small file system of its own, so that one can be filled.
    /// </summary>
    private async Task MountAsync(CancellationToken cancellation)
    {
        foreach (string name in Environment.IsPrivilegedProcess ? PairLayout.Names : [])
        {
            string data = DataFolder(name);
            Directory.CreateDirectory(data);
            await RunAsync(
                "mount", ["-t", "tmpfs", "-o", $"size={DiskMiB}M", "storageos-chaos", data],
                cancellation);
            mounts.Add(data);
        }
    }

    private static async Task RunAsync(
        string program, string[] arguments, CancellationToken cancellation)
    {
        using Process process = Process.Start(program, arguments);
        await process.WaitForExitAsync(cancellation);
        if (process.ExitCode != 0)
        {
            throw new RefusedException(new Refusal(
                $"{program} {string.Join(' ', arguments)}", "exit code 0", $"{process.ExitCode}"));
        }
    }

    private string DataFolder(string name) => Path.GetDirectoryName(Layout.Lock(name))!;

    private string Ballast(string name) => Path.Combine(DataFolder(name), "ballast");

    // Not by its lock, which it takes a moment after it was started.
    private bool Runs(string name) =>
        pids.TryGetValue(name, out int pid) && NodeProcess.Runs(pid);

    private async Task<string> KillAsync(
        IReadOnlyList<string> names, CancellationToken cancellation)
    {
        string[] running = [.. names.Where(Runs)];
        foreach (string name in running)
        {
            _ = paused.Remove(name);
            NodeProcess.Kill(pids[name]);
        }

        foreach (string name in running)
        {
            _ = await NodeProcess.HasEndedAsync(pids[name], EndTimeMax, cancellation);
        }

        return $"killed {string.Join(" and ", running)}";
    }

    private async Task<string> PauseAsync(string node, CancellationToken cancellation)
    {
        if (Libc.kill(pids[node], Libc.SIGSTOP) == 0)
        {
            _ = paused.Add(node);
            await NodeProcess.HasStoppedAsync(pids[node], cancellation);
        }

        return $"paused {node}";
    }

    private async Task<string> StopAsync(string node, CancellationToken cancellation)
    {
        try
        {
            _ = await NodeClient.AskAsync(
                Layout.Socket(node), "stop", null, NodeClient.StatusTimeMax, cancellation);
        }
        catch (RefusedException young)
        {
            return $"asked {node} to stop: {young.Refusal.Actual}"; // Just started: no socket yet.
        }

        bool ended = await NodeProcess.HasEndedAsync(pids[node], EndTimeMax, cancellation);
        return ended ? $"stopped {node}" : throw new RefusedException(new Refusal(
            $"node {node}", $"to end within {EndTimeMax.TotalSeconds} s", "a process that runs"));
    }

    private async Task<string> TakeoverAsync(
        string node, int group, CancellationToken cancellation)
    {
        string refused = await AskTakeoverAsync(node, group, cancellation);
        return $"asked {node} to take group {group}"
            + (refused.Length == 0 ? "" : $", refused: {refused}");
    }

    /// <summary>
    /// Why it was refused, as is right beside other faults; empty when it was not.
    /// </summary>
    private async Task<string> AskTakeoverAsync(
        string node, int group, CancellationToken cancellation)
    {
        try
        {
            _ = await NodeClient.AskAsync(
                Layout.Socket(node), "takeover",
                new JsonObject { ["group"] = group, ["force"] = false }, EndTimeMax, cancellation);
            return "";
        }
        catch (RefusedException refused)
        {
            return refused.Refusal.Actual;
        }
    }

    private string MoveWitness(bool away)
    {
        string here = Path.Combine(Layout.Directory, "witness");
        if (away != witnessAway)
        {
            // What a node may have made in its place meanwhile is not the register.
            if (!away && Directory.Exists(here))
            {
                Directory.Delete(here, recursive: true);
            }

            Directory.Move(away ? here : here + ".away", away ? here + ".away" : here);
            witnessAway = away;
        }

        return "took the witness away";
    }

    private string FillDisk(string node)
    {
        byte[] chunk = new byte[LedgerWriter.ChunkBytes];
        using FileStream ballast = new(Ballast(node), FileMode.Create, FileAccess.Write);
        _ = full.Add(node);
        try
        {
            for (; ; )
            {
                RandomAccess.Write(ballast.SafeFileHandle, chunk, ballast.Length);
            }
        }
        catch (IOException)
        {
            return $"filled the disk of {node} with {ballast.Length:N0} bytes";
        }
    }

    /// <summary>Writes more than the log holds as fast as it is taken.</summary>
    private async Task<string> FloodAsync(int group, CancellationToken cancellation)
    {
        const int Depth = 16;
        byte[] bytes = new byte[LedgerWriter.ChunkBytes];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(FloodTime);
        long sent = 0;
        try
        {
            using NbdClient client =
                await NbdClient.ConnectAsync(Port + group, $"vol{group}", limit.Token);
            for (int inFlight = 0; ; inFlight++)
            {
                if (inFlight == Depth)
                {
                    _ = await client.ReplyAsync(limit.Token);
                    inFlight--;
                }

                await client.WriteAsync(0, sent % FloodBytes, bytes, limit.Token);
                sent += bytes.Length;
            }
        }
        catch (Exception over) when (over is IOException or SocketException
            || (over is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return $"wrote {sent:N0} bytes at once into vol{group}, whose log holds {LogBytes:N0}";
        }
    }
}
