using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Pair.Tests;

/// <summary>
/// A pair of real processes in a directory of its own, driven by the command line as a user drives
/// it, or node by node where a user's command would wait.
/// </summary>
internal sealed class PairRun : IAsyncDisposable
{
    private const string Script = "exec \"$0\" boot --config \"$1\" >>\"$2\" 2>&1 </dev/null";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);
    private readonly List<Process> booted = [];

    public static string Root { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", ".."));

    public static string Kernel { get; } =
        Path.Combine(Root, "artifacts", "kernel", "StorageOs.Kernel");

    public string Folder { get; } =
        Path.Combine(Directory.CreateTempSubdirectory("pair-test-").FullName, "p");

    /// <summary>
    /// Where a test may put plugins of its own; not a plugin folder until asked for.
    /// </summary>
    public string Plugins => Path.Combine(Path.GetDirectoryName(Folder)!, "plugins");

    public int Port { get; } = DrillCommand.FreePorts();

    /// <summary>Port of a's page; 0 for none, as most tests need none.</summary>
    public int WebPort { get; init; }

    public string Uri => $"nbd://127.0.0.1:{Port}/vol0";

    public static (int Code, string Out, string Error) Run(
        string program, params string[] arguments) =>
        Run(TimeSpan.FromSeconds(120), program, arguments);

    public static (int Code, string Out, string Error) Run(
        TimeSpan limit, string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!Task.WaitAll([output, error], limit) || !process.WaitForExit(limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end in {limit}");
        }

        return (process.ExitCode, output.Result, error.Result);
    }

    public static (int Code, string Out, string Error) StorageOs(params string[] arguments) =>
        Run(Kernel, arguments);

    public void Start(params string[] more)
    {
        var (code, output, error) = StorageOs([
            "pair", "--detach", "--dir", Folder, "--nbd-port", $"{Port}", "--size", "64M",
            "--web-port", $"{WebPort}", .. more]);
        Assert.True(code == 0, $"exit {code}: {output}{error}");
    }

    /// <summary>Makes the files of the pair and starts nothing.</summary>
    public void Make(params string[] plugins) => Make(64L << 20, plugins);

    /// <summary>The same with volumes of another size.</summary>
    public void Make(long volumeBytes, params string[] plugins) => PairLayout.At(Folder).Make(
        new PairOptions(
            "loopback", [Path.Combine(Root, "artifacts", "plugins"), .. plugins],
            volumeBytes, Port)
        {
            WebPort = WebPort,
        });

    /// <summary>
    /// Boots one node of a pair that was made; its log is where the command puts it.
    /// </summary>
    public Process Boot(string node) => Boot(node, Kernel);

    /// <summary>The same by another kernel.</summary>
    public Process Boot(string node, string kernel)
    {
        Process process = Process.Start("/bin/sh", [
            "-c", Script, kernel, Path.Combine(Folder, node, "config.json"),
            Path.Combine(Folder, node, "log.txt")]);
        booted.Add(process);
        return process;
    }

    /// <summary>A certificate for this machine's loopback address, and its key; PEM.</summary>
    public (string Certificate, string Key) MakeCertificate(string name)
    {
        string certificate = Path.Combine(Folder, "cert.pem");
        string key = Path.Combine(Folder, "key.pem");
        var (code, _, error) = Run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", $"/CN={name}", "-addext",
            "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key);
        Assert.True(code == 0, error);
        return (certificate, key);
    }

    /// <summary>Changes a node's configuration file.</summary>
    public void Configure(string node, Action<JsonNode> change)
    {
        string file = Path.Combine(Folder, node, "config.json");
        JsonNode settings = JsonNode.Parse(File.ReadAllText(file))!;
        change(settings);
        File.WriteAllText(file, settings.ToJsonString());
    }

    public (int Code, string Out, string Error) Ask(params string[] arguments) =>
        StorageOs([.. arguments, "--dir", Folder]);

    /// <summary>A node's status, of its socket: what the status command shows.</summary>
    public JsonObject Node(string name) => NodeClient.StatusAsync(
        name, PairLayout.At(Folder).Socket(name), CancellationToken.None).GetAwaiter().GetResult();

    /// <summary>State of a client of a node; empty when the node does not name it.</summary>
    public string Client(string node, string client) => $"{Node(node)["clients"]?.AsArray()
        .FirstOrDefault(c => $"{c!["name"]}" == client)?["state"]}";

    /// <summary>Why a plugin of a node is not well.</summary>
    public string Reason(string node, string plugin) => $"{Node(node)["plugins"]?.AsArray()
        .FirstOrDefault(c => $"{c!["id"]}" == plugin)?["reason"]}";

    public string Session(string node) => $"{Node(node)["session"]?["state"]}";

    public JsonNode Volume(string node) => Node(node)["volumes"]?.AsArray()
        .FirstOrDefault(v => $"{v!["name"]}" == "vol0") ?? new JsonObject();

    /// <summary>Who owns each volume, as a node knows it.</summary>
    public string Owners(string node) => string.Join(
        ' ', (Node(node)["volumes"] as JsonArray ?? []).Select(volume => $"{volume!["owner"]}"));

    public int Pid(string node) => Node(node)["pid"]!.GetValue<int>();

    /// <summary>What both nodes raised, for <see cref="RaisesAttribute"/>.</summary>
    public IReadOnlyList<string> NoteEvents()
    {
        var (_, output, error) = Ask("events", "-o", "json");
        string[] ids = [.. (JsonNode.Parse(output)?["events"] as JsonArray ?? [])
            .Select(static one => $"{one!["name"]}")];
        Assert.True(ids.Length > 0, output + error);
        foreach (string id in ids)
        {
            RaisesAttribute.Note(id);
        }

        return ids;
    }

    public string Log(string node)
    {
        string file = Path.Combine(Folder, node, "log.txt");
        return File.Exists(file) ? File.ReadAllText(file) : "";
    }

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(50));
        for (long from = Stopwatch.GetTimestamp(); !condition();)
        {
            Assert.True(Stopwatch.GetElapsedTime(from) < Patience, $"not in time: {what}");
            _ = await timer.WaitForNextTickAsync();
        }
    }

    /// <summary>Looks all the while that it holds, and goes on holding.</summary>
    public static Task HoldsAsync(Func<bool> condition, TimeSpan time, string what) =>
        HoldsAsync(true, condition, time, what);

    /// <summary>The same with what is read, for a failure to show.</summary>
    public static async Task HoldsAsync<T>(
        T expected, Func<T> read, TimeSpan time, string what)
    {
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(50));
        for (long from = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(from) < time;)
        {
            T found = read();
            Assert.True(
                Equals(expected, found),
                $"{found} instead of {expected} after {Stopwatch.GetElapsedTime(from)}: {what}");
            _ = await timer.WaitForNextTickAsync();
        }
    }

    /// <summary>Sends a signal to a process.</summary>
    public static void Signal(int pid, string signal) =>
        Assert.Equal(0, Run("kill", $"-{signal}", $"{pid}").Code);

    /// <summary>
    /// Kills a node that nothing waits for: on a busy machine the session may have ended and come
    /// again during a copy, and a partner that is stale by then rightly takes nothing over.
    /// </summary>
    public async Task KillAsync(string node)
    {
        await InSyncAsync();
        Signal(Pid(node), "KILL");
    }

    /// <summary>
    /// Node a, owner of group 0, is killed, b takes over, a comes back and is given its group
    /// again; nothing written before or meanwhile is missing.
    /// </summary>
    public async Task OwnerIsKilledAndComesHomeAsync(Action takenOver)
    {
        string file = WriteBytes(8 << 20);
        await KillAsync("a");
        await UntilAsync(() => $"{Volume("b")["state"]}" == "alone", "b serves alone");
        takenOver();
        Compare(file);
        file = WriteBytes(4 << 20, "later");
        Assert.Equal(0, Ask("start", "a").Code);
        await InSyncAsync();
        Assert.Equal("b", $"{Volume("a")["owner"]}");
        Assert.Equal(0, Ask("takeover", "--node", "a", "--group", "0").Code);
        await UntilAsync(() => Volume("a")["served"]!.GetValue<bool>(), "home again");
        Compare(file);
    }

    public Task InSyncAsync() => UntilAsync(
        () => $"{Volume("a")["sync"]}" == "InSync" && $"{Volume("b")["sync"]}" == "InSync"
            && $"{Node("a")["session"]?["state"]}" == "Ready", "both in sync");

    public ValueTask DisposeAsync()
    {
        if (Directory.Exists(Folder))
        {
            _ = Ask("stop", "--kill");
            booted.ForEach(process => process.Dispose());
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

    /// <summary>Writes random bytes to the start of <c>vol0</c>; the file they are of.</summary>
    public string WriteBytes(int count, string name = "bytes")
    {
        string file = Path.Combine(Path.GetDirectoryName(Folder)!, name);
        File.WriteAllBytes(file, RandomNumberGenerator.GetBytes(count));
        Copy(file, Uri);
        return file;
    }

    /// <summary>Reads <c>vol0</c> back from whoever serves it.</summary>
    public void Compare(string file)
    {
        string back = file + ".back";
        Copy(Uri, back);
        byte[] wanted = File.ReadAllBytes(file);
        Assert.True(
            wanted.AsSpan().SequenceEqual(File.ReadAllBytes(back).AsSpan(0, wanted.Length)),
            "other bytes than were written");
    }

    // A copy that does not end says nothing: both nodes must say why.
    private void Copy(string from, string to)
    {
        string failure;
        try
        {
            var (code, output, error) = Run("nbdcopy", from, to);
            failure = code == 0 ? "" : $"exit {code}: {output}{error}";
        }
        catch (Xunit.Sdk.FailException noEnd)
        {
            failure = noEnd.Message;
        }

        Assert.True(failure == "", $"{failure}\n{Node("a")}\n{Node("b")}\n{Log("a")}\n{Log("b")}");
    }

    private static string SourceFolder([CallerFilePath] string file = "") =>
        Path.GetDirectoryName(file)!;
}
