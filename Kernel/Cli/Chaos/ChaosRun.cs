using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Chaos;

/// <summary>
/// Rounds of faults on a pair while clients read and write; after each round everything is healed,
/// every block is read, and what all clients saw of each block must have one order.
/// </summary>
/// <param name="pair">The pair, up and ready.</param>
/// <param name="plan">What is done to it.</param>
/// <param name="seed">For the clients.</param>
/// <param name="view">What the user sees of it.</param>
internal sealed class ChaosRun(ChaosPair pair, ChaosPlan plan, int seed, ChaosView view)
{
    private const int ClientsPerVolume = 4;
    private const int BlocksPerVolume = 24;
    private const int InSyncOneIn = 3; // The other rounds begin with a copy under way.
    private const int BothCopiesOneIn = 8;
    private static readonly TimeSpan ServedTimeMax = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan InSyncTimeMax = TimeSpan.FromSeconds(120);
    private readonly ChaosClient[] clients = MakeClients(pair.Port, seed);
    private readonly Dictionary<(string Export, long Offset), ulong> values = [];
    private readonly Dictionary<ChaosFault, (int All, int Struck)> counts = [];

    // Not answered and not seen: in the log, perhaps, and to be seen once it is mirrored (L1).
    private readonly Dictionary<(string Export, long Offset), BlockOperation[]> pending = [];
    private readonly List<string> violations = [];
    private readonly JsonArray timeline = [];
    private readonly long begin = Stopwatch.GetTimestamp();
    private int rounds;
    private long operations;

    /// <summary>Whether nothing was lost so far.</summary>
    public bool Good => violations.Count == 0;

    /// <summary>Runs until the time is over, or something was lost.</summary>
    public async Task<JsonObject> RunAsync(TimeSpan time, CancellationToken cancellation)
    {
        while (Good && Stopwatch.GetElapsedTime(begin) < time)
        {
            view.Progress(Stopwatch.GetElapsedTime(begin), time, rounds, Faults, operations);
            await RoundAsync(cancellation);
            rounds++;
        }

        if (Good)
        {
            await BothCopiesAsync(cancellation);
        }

        return await ReportAsync(cancellation);
    }

    private int Faults => counts.Values.Sum(static count => count.All);

    private static ChaosClient[] MakeClients(int port, int seed) =>
        [.. Enumerable.Range(0, 2 * ClientsPerVolume).Select(number => new ChaosClient(
            number, port + (number % 2), $"vol{number % 2}", HashCode.Combine(seed, number)))];

    private async Task RoundAsync(CancellationToken cancellation)
    {
        IReadOnlyList<long> offsets = plan.Offsets(BlocksPerVolume);
        using CancellationTokenSource stop =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task[] running = [.. clients.Select(client =>
            Task.Run(() => client.RunAsync(offsets, stop.Token), CancellationToken.None))];
        try
        {
            foreach (ChaosStep step in plan.Round())
            {
                await StepAsync(step, cancellation);
            }

            await Bench.BenchPair.WaitAsync(TimeSpan.FromMilliseconds(200), cancellation);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(running);
        }

        await HealAsync(cancellation);
        await ReadAllAsync(clients[0], offsets, cancellation);
        await ReadAllAsync(clients[1], offsets, cancellation);
        Check();
        if (plan.OneIn(InSyncOneIn))
        {
            await InSyncAsync(cancellation);
        }

        if (plan.OneIn(BothCopiesOneIn) && Good)
        {
            await BothCopiesAsync(cancellation);
        }
    }

    private async Task StepAsync(ChaosStep step, CancellationToken cancellation)
    {
        await Bench.BenchPair.WaitAsync(step.Before, cancellation);
        IReadOnlyList<string> awake = pair.Awake;
        if (awake.Count == 0)
        {
            await HealAsync(cancellation); // Nobody is left to do anything to.
            awake = PairLayout.Names;
        }

        bool writing = clients.Any(static client => client.Writing);
        string what = await pair.StrikeAsync(
            step.Fault, awake[step.Node % awake.Count], step.Group, cancellation);
        (int all, int struck) = counts.GetValueOrDefault(step.Fault);
        counts[step.Fault] = (all + 1, struck + (writing ? 1 : 0));
        Note(what);
        if (step.HealAfter is { } after)
        {
            await Bench.BenchPair.WaitAsync(after, cancellation);
            await HealAsync(cancellation);
        }
    }

    private async Task HealAsync(CancellationToken cancellation)
    {
        await pair.HealAsync(cancellation);
        Note("healed");
    }

