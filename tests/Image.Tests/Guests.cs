using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Image.Tests;

/// <summary>
/// One pair of guests for all tests of a class, booted as a user boots it. Each test finds it well
/// and at home, whatever the one before did to it.
/// </summary>
public sealed class Guests : IAsyncLifetime
{
    /// <summary>Size of each volume.</summary>
    internal const long VolumeBytes = 64L * Size.MiB;

    private const int TailLines = 60;
    private static readonly TimeSpan BootTimeMax = TimeSpan.FromMinutes(6);
    private static readonly TimeSpan WellTimeMax = TimeSpan.FromMinutes(4);
    private readonly string folder = Directory.CreateTempSubdirectory("guests-").FullName;

    internal static string Transport { get; } =
        Environment.GetEnvironmentVariable("STORAGEOS_GUEST_TRANSPORT") ?? "verbs";

    internal int Port { get; } = DrillCommand.FreePorts();

    internal PairLayout Pair => PairLayout.At(folder);

    public async Task InitializeAsync()
    {
        string overlay = ImageBuild.Overlay();
        var (code, output) = ImageBuild.StorageOs(
            BootTimeMax, "image", "pair", "--detach", "--dir", folder, "--size", "64M",
            "--nbd-port", $"{Port}", "--transport", Transport, "--overlay", overlay);
        Assert.True(code == 0, $"exit {code}: {output}\n{Console("a")}\n{Console("b")}");
        await WellAsync();
    }

    public Task DisposeAsync()
    {
        _ = ImageBuild.StorageOs(BootTimeMax, "stop", "--kill", "--dir", folder);
        Directory.Delete(folder, recursive: true);
        return Task.CompletedTask;
    }

    /// <summary>Everything a guest has said on its console.</summary>
    internal string Console(string name)
    {
        string log = Path.Combine(folder, name, "console.log");
        return File.Exists(log) ? File.ReadAllText(log) : "";
    }

    /// <summary>Runs a line in a guest.</summary>
    internal (bool Good, string Output) Shell(string name, string line) =>
        new GuestShell(Pair, name).TryAsync(line, CancellationToken.None).GetAwaiter().GetResult();

    /// <summary>A node's status.</summary>
    internal Task<JsonObject> StatusAsync(string name) =>
        NodeClient.StatusAsync(name, Pair.Socket(name), CancellationToken.None);

    /// <summary>Waits for the pair to be well and every volume at home.</summary>
    internal async Task WellAsync()
    {
        await UntilAsync(IsWellAsync, WellTimeMax, "both in sync");
        foreach (string name in PairLayout.Names)
        {
            await UntilAsync(
                () =>
                {
                    var (code, _) = ImageBuild.StorageOs(
                        WellTimeMax, "takeover", "--node", name, "--group",
                        $"{PairLayout.HomeGroup(name)}", "--dir", folder);
                    return Task.FromResult(code == 0);
                },
                WellTimeMax, $"{name} has its volume");
        }

        await UntilAsync(IsWellAsync, WellTimeMax, "both in sync, at home");
    }

    /// <summary>
    /// Waits; a failure shows what both guests have said last, and what their machines do.
    /// </summary>
    internal Task UntilAsync(Func<Task<bool>> condition, TimeSpan limit, string what) =>
        UntilAsync(
            condition, limit, what,
            () => string.Join('\n', PairLayout.Names.Select(
                name => $"{name}:\n{Tail(Console(name))}\n{Machine(name)}")));

    // A guest that says nothing any more: whether its processor runs, where, and for whom QEMU waits.
    private string Machine(string name)
    {
        if (GuestProcess.Find(Pair, name) is not { } pid)
        {
            return "no QEMU process";
        }

        var before = Threads(pid);
        Thread.Sleep(1000);
        string threads = string.Join(", ", Threads(pid).Select(one => $"{one.Key} {one.Value.State} "
            + $"at {one.Value.At}, {one.Value.Ticks - before.GetValueOrDefault(one.Key).Ticks} ticks"
            + " in the last second"));
        try
        {
            JsonNode registers = GuestMonitor.RunAsync(
                Pair, name, "human-monitor-command",
                new JsonObject { ["command-line"] = "info registers" }, CancellationToken.None)
                .GetAwaiter().GetResult();
            return $"{threads}\n{registers}";
        }
        catch (Exception silent) when (silent is OperationCanceledException or IOException
            or SocketException or RefusedException)
        {
            return $"{threads}\nno word of its monitor: {silent.Message}";
        }
    }

    // proc(5): the words after the name are the state, and from the twelfth on the ticks used.
    private static Dictionary<string, (string State, string At, long Ticks)> Threads(int pid) =>
        Directory.GetDirectories($"/proc/{pid}/task").ToDictionary(
            static task => $"{File.ReadAllText($"{task}/comm").Trim()} {Path.GetFileName(task)}",
            static task =>
            {
                string stat = File.ReadAllText($"{task}/stat");
                string[] words = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
                long ticks = long.Parse(words[11], CultureInfo.InvariantCulture)
                    + long.Parse(words[12], CultureInfo.InvariantCulture);
                return (words[0], File.ReadAllText($"{task}/wchan"), ticks);
            });

    internal static async Task UntilAsync(
        Func<Task<bool>> condition, TimeSpan limit, string what, Func<string> details)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(200));
        for (long from = Stopwatch.GetTimestamp(); !await condition();)
        {
            Assert.True(
                Stopwatch.GetElapsedTime(from) < limit,
                $"not in time: {what}\n{details()}");
            _ = await timer.WaitForNextTickAsync();
        }
    }

    /// <summary>The last lines of what a guest has said.</summary>
    internal static string Tail(string console) =>
        string.Join('\n', console.Split('\n').TakeLast(TailLines));

    private async Task<bool> IsWellAsync()
    {
        PairStatus status = await PairStatus.AskAsync(Pair, CancellationToken.None);
        return status.Lacks.Count == 0 && status.Nodes.All(node =>
            node["volumes"] is JsonArray { Count: 2 } volumes
            && volumes.All(volume => $"{volume?["sync"]}" == "InSync"
                && $"{volume?["state"]}" is "mirrored" or "passive"));
    }
}
