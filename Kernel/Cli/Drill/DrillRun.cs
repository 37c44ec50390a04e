using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Cli.Drill;

/// <summary>What a drill does.</summary>
/// <param name="Kill">owner, partner or both.</param>
/// <param name="Stop">SIGSTOP in place of SIGKILL.</param>
/// <param name="At">Percent of the file after which it happens.</param>
internal sealed record DrillPlan(string Kill, bool Stop, int At)
{
    /// <summary>The nodes it happens to; node a owns vol0.</summary>
    public IReadOnlyList<string> Victims => Kill switch
    {
        "owner" => ["a"],
        "partner" => ["b"],
        _ => ["a", "b"],
    };
}

/// <summary>
/// One drill on a pair that was just made: write, violence, write on, read back, compare.
/// </summary>
internal sealed class DrillRun(PairLayout pair, FileStream file, int port, DrillPlan plan,
    Action<string> say)
{
    private const string Export = "vol0";
    private static readonly TimeSpan SettleTimeMax = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);
    private readonly long begin = Stopwatch.GetTimestamp();
    private readonly Dictionary<string, int> pids = [];
    private readonly JsonArray timeline = [];
    private LedgerWriter writer = null!;
    private Task violence = Task.CompletedTask;
    private bool struck;

    /// <summary>Runs it; the result has everything the command prints.</summary>
    public async Task<JsonObject> RunAsync(CancellationToken cancellation)
    {
        foreach (string name in PairLayout.Names)
        {
            pids[name] = NodeProcess.Find(pair, name)!.Value;
        }

        writer = new LedgerWriter(file, port, Export);
        writer.Acknowledged = () => Look(cancellation);
        Note($"writing {file.Length:N0} bytes into {Export}");
        await writer.RunAsync(cancellation);
        await violence;
        Note($"all acknowledged, {writer.Reconnects} reconnects, longest stall "
            + $"{writer.LongestStall.TotalMilliseconds:F1} ms");
        (long lost, bool same) = await CompareAsync(cancellation);
        Note(same ? "read back identical from whoever serves"
            : $"read back: {lost:N0} acknowledged bytes are wrong");
        JsonObject? takeover = await TakeoverAsync(cancellation);
        bool stepped = await ReturnAsync(cancellation);
        double? inSync = await InSyncAsync(cancellation);
        (long lostAfter, bool sameAfter) = await CompareAsync(cancellation);
        Note(sameAfter ? "identical after the return, too"
            : $"after the return: {lostAfter:N0} bytes are wrong");
        return new JsonObject
        {
            ["kill"] = plan.Kill,
            ["signal"] = plan.Stop ? "STOP" : "KILL",
            ["at"] = plan.At,
            ["fileBytes"] = file.Length,
            ["ackedBytes"] = writer.AckedBytes,
            ["lostBytes"] = Math.Max(lost, lostAfter),
            ["sha256Match"] = same && sameAfter,
            ["detectMs"] = takeover?["detectMs"]?.DeepClone(),
            ["takeoverMs"] = takeover?["takeoverMs"]?.DeepClone(),
            ["longestStallMs"] = Math.Round(writer.LongestStall.TotalMilliseconds, 1),
            ["reconnects"] = writer.Reconnects,
            ["steppedBack"] = stepped,
            ["inSyncAgainMs"] = inSync is { } ms ? Math.Round(ms) : null,
            ["timeline"] = timeline,
        };
    }

    private void Look(CancellationToken cancellation)
    {
        if (!struck && writer.AckedBytes >= file.Length * plan.At / 100)
        {
            struck = true;
            violence = StrikeAsync(cancellation);
        }
    }

    private async Task StrikeAsync(CancellationToken cancellation)
    {
        foreach (string name in plan.Victims)
        {
            Signal(name, plan.Stop ? Libc.SIGSTOP : Libc.SIGKILL);
            string done = plan.Stop ? "stopped" : "killed";
            Note($"{done} {name}, {writer.AckedBytes:N0} bytes acknowledged");
        }

        if (plan.Victims.Count < PairLayout.Names.Count)
        {
            return;
        }

        // With both down nobody serves: both come back while the writer goes on trying.
        using PeriodicTimer pause = new(TimeSpan.FromMilliseconds(500));
        _ = await pause.WaitForNextTickAsync(cancellation);
        await BringBackAsync(cancellation);
    }

    private void Signal(string name, int signal)
    {
        if (Libc.kill(pids[name], signal) != 0)
        {
            throw new RefusedException(new Refusal($"node {name}", "a process to signal", "none",
                $"see {pair.Log(name)}"));
        }
    }

    private async Task BringBackAsync(CancellationToken cancellation)
    {
        foreach (string name in plan.Victims)
        {
            if (plan.Stop)
            {
                Signal(name, Libc.SIGCONT);
            }
            else
            {
                await NodeProcess.HasEndedAsync(pids[name], SettleTimeMax, cancellation);
                pids[name] = await NodeProcess.StartAsync(pair, name, cancellation);
            }

            Note($"{(plan.Stop ? "resumed" : "started")} {name}");
        }
    }

    /// <summary>Brings back what is still away; whether it came back without serving.</summary>
    private async Task<bool> ReturnAsync(CancellationToken cancellation)
    {
        if (plan.Kill == "both")
        {
            return true;
        }

        await BringBackAsync(cancellation);
        string victim = plan.Victims[0];
        string survivor = victim == "a" ? "b" : "a";
        using PeriodicTimer timer = new(LookAgain);
        for (long from = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(from) < SettleTimeMax;)
        {
            JsonObject status =
                await NodeClient.StatusAsync(victim, pair.Socket(victim), cancellation);
            JsonNode? volume = Volume(status);
            if ($"{status["phase"]}" == "Serving" && $"{volume?["owner"]}" == survivor
                && volume?["served"]?.GetValue<bool>() == false)
            {
                Note($"{victim} knows that {survivor} owns {Export} and serves nothing of it");
                return true;
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }

        return false;
    }

    private async Task<double?> InSyncAsync(CancellationToken cancellation)
    {
        long from = Stopwatch.GetTimestamp();
        using PeriodicTimer timer = new(LookAgain);
        while (Stopwatch.GetElapsedTime(from) < SettleTimeMax)
        {
            PairStatus status = await PairStatus.AskAsync(pair, cancellation);
            if (status.Lacks.Count == 0 && status.Nodes.All(node =>
                $"{Volume(node)?["sync"]}" == "InSync")
                && status.Nodes.Any(node => $"{Volume(node)?["state"]}" == "mirrored"))
            {
                Note("both copies are in sync again");
                return Stopwatch.GetElapsedTime(from).TotalMilliseconds;
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }

        Note($"not in sync again within {SettleTimeMax.TotalSeconds} s");
        return null;
    }

    /// <summary>
    /// Reads everything back and compares it with the file, chunk by chunk and by hash.
    /// </summary>
    private async Task<(long LostBytes, bool Same)> CompareAsync(CancellationToken cancellation)
    {
        byte[] read = new byte[LedgerWriter.ChunkBytes];
        byte[] wanted = new byte[LedgerWriter.ChunkBytes];
        using IncrementalHash readHash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using IncrementalHash fileHash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using NbdClient client = await NbdClient.ConnectAsync(port, Export, cancellation);
        long lost = 0;
        for (long offset = 0; offset < file.Length; offset += read.Length)
        {
            int length = (int)Math.Min(read.Length, file.Length - offset);
            await client.ReadAsync(offset, read.AsMemory(0, length), cancellation);
            _ = RandomAccess.Read(file.SafeFileHandle, wanted.AsSpan(0, length), offset);
            readHash.AppendData(read, 0, length);
            fileHash.AppendData(wanted, 0, length);
            bool acked = writer.Ledger.Contains((int)(offset / read.Length));
            for (int i = 0; i < length && acked; i++)
            {
                lost += read[i] == wanted[i] ? 0 : 1;
            }
        }

        return (lost, readHash.GetHashAndReset().AsSpan().SequenceEqual(
            fileHash.GetHashAndReset()));
    }

    /// <summary>
    /// What the survivor says of its takeover of vol0; null when none was needed.
    /// </summary>
    private async Task<JsonObject?> TakeoverAsync(CancellationToken cancellation)
    {
        if (plan.Kill != "owner")
        {
            return null;
        }

        JsonObject status = await NodeClient.StatusAsync("b", pair.Socket("b"), cancellation);
        JsonArray? groups = status["sections"]?["ownership"]?["groups"] as JsonArray;
        JsonObject? takeover = groups?[0]?["lastTakeover"] as JsonObject;
        Note($"b took over: {takeover?["detectMs"]} ms to detect, "
            + $"{takeover?["takeoverMs"]} ms to serve");
        return takeover;
    }

    private static JsonNode? Volume(JsonObject node) =>
        (node["volumes"] as JsonArray)?.FirstOrDefault(volume => $"{volume?["name"]}" == Export);

    private void Note(string what)
    {
        double ms = Math.Round(Stopwatch.GetElapsedTime(begin).TotalMilliseconds, 1);
        timeline.Add(new JsonObject { ["ms"] = ms, ["what"] = what });
        say($"{ms,9:F1} ms  {what}");
    }
}