    /// <summary>What the blocks hold now is what the next round begins with.</summary>
    private async Task ReadAllAsync(
        ChaosClient client, IReadOnlyList<long> offsets, CancellationToken cancellation)
    {
        try
        {
            _ = await client.ReadAllAsync(offsets, ServedTimeMax, cancellation);
        }
        catch (Exception nobody) when (nobody is RefusedException
            || (nobody is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            string lacks = await pair.InSyncAsync(TimeSpan.Zero, cancellation);
            Violated($"{client.Export} was not served within {ServedTimeMax.TotalSeconds} s after"
                + $" everything was healed: {lacks}");
        }
    }

    private async Task InSyncAsync(CancellationToken cancellation)
    {
        string lacks = await pair.InSyncAsync(InSyncTimeMax, cancellation);
        if (lacks.Length > 0)
        {
            Violated($"not in sync within {InSyncTimeMax.TotalSeconds} s after everything was"
                + $" healed: {lacks}");
        }
    }

    /// <summary>Reads all that was ever written from either node.</summary>
    private async Task BothCopiesAsync(CancellationToken cancellation)
    {
        foreach (string node in PairLayout.Names)
        {
            await InSyncAsync(cancellation);
            await pair.TakeAllAsync(node, cancellation);
            Note($"reading all that was ever written from {node}");
            foreach (ChaosClient client in clients[..2])
            {
                long[] offsets = [.. values.Keys.Where(key => key.Export == client.Export)
                    .Select(static key => key.Offset)];
                await ReadAllAsync(client, offsets, cancellation);
            }

            Check();
        }
    }

    private void Check()
    {
        foreach (string torn in clients.SelectMany(static client => client.TakeTorn()))
        {
            Violated($"half of a write: {torn}");
        }

        var blocks = clients
            .SelectMany(client => Bounded(client.Take()).Select(one =>
                (Key: (client.Export, one.Offset), one.Operation)))
            .GroupBy(static one => one.Key, static one => one.Operation);
        foreach (IGrouping<(string Export, long Offset), BlockOperation> block in blocks)
        {
            operations += block.Count();
            BlockOperation[] all = [.. block, .. pending.GetValueOrDefault(block.Key, [])];
            ulong initial = values.GetValueOrDefault(block.Key);
            if (BlockHistory.Check(all, initial) is { } wrong)
            {
                Violated($"{block.Key.Export} at {block.Key.Offset}: {wrong}");
            }

            // The last answered read is that of the end of the round, when nobody wrote.
            values[block.Key] = all.Where(static one => !one.Writes)
                .DefaultIfEmpty(new BlockOperation(0, false, initial, 0, 0))
                .MaxBy(static one => one.Start).Value;
            HashSet<ulong> read = [.. all.Where(static one => !one.Writes).Select(o => o.Value)];
            pending[block.Key] = [.. all.Where(one =>
                one.MayBeMissing && one.End == BlockHistory.Never && !read.Contains(one.Value))];
        }
    }

    /// <summary>
    /// Rule S8: a write that was not answered has died with its connection by the time a later one
    /// of the same client to the same block is answered.
    /// </summary>
    internal static IEnumerable<(long Offset, BlockOperation Operation)> Bounded(
        List<(long Offset, BlockOperation Operation)> ofOneClient)
    {
        Dictionary<long, long> later = [];
        foreach ((long offset, BlockOperation one) in Enumerable.Reverse(ofOneClient))
        {
            if (one.Writes && one.End == BlockHistory.Never)
            {
                long end = later.GetValueOrDefault(offset, BlockHistory.Never);
                yield return (offset, one with { End = end, MayBeMissing = true });
                continue;
            }

            if (one.Writes)
            {
                later[offset] = one.End;
            }

            yield return (offset, one);
        }
    }

    private void Violated(string what)
    {
        violations.Add(what);
        Note("VIOLATION: " + what);
    }

    private void Note(string what)
    {
        double ms = Math.Round(Stopwatch.GetElapsedTime(begin).TotalMilliseconds, 1);
        timeline.Add(new JsonObject { ["ms"] = ms, ["round"] = rounds, ["what"] = what });
    }

    private async Task<JsonObject> ReportAsync(CancellationToken cancellation)
    {
        JsonObject faults = [];
        foreach ((ChaosFault fault, (int all, int struck)) in counts.OrderBy(static c => c.Key))
        {
            faults[fault.ToString()] = new JsonObject
            {
                ["times"] = all,
                ["whileWriting"] = struck,
            };
        }

        JsonObject report = new()
        {
            ["seed"] = seed,
            ["seconds"] = Math.Round(Stopwatch.GetElapsedTime(begin).TotalSeconds, 1),
            ["rounds"] = rounds,
            ["faults"] = faults,
            ["faultsInAll"] = Faults,
            ["faultsWhileWriting"] = counts.Values.Sum(static count => count.Struck),
            ["answered"] = clients.Sum(static client => client.Answered),
            ["unansweredWrites"] = clients.Sum(static client => client.Unanswered),
            ["operationsChecked"] = operations,
            ["blocksChecked"] = values.Count,
            ["falseTakeovers"] = await pair.FalseTakeoversAsync(cancellation),
            ["violations"] = new JsonArray([.. violations.Select(v => (JsonNode)v)]),
        };
        if (!Good)
        {
            report["timeline"] = new JsonArray([.. timeline
                .Where(entry => entry!["round"]!.GetValue<int>() >= rounds - 2)
                .Select(static entry => entry!.DeepClone())]);
        }

        return report;
    }
}
