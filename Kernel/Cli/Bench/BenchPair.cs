using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// A pair of its own in a temporary directory, for as long as something is measured.
/// </summary>
internal sealed class BenchPair : IAsyncDisposable
{
    /// <summary>Size of each volume that is written to over the export.</summary>
    internal const long VolumeBytes = 256L * Size.MiB;

    private static readonly TimeSpan SettleTimeMax = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20);
    private readonly Dictionary<string, int> pids = [];

    private BenchPair(PairLayout layout, int port) => (Layout, Port) = (layout, port);

    /// <summary>Its files.</summary>
    internal PairLayout Layout { get; }

    /// <summary>Port of vol0's service address; vol1 has the next.</summary>
    internal int Port { get; }

    /// <summary>Makes and starts one; returns when both nodes are ready.</summary>
    internal static async Task<BenchPair> StartAsync(
        IReadOnlyList<string> folders, IReadOnlyList<string>? clients, long volumeBytes,
        JsonObject? probe, CancellationToken cancellation, string transport = "loopback",
        IReadOnlyList<string>? etcd = null)
    {
        string folder = Directory.CreateTempSubdirectory("storageos-bench-").FullName;
        int port = DrillCommand.FreePorts();
        BenchPair pair = new(PairLayout.At(folder), port);
        try
        {
            pair.Layout.Make(new PairOptions(
                transport, [NodeConfiguration.BuiltPlugins, .. folders], volumeBytes, port)
            {
                Clients = clients,
                Witness = etcd is { Count: > 0 } ? PairWitness.Etcd : PairWitness.File,
                Etcd = etcd ?? [],
                MoreSettings = probe is null ? [] : new() { ["bench-probe"] = probe },
            });
            int code = await PairCommand.StartAsync(
                Output.Quiet(), pair.Layout, PairLayout.Names, wait: true, cancellation);
            if (code != ExitCode.Good)
            {
                PairStatus status = await PairStatus.AskAsync(pair.Layout, cancellation);
                throw new RefusedException(new Refusal(
                    "bench", "a pair that is ready", string.Join("; ", status.Lacks)));
            }

            foreach (string name in PairLayout.Names)
            {
                pair.pids[name] = NodeProcess.Find(pair.Layout, name)!.Value;
            }

            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>Process id of a node.</summary>
    internal int Pid(string node) => pids[node];

    /// <summary>Sends a signal to a node.</summary>
    internal void Signal(string node, int signal)
    {
        if (Libc.kill(pids[node], signal) != 0)
        {
            throw new RefusedException(new Refusal(
                $"node {node}", "a process to signal", "none", $"see {Layout.Log(node)}"));
        }
    }

    /// <summary>Starts a killed node again.</summary>
    internal async Task RestartAsync(string node, CancellationToken cancellation)
    {
        _ = await NodeProcess.HasEndedAsync(pids[node], SettleTimeMax, cancellation);
        pids[node] = await NodeProcess.StartAsync(Layout, node, cancellation);
    }

    /// <summary>Asks a node's status.</summary>
    internal Task<JsonObject> StatusAsync(string node, CancellationToken cancellation) =>
        NodeClient.StatusAsync(node, Layout.Socket(node), cancellation);

    /// <summary>Asks a node to do something.</summary>
    internal Task<JsonNode?> AskAsync(
        string node, string command, JsonObject arguments, CancellationToken cancellation) =>
        NodeClient.AskAsync(
            Layout.Socket(node), command, arguments, TimeSpan.FromMinutes(10), cancellation);

    /// <summary>Waits until both copies of both groups are good and a node serves vol0.</summary>
    /// <returns>Name of the owner.</returns>
    internal async Task<string> InSyncAsync(CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(LookAgain);
        for (long from = Stopwatch.GetTimestamp(); ;)
        {
            PairStatus status = await PairStatus.AskAsync(Layout, cancellation);
            if (status.Lacks.Count == 0 && status.Nodes.All(node => node["volumes"] is JsonArray
                { Count: > 0 } volumes && volumes.All(v => $"{v?["sync"]}" == "InSync")))
            {
                JsonObject? owner = status.Nodes.FirstOrDefault(node =>
                    $"{node["volumes"]![0]!["state"]}" == "mirrored");
                if (owner is not null)
                {
                    return $"{owner["name"]}";
                }
            }

            if (Stopwatch.GetElapsedTime(from) > SettleTimeMax)
            {
                throw new RefusedException(new Refusal(
                    "bench", $"a pair in sync within {SettleTimeMax.TotalSeconds} s",
                    string.Join("; ", status.Lacks.DefaultIfEmpty(Where(status)))));
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }
    }

    /// <summary>Lets time pass.</summary>
    internal static async Task WaitAsync(TimeSpan time, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(time);
        _ = await timer.WaitForNextTickAsync(cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (string name in PairLayout.Names)
        {
            if (NodeProcess.Find(Layout, name) is { } pid)
            {
                NodeProcess.Kill(pid);
                _ = await NodeProcess.HasEndedAsync(pid, SettleTimeMax, CancellationToken.None);
            }
        }

        Layout.Delete();
    }

    private static string Where(PairStatus status) => string.Join("; ", status.Nodes.Select(node =>
        $"{node["name"]}: {node["volumes"]?[0]?["state"]} {node["volumes"]?[0]?["why"]}"));
}
