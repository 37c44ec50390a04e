using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Cli.Packages;

/// <summary>One node on its way to another version, and back.</summary>
internal sealed class NodeUpgrade
{
    private static readonly TimeSpan EndTimeMax = TimeSpan.FromSeconds(60);
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private readonly PairLayout pair;
    private readonly Release target;
    private readonly string config;
    private readonly string text;
    private readonly string? mark;
    private int pid;

    private NodeUpgrade(PairLayout pair, string name, Release target, int pid)
    {
        (this.pair, this.target, this.pid) = (pair, target, pid);
        Name = name;
        Before = Release.OfProcess(pid);
        config = pair.Config(name);
        text = File.ReadAllText(config);
        string file = pair.ReleaseMark(name);
        mark = File.Exists(file) ? File.ReadAllText(file) : null;
    }

    /// <summary>The node's name.</summary>
    internal string Name { get; }

    /// <summary>What it ran when this began.</summary>
    internal Release Before { get; }

    /// <summary>Whether it needs nothing.</summary>
    internal bool IsDone => Before == target;

    /// <summary>Whether its process runs.</summary>
    internal bool Runs => NodeProcess.Runs(pid);

    private string Candidate => config + ".next";

    /// <summary>Looks at a node, which must run.</summary>
    internal static NodeUpgrade Of(PairLayout pair, string name, Release target) =>
        NodeProcess.Find(pair, name) is { } pid
            ? new NodeUpgrade(pair, name, target, pid)
            : throw new RefusedException(new Refusal(
                $"node {name}", "to run", "no process", $"storageos start {name}"));

    /// <summary>
    /// Writes the configuration that it will have beside the one that it has, and asks the other
    /// version whether it would boot with that.
    /// </summary>
    internal async Task PrepareAsync(CancellationToken cancellation)
    {
        if (IsDone)
        {
            return;
        }

        WholeFile.Write(Candidate, WithPlugins());
        foreach (string step in (string[])["migrate", "check"])
        {
            (int code, string said) = await AskTargetAsync(step, cancellation);
            if (code != ExitCode.Good)
            {
                throw new RefusedException(new Refusal(
                    $"configuration {config}", $"one that {target.Version} boots with", said,
                    "correct it on both nodes; nothing was changed"));
            }
        }

        // The file itself is kept as it was when the other takes its place.
        Array.ForEach(CopiesOfCandidate(), File.Delete);
    }

    /// <summary>Stops it in good order.</summary>
    internal async Task StopAsync(CancellationToken cancellation)
    {
        try
        {
            _ = await NodeClient.AskAsync(
                pair.Socket(Name), "stop", null, NodeClient.StatusTimeMax, cancellation);
        }
        catch (RefusedException refused) when (NodeClient.IsUnreachable(refused))
        {
            // Asked it was, though it had no time to answer: that it ends is what counts.
        }

        if (!await NodeProcess.HasEndedAsync(pid, EndTimeMax, cancellation))
        {
            throw new RefusedException(new Refusal(
                $"node {Name}", $"to end within {EndTimeMax.TotalSeconds} s",
                $"process {pid}, which still runs",
                $"storageos stop {Name} --kill, storageos start {Name}, then run the same again"));
        }
    }

    /// <summary>From here on it is started with the other version.</summary>
    internal void Switch()
    {
        WholeFile.Write(config + ".before", text);
        File.Move(Candidate, config, overwrite: true);
        WholeFile.Write(pair.ReleaseMark(Name), target.Folder + "\n");
    }

    /// <summary>
    /// Ends what was started, if it runs, and puts everything back as it was.
    /// </summary>
    internal async Task BackAsync()
    {
        if (Runs)
        {
            NodeProcess.Kill(pid);
            _ = await NodeProcess.HasEndedAsync(pid, EndTimeMax, CancellationToken.None);
        }

        WholeFile.Write(config, text);
        if (mark is null && Before == Release.Own)
        {
            File.Delete(pair.ReleaseMark(Name));
        }
        else
        {
            WholeFile.Write(pair.ReleaseMark(Name), Before.Folder + "\n");
        }
    }

    /// <summary>Starts it with whatever it is to be started with now.</summary>
    internal async Task StartAsync(CancellationToken cancellation) =>
        pid = await NodeProcess.StartAsync(pair, Name, cancellation);

    /// <summary>That it did not come up.</summary>
    internal Refusal DidNotBoot(string found) =>
        new($"node {Name}", $"to boot with {target.Version}", found, $"see {pair.Log(Name)}");

    private string[] CopiesOfCandidate() => Directory.GetFiles(
        Path.GetDirectoryName(config)!, Path.GetFileName(Candidate) + ".version-*");

    /// <summary>
    /// The plugins of the version that runs become those of the other; others stay.
    /// </summary>
    private string WithPlugins()
    {
        JsonObject settings = JsonNode.Parse(text, null, new JsonDocumentOptions
        {
            CommentHandling = JsonCommentHandling.Skip,
            AllowTrailingCommas = true,
        })!.AsObject();
        if (settings["plugins"]?["directories"] is not JsonArray directories)
        {
            return text; // Those beside the kernel, whichever that is.
        }

        for (int index = 0; index < directories.Count; index++)
        {
            string folder = Path.GetFullPath(
                $"{directories[index]}", Path.GetDirectoryName(config)!);
            if (folder == Before.Plugins)
            {
                directories[index] = target.Plugins;
            }
        }

        return settings.ToJsonString(Indented) + "\n";
    }

    private async Task<(int Code, string Said)> AskTargetAsync(
        string step, CancellationToken cancellation)
    {
        using Process process = Process.Start(new ProcessStartInfo(
            target.Program, ["config", step, Candidate])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> error = process.StandardError.ReadToEndAsync(cancellation);
        string said = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return (process.ExitCode, $"{said}{await error}".Trim());
    }
}
