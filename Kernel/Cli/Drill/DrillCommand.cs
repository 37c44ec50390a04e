using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Image;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli.Drill;

/// <summary>
/// <c>drill</c>: proves on a pair of its own that what was acknowledged survives violence.
/// </summary>
internal static class DrillCommand
{
    private const long VolumeBytesMin = 64L * Size.MiB;

    // Logs that may lie on the same disk, the witness, and what the nodes write of themselves.
    private const long RoomBesideBytes = 512L * Size.MiB;

    internal static Command Make()
    {
        Argument<FileInfo> file = File();
        Option<string> kill = Kill();
        Option<string> signal = new("--signal")
        {
            Description = "KILL ends the process, STOP pauses it",
            DefaultValueFactory = _ => "KILL",
        };
        signal.AcceptOnlyFromAmong("KILL", "STOP");
        Option<int> at = At();
        Option<string> transport = new("--transport")
        {
            Description = "id of the transport plugin",
            DefaultValueFactory = _ => "loopback",
        };
        Command command =
            new("drill", "Kills nodes of a pair of its own in mid-write and checks every byte.")
        {
            file, kill, signal, at, transport,
        };
        command.SetAction((parsed, cancellation) => RunAsync(
            Output.Of(parsed),
            parsed.GetValue(file)!,
            new DrillPlan(
                parsed.GetValue(kill)!,
                parsed.GetValue(signal) == "STOP" ? Violence.Stop : Violence.Kill,
                parsed.GetValue(at)),
            (folder, size, port, _) => Task.FromResult(
                MakePair(folder, parsed.GetValue(transport)!, size, port)),
            cancellation));
        return command;
    }

    /// <summary>The argument for what is written.</summary>
    internal static Argument<FileInfo> File()
    {
        Argument<FileInfo> file = new("file")
        {
            Description = "what to write; its content is not changed",
        };
        file.Validators.Add(result =>
        {
            FileInfo? chosen = result.GetValueOrDefault<FileInfo>();
            if (chosen is not { Exists: true, Length: > 0 })
            {
                result.AddError($"drill takes a file that is not empty; {chosen} is none.");
            }
        });
        return file;
    }

    /// <summary>The option for the nodes it happens to.</summary>
    internal static Option<string> Kill()
    {
        Option<string> kill = new("--kill")
        {
            Description = "whom it happens to",
            DefaultValueFactory = _ => "owner",
        };
        kill.AcceptOnlyFromAmong("owner", "partner", "both");
        return kill;
    }

    /// <summary>The option for when it happens.</summary>
    internal static Option<int> At()
    {
        Option<int> at = new("--at")
        {
            Description = "percent of the file acknowledged when it happens",
            DefaultValueFactory = _ => 50,
        };
        at.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 0 or > 99)
            {
                result.AddError("--at takes 0 to 99.");
            }
        });
        return at;
    }

    private static PairLayout MakePair(
        string folder, string transport, long volumeBytes, int port)
    {
        PairLayout pair = PairLayout.At(folder);
        pair.Make(
            new PairOptions(transport, [NodeConfiguration.BuiltPlugins], volumeBytes, port));
        return pair;
    }

    /// <summary>Makes a pair of its own by <paramref name="make"/>, and drills it.</summary>
    internal static async Task<int> RunAsync(
        Output output,
        FileInfo file,
        DrillPlan plan,
        Func<string, long, int, CancellationToken, Task<PairLayout>> make,
        CancellationToken cancellation)
    {
        long size = Math.Max(VolumeBytesMin, DrillRun.SpareBytes
            + ((file.Length + Size.MiB - 1) / Size.MiB * Size.MiB));
        if (NoRoom(file, size) is { } refusal)
        {
            _ = output.Fail(refusal);
            return ExitCode.BadUsage;
        }

        string folder = Directory.CreateTempSubdirectory("storageos-drill-").FullName;
        int port = FreePorts();
        PairLayout pair = await make(folder, size, port, cancellation);
        bool good = false;
        try
        {
            int started = await PairCommand.StartAsync(
                Output.Quiet(), pair, PairLayout.Names, wait: true, cancellation);
            if (started != ExitCode.Good)
            {
                return started;
            }

            using FileStream source = file.OpenRead();
            JsonObject result = await DrillView.ShowAsync(output, view =>
                new DrillRun(pair, source, port, size, plan, view).RunAsync(cancellation));
            int code = Judge(result);
            good = code == ExitCode.Good;
            if (output.Json)
            {
                Output.Write(result);
            }
            else
            {
                output.Say(good ? "nothing acknowledged was lost" : "the drill failed");
            }

            return code;
        }
        finally
        {
            await CleanAsync(output, pair, good);
        }

        static int Judge(JsonObject result) =>
            !result["sha256Match"]!.GetValue<bool>() || result["lostBytes"]!.GetValue<long>() != 0
                || !result["steppedBack"]!.GetValue<bool>() ? ExitCode.Failed
            : result["inSyncAgainMs"] is null ? ExitCode.Degraded : ExitCode.Good;
    }

    /// <summary>Why the file cannot be drilled with here; null when it can.</summary>
    private static Refusal? NoRoom(FileInfo file, long volumeBytes)
    {
        // Both nodes keep a copy of vol0; volumes are sparse, so vol1 takes nothing.
        long needed = (2 * volumeBytes) + RoomBesideBytes;
        string folder = Path.GetTempPath();
        long free = new DriveInfo(folder).AvailableFreeSpace;
        return needed <= free ? null : new Refusal(
            $"drill with {file.Name}", $"{needed:N0} bytes free in {folder} for two copies",
            $"{free:N0}", "choose a smaller file, or a roomier folder by TMPDIR");
    }

    /// <summary>Ends the nodes; what a failed drill left stays to be looked at.</summary>
    private static async Task CleanAsync(Output output, PairLayout pair, bool good)
    {
        foreach (string name in PairLayout.Names)
        {
            if (NodeProcess.Find(pair, name) is { } pid)
            {
                NodeProcess.Kill(pid);
                _ = await NodeProcess.HasEndedAsync(pid, TimeSpan.FromSeconds(10),
                    CancellationToken.None);
            }
        }

        await GuestProcess.EndForwarderAsync(pair, CancellationToken.None);
        if (good)
        {
            pair.Delete();
        }
        else
        {
            output.Say($"the pair's files stay in {pair.Directory}");
        }
    }

    /// <summary>
    /// A port that is free now, and so is the next; another program may still be quicker.
    /// </summary>
    internal static int FreePorts()
    {
        // Below the range that outgoing connections take theirs from.
        for (int attempt = 0; ; attempt++)
        {
            int port = Random.Shared.Next(10_000, 15_000) * 2;
            using TcpListener first = new(IPAddress.Loopback, port);
            using TcpListener second = new(IPAddress.Loopback, port + 1);
            try
            {
                first.Start();
                second.Start();
                return port;
            }
            catch (SocketException) when (attempt < 100)
            {
                continue;
            }
        }
    }
}
