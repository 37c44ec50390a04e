using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Image;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Cli.Drill;

/// <summary>What is done to a node.</summary>
internal enum Violence
{
    /// <summary>Its process is killed; of a guest that is the loss of power.</summary>
    Kill,

    /// <summary>Its process is paused.</summary>
    Stop,

    /// <summary>The guest is reset and boots again by itself.</summary>
    Reset,

    /// <summary>The interconnect between the guests is cut.</summary>
    Cut,
}

/// <summary>What a drill does.</summary>
/// <param name="Kill">owner, partner or both.</param>
/// <param name="How">What is done to them.</param>
/// <param name="At">Percent of the file after which it happens.</param>
internal sealed record DrillPlan(string Kill, Violence How, int At)
{
    /// <summary>Whether processes are paused.</summary>
    public bool Stop => How == Violence.Stop;

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
/// <param name="pair">The pair, up and ready.</param>
/// <param name="file">What is written; shorter than the volume by <see cref="SpareBytes"/>.</param>
/// <param name="port">Service address of vol0; vol1 has the next.</param>
/// <param name="volumeBytes">Size of each volume.</param>
/// <param name="plan">What happens.</param>
/// <param name="view">What the user sees of it.</param>
internal sealed class DrillRun(PairLayout pair, FileStream file, int port, long volumeBytes,
    DrillPlan plan, DrillView view)
{
    /// <summary>End of a volume that the file leaves free, for a request that must not land.
    /// </summary>
    public const long SpareBytes = Size.MiB;

    private const string Export = "vol0";
    private static readonly TimeSpan SettleTimeMax = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan HeldTimeMax = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(50);
    private readonly long begin = Stopwatch.GetTimestamp();
    private readonly Dictionary<string, int> pids = [];
    private readonly JsonArray timeline = [];
    private LedgerWriter writer = null!;
    private Task violence = Task.CompletedTask;
    private HeldRequest? held;
    private bool struck;

    // Nodes are stopped, or the interconnect is cut, until they are brought back.
    private bool paused;

    /// <summary>Runs it; the result has everything the command prints.</summary>
    public async Task<JsonObject> RunAsync(CancellationToken cancellation)
    {
        foreach (string name in PairLayout.Names)
        {
            pids[name] = NodeProcess.Find(pair, name)!.Value;
        }

        try
        {
            return await WriteAndJudgeAsync(cancellation);
        }
        finally
        {
            // However the drill ended: whoever looks at what is left finds no node held still.
            if (paused)
            {
                await BringBackAsync(CancellationToken.None);
            }
        }
    }

    private async Task<JsonObject> WriteAndJudgeAsync(CancellationToken cancellation)
    {
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
        stepped &= await NothingOfItAsync(cancellation);
        (long lostAfter, bool sameAfter) = await CompareAsync(cancellation);
        Note(sameAfter ? "identical after the return, too"
            : $"after the return: {lostAfter:N0} bytes are wrong");
        return new JsonObject
        {
            ["kill"] = plan.Kill,
            ["signal"] = plan.How.ToString().ToUpperInvariant(),
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
        view.Progress(writer.AckedBytes, file.Length);
        if (!struck && writer.AckedBytes >= file.Length * plan.At / 100)
        {
            struck = true;
            violence = StrikeAsync(cancellation);
        }
    }

    private async Task StrikeAsync(CancellationToken cancellation)
    {
        if (plan.Stop && plan.Kill != "both")
        {
            int group = plan.Kill == "owner" ? 0 : 1;
            held = await HeldRequest.ConnectAsync(
                port + group, $"vol{group}", volumeBytes - SpareBytes, cancellation);
        }

        paused = plan.How is Violence.Cut or Violence.Stop;
        if (plan.How is Violence.Cut or Violence.Reset)
        {
            await OnMachinesAsync(up: false, cancellation);
            return;
        }

        foreach (string name in plan.Victims)
        {
            Signal(name, plan.Stop ? Libc.SIGSTOP : Libc.SIGKILL);
            if (plan.Stop)
            {
                // What a node still answers while its threads come to a halt is answered rightly.
                await NodeProcess.HasStoppedAsync(pids[name], cancellation);
            }

            string done = plan.Stop ? "stopped" : "killed";
            Note($"{done} {name}, {writer.AckedBytes:N0} bytes acknowledged");
        }

        if (held is not null)
        {
            await held.SendAsync(cancellation);
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

    /// <summary>What only guests can have done to them; <paramref name="up"/> undoes it.</summary>
    private async Task OnMachinesAsync(bool up, CancellationToken cancellation)
    {
        if (plan.How == Violence.Cut)
        {
            foreach (string name in PairLayout.Names)
            {
                await GuestMonitor.SetInterconnectAsync(pair, name, up, cancellation);
            }

            Note($"{(up ? "joined" : "cut")} the interconnect, "
                + $"{writer.AckedBytes:N0} bytes acknowledged");
            return;
        }

        foreach (string name in plan.Victims.Where(_ => !up))
        {
            await GuestMonitor.ResetAsync(pair, name, cancellation);
            Note($"reset {name}, {writer.AckedBytes:N0} bytes acknowledged");
        }
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
        paused = false;
        if (plan.How is Violence.Cut or Violence.Reset)
        {
            await OnMachinesAsync(up: true, cancellation);
            return;
        }

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

        if (plan.How is Violence.Cut)
        {
            // Each owner may win its own swap: who serves what is the witness's to say.
            await BringBackAsync(cancellation);
            return true;
        }

        string victim = plan.Victims[0];
        string survivor = victim == "a" ? "b" : "a";

        // A pause that is over before anybody noticed moves nothing: there is no step to see.
        bool took = await SeesAsync(survivor, survivor, serves: true, cancellation);
        Note(took ? $"{survivor} serves all volumes"
            : $"{survivor} did not take over all volumes");
        await BringBackAsync(cancellation);
        bool stepped = await SeesAsync(victim, survivor, serves: false, cancellation);
        Note(stepped ? $"{victim} knows that {survivor} owns all volumes and serves none itself"
            : $"{victim} did not step back");
        return took && stepped;
    }

    /// <summary>
    /// Waits until a node says of every volume whose it is, and whether the node serves it.
    /// </summary>
    private async Task<bool> SeesAsync(
        string node, string owner, bool serves, CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(LookAgain);
        for (long from = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(from) < SettleTimeMax;)
        {
            JsonObject status =
                await NodeClient.StatusAsync(node, pair.Socket(node), cancellation);
            if ($"{status["phase"]}" == "Serving"
                && status["volumes"] is JsonArray { Count: > 0 } volumes
                && volumes.All(volume => $"{volume?["owner"]}" == owner
                    && volume?["served"]?.GetValue<bool>() == serves))
            {
                return true;
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }

        return false;
    }

    /// <summary>
    /// Whether the write that waited in the stopped node was neither answered nor landed.
    /// </summary>
    private async Task<bool> NothingOfItAsync(CancellationToken cancellation)
    {
        if (held is null)
        {
            return true;
        }

        using HeldRequest request = held;
        string victim = plan.Victims[0];
        bool unanswered = await request.EndedUnansweredAsync(HeldTimeMax, cancellation);
        bool away = await request.DidNotLandAsync(cancellation);
        Note(unanswered && away
            ? $"a write that waited in {victim} died with its connection and did not land"
            : $"a write that waited in {victim}: unanswered {unanswered}, not landed {away}");
        return unanswered && away;
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
        using PatientReader reader = new(port, Export);
        long lost = 0;
        for (long offset = 0; offset < file.Length; offset += read.Length)
        {
            int length = (int)Math.Min(read.Length, file.Length - offset);
            await reader.ReadAsync(offset, read.AsMemory(0, length), cancellation);
            if (RandomAccess.Read(file.SafeFileHandle, wanted.AsSpan(0, length), offset) != length)
            {
                throw new EndOfStreamException($"{file.Name} became shorter during the drill");
            }

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
        view.Say($"{ms,9:F1} ms  {what}");
    }
}
