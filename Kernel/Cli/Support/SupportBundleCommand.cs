using System.CommandLine;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Doctor;
using StorageOs.Kernel.Cli.Timeline;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Cli.Support;

/// <summary>
/// <c>support-bundle</c>: collects what somebody else needs to see what happened to a pair, and no
/// secrets. What cannot be had is named in it, for that is when it is needed.
/// </summary>
internal static class SupportBundleCommand
{
    private const int LogBytesMax = 8 * Size.MiB;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static readonly string[] MachineFiles =
    [
        "/proc/version", "/proc/cmdline", "/proc/meminfo", "/proc/loadavg", "/proc/uptime",
        "/proc/self/mountinfo", "/proc/modules", "/proc/pressure/cpu", "/proc/pressure/io",
        "/proc/pressure/memory", "/etc/os-release",
    ];

    internal static Command Make()
    {
        Option<string?> directory = PairCommand.Directory();
        Option<string?> to = new("--out")
        {
            Description = "the file to write (default storageos-support-TIME.tar.gz)",
            HelpName = "FILE",
        };
        Command command = new(
            "support-bundle", "Collects what is needed to see what happened, without secrets.")
        {
            to, directory,
        };
        command.SetAction((parsed, cancellation) =>
        {
            PairLayout pair = PairLayout.At(parsed.GetValue(directory));
            pair.Require();
            return RunAsync(Output.Of(parsed), pair, parsed.GetValue(to), cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        Output output, PairLayout pair, string? to, CancellationToken cancellation)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        string name = string.Create(
            CultureInfo.InvariantCulture, $"storageos-support-{now:yyyyMMdd-HHmmss}");
        string path = Path.GetFullPath(to ?? $"{name}.tar.gz");
        Secrets secrets = new();
        Bundle bundle = new(name, secrets);
        List<string> missing = [];
        foreach (string secret in Directory.EnumerateFiles(pair.Directory)
            .Where(static file => Path.GetExtension(file) is ".key" or ".token"
                || Path.GetFileName(file) == "tokens"))
        {
            secrets.AddFile(secret);
        }

        AddMachine(bundle, missing);
        foreach (string node in PairLayout.Names)
        {
            output.Say($"asking {node}…");
            await AddNodeAsync(bundle, secrets, pair, node, missing, cancellation);
        }

        await AddStoryAsync(bundle, pair, cancellation);
        bundle.Add("missing.txt", string.Concat(missing.Select(static line => $"{line}\n")));
        bundle.Write(path, now);
        output.Say(
            $"{path}, {new FileInfo(path).Length / Size.KiB} KiB, {bundle.Names.Count} files");
        missing.ForEach(line => output.Say($"not in it: {line}"));
        if (output.Json)
        {
            Output.Write(new JsonObject
            {
                ["ok"] = true,
                ["file"] = path,
                ["has"] = new JsonArray([.. bundle.Names.Select(static one => (JsonNode)one)]),
                ["missing"] = new JsonArray([.. missing.Select(static one => (JsonNode)one)]),
            });
        }

        return ExitCode.Good;
    }

    private static void AddMachine(Bundle bundle, List<string> missing)
    {
        bundle.Add("version.txt", Assembly.GetExecutingAssembly()
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
            + $"\n{Environment.Version}\n");
        foreach (string file in MachineFiles)
        {
            Try(missing, file, () => bundle.Add(
                $"machine/{Path.GetFileName(file)}.txt", File.ReadAllText(file)));
        }
    }

    private static async Task AddNodeAsync(
        Bundle bundle, Secrets secrets, PairLayout pair, string node, List<string> missing,
        CancellationToken cancellation)
    {
        JsonObject status = await NodeClient.StatusAsync(node, pair.Socket(node), cancellation);
        bundle.Add($"{node}/status.json", status.ToJsonString(Indented));
        Try(missing, pair.Config(node), () => bundle.Add(
            $"{node}/config.json", secrets.Configuration(
                File.ReadAllText(pair.Config(node)), Path.GetDirectoryName(pair.Config(node))!)));
        Try(missing, pair.Log(node), () => bundle.AddEnd(
            $"{node}/log.txt", pair.Log(node), LogBytesMax));
        if (pair.IsLocal)
        {
            (string name, IReadOnlyList<Diagnosis> found) =
                await DoctorCommand.ExamineAsync(pair.Config(node), cancellation);
            bundle.Add($"{node}/doctor.json", DoctorCommand.ToJson(
                [(name, found)], found.Any(static one => one.Verdict == Verdict.Bad))
                .ToJsonString(Indented));
        }

        if (pair.IsLocal && status["pid"] is { } pid)
        {
            AddProcess(bundle, node, "limits", $"/proc/{pid}/limits", missing);
            AddProcess(bundle, node, "status", $"/proc/{pid}/status", missing);
        }
    }

    private static void AddProcess(
        Bundle bundle, string node, string what, string path, List<string> missing) =>
        Try(missing, path, () => bundle.Add(
            $"{node}/process-{what}.txt", File.ReadAllText(path)));

    private static async Task AddStoryAsync(
        Bundle bundle, PairLayout pair, CancellationToken cancellation)
    {
        IReadOnlyList<StorySource> sources = await StorySources.AskAsync(pair, cancellation);
        Story story = Story.Of(
            sources[0].Name, sources[0].Events, sources[1].Name, sources[1].Events);
        bundle.Add("timeline.json", new TimelineView(story, sources, static _ => true)
            .ToJson().ToJsonString(Indented));
    }

    private static void Try(List<string> missing, string what, Action add)
    {
        try
        {
            add();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            missing.Add($"{what}: {failure.Message}");
        }
    }
}
