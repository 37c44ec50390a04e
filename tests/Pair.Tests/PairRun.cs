using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Pair.Tests;

/// <summary>A pair of real processes in a directory of its own, driven by the command line as a user drives it.</summary>
internal sealed class PairRun : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    public static string Root { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", ".."));

    public string Folder { get; } = Path.Combine(Directory.CreateTempSubdirectory("pair-test-").FullName, "p");

    public int Port { get; } = DrillCommand.FreePorts();

    public string Uri => $"nbd://127.0.0.1:{Port}/vol0";

    public static (int Code, string Out, string Error) Run(string program, params string[] arguments) =>
        Run(TimeSpan.FromSeconds(120), program, arguments);

    public static (int Code, string Out, string Error) Run(
        TimeSpan limit, string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(limit), $"{program} did not end");
        return (process.ExitCode, output, error.Result);
    }

    public static (int Code, string Out, string Error) StorageOs(params string[] arguments) =>
        Run(Kernel, arguments);

    public static string Kernel { get; } =
        Path.Combine(Root, "artifacts", "kernel", "StorageOs.Kernel");

    public void Start(params string[] more)
    {
        var (code, output, error) = StorageOs(
            ["pair", "--detach", "--dir", Folder, "--nbd-port", $"{Port}", "--size", "64M", .. more]);
        Assert.True(code == 0, $"exit {code}: {output}{error}");
    }

    public (int Code, string Out, string Error) Ask(params string[] arguments) =>
        StorageOs([.. arguments, "--dir", Folder]);

    public JsonObject Node(string name) => JsonNode.Parse(Ask("status", "-o", "json").Out)!["nodes"]!
        .AsArray().Select(n => n!.AsObject()).First(n => $"{n["name"]}" == name);

    public JsonNode Volume(string node) => Node(node)["volumes"]?.AsArray()
        .FirstOrDefault(v => $"{v!["name"]}" == "vol0") ?? new JsonObject();

    public int Pid(string node) => Node(node)["pid"]!.GetValue<int>();

    public string Log(string node) => File.ReadAllText(Path.Combine(Folder, node, "log.txt"));

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(100));
        for (long from = Stopwatch.GetTimestamp(); !condition();)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < Patience, $"not in time: {what}");
            _ = await timer.WaitForNextTickAsync();
        }
    }

    public Task InSyncAsync() => UntilAsync(
        () => $"{Volume("a")["sync"]}" == "InSync" && $"{Volume("b")["sync"]}" == "InSync"
            && $"{Node("a")["session"]?["state"]}" == "Ready", "both in sync");

    public ValueTask DisposeAsync()
    {
        if (Directory.Exists(Folder))
        {
            _ = Ask("stop", "--kill");
            string fast = File.ReadAllText(Path.Combine(Folder, "fast-folder")).Trim();
            Directory.Delete(fast, recursive: true);
        }

        string parent = Path.GetDirectoryName(Folder)!;
        if (Directory.Exists(parent))
        {
            Directory.Delete(parent, recursive: true);
        }

        return ValueTask.CompletedTask;
    }

    private static string SourceFolder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
