using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Pair.Tests;

/// <summary>Where the time of a write goes, seen while a client writes.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class TraceTests
{
    private static readonly string[] Mirrored =
    [
        "request read", "payload received", "handed to the volume",
        "record built in the local log", "published in the local log", "posted to the partner",
        "partner acknowledged", "acknowledged to the client", "reply written",
    ];

    [Fact]
    public async Task Each_step_of_a_write_is_shown_mirrored_or_alone()
    {
        await using PairRun pair = new() { WebPort = DrillCommand.FreePorts() };
        using Collector collector = new();
        pair.Make();
        foreach (string node in new[] { "a", "b" })
        {
            pair.Configure(node, settings => settings["plugins"]!["settings"]!["management"]![
                "otlp"] = collector.Metrics);
            pair.Boot(node);
        }

        await pair.InSyncAsync();
        await PairRun.UntilAsync(() => pair.Client("a", "management") == "Ready", "the API");
        using CancellationTokenSource enough = new();
        SteadyWriter writer = new(pair.Port);
        Task writing = Task.Run(() => writer.RunAsync(enough.Token));
        await PairRun.UntilAsync(() => writer.Answers > 0, "it writes");
        ulong before = Tail(pair);
        JsonNode said = Json(pair, "--volume", "vol0", "--writes", "3");
        ulong after = Tail(pair);
        JsonArray writes = said["writes"]!.AsArray();
        Assert.Equal(3, writes.Count);
        ulong last = before;
        foreach (JsonNode? write in writes)
        {
            CheckSteps(write!, Mirrored);
            Assert.Equal("a vol0 4096 mirrored", Summary(write!));
            Assert.Equal($"{pair.Node("a")["session"]!["id"]}", $"{write!["session"]}");
            ulong lsn = write["lsn"]!.GetValue<ulong>();
            Assert.InRange(lsn, last + 4096, after);
            last = lsn;
        }

        var (code, text, _) = pair.Ask("trace");
        Assert.Equal(0, code);
        Assert.Contains("mirrored: acknowledged by both nodes", text);
        Assert.All(text.Split('\n'), static line => Assert.True(line.Length <= 80, line));
        (code, text, _) = pair.Ask("trace", "--slower-than", "5s", "--timeout", "300ms");
        Assert.Equal(3, code);
        Assert.Contains("no write to any volume slower than 5000000 µs by a and b", text);
        Assert.Contains("give a smaller --slower-than", text);
        (code, text, _) = pair.Ask("trace", "--volume", "vol1", "--timeout", "200ms");
        Assert.Equal(3, code);
        Assert.Contains("no write was answered at all", text);
        await collector.UntilAsync("partner acknowledged");

        await pair.KillAsync("b");
        await PairRun.UntilAsync(() => $"{pair.Volume("a")["state"]}" == "alone", "a alone");
        JsonNode alone = Json(pair, "--volume", "vol0")["writes"]![0]!;
        CheckSteps(alone, [.. Mirrored.Where(static step => !step.Contains("partner"))]);
        Assert.Equal("a vol0 4096 alone", Summary(alone));
        Assert.Null(alone["session"]);
        Assert.Contains("degraded: there is no partner", pair.Ask("trace").Out);
        await enough.CancelAsync();
        await writing;
    }

    [Fact]
    public async Task Whoever_is_interrupted_or_hangs_up_leaves_nothing_armed()
    {
        await using PairRun pair = new() { WebPort = DrillCommand.FreePorts() };
        pair.Start();
        ProcessStartInfo start = new(PairRun.Kernel, [
            "trace", "--dir", pair.Folder, "--timeout", "60s"])
        {
            RedirectStandardOutput = true,
        };
        using Process waiting = Process.Start(start)!;
        await PairRun.UntilAsync(() => IsTaken(pair), "it waits");
        PairRun.Signal(waiting.Id, "TERM"); // INT is ignored by what a script has in its background.
        Assert.Contains("no write to any volume", await waiting.StandardOutput.ReadToEndAsync());
        await waiting.WaitForExitAsync();
        await PairRun.UntilAsync(() => !IsTaken(pair), "it is free");

        string token = File.ReadLines(Path.Combine(pair.Folder, "operator.token")).First();
        using HttpClient http = new() { BaseAddress = new($"http://127.0.0.1:{pair.WebPort}/") };
        http.DefaultRequestHeaders.Authorization = new("Bearer", token);
        using CancellationTokenSource gone = new();
        Task<HttpResponseMessage> asked = http.PostAsync(
            "api/v1/trace",
            new StringContent("""{"timeoutMs":60000}""", Encoding.UTF8, "application/json"),
            gone.Token);
        await PairRun.UntilAsync(() => IsTaken(pair), "the API waits");
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        await PairRun.UntilAsync(() => !IsTaken(pair), "it is free again");

        using StringContent wrong = new("""{"writes":65}""", Encoding.UTF8, "application/json");
        using HttpResponseMessage refused = await http.PostAsync("api/v1/trace", wrong);
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        Assert.Contains("1 to 64", await refused.Content.ReadAsStringAsync());
    }

    /// <summary>Whether somebody traces writes of both nodes, or of one.</summary>
    private static bool IsTaken(PairRun pair) =>
        pair.Ask("trace", "--volume", "vol0", "--timeout", "1ms").Error.Contains("nobody else");

    private static JsonNode Json(PairRun pair, params string[] arguments)
    {
        var (code, said, error) = pair.Ask(["trace", .. arguments, "-o", "json"]);
        Assert.True(code == 0, said + error);
        return JsonNode.Parse(said)!;
    }

    private static ulong Tail(PairRun pair) =>
        pair.Node("a")["sections"]!["log"]![0]!["tail"]!.GetValue<ulong>();

    private static string Summary(JsonNode write) =>
        $"{write["node"]} {write["volume"]} {write["length"]} {write["copies"]}";

    /// <summary>All of them, in order, each from where the one before ended, and no more.</summary>
    private static void CheckSteps(JsonNode write, string[] expected)
    {
        const double Rounded = 0.2;
        JsonArray steps = write["steps"]!.AsArray();
        Assert.Equal(expected, steps.Select(static step => $"{step!["name"]}"));
        double at = 0;
        foreach (JsonNode? step in steps)
        {
            Assert.Equal(at, step!["startUs"]!.GetValue<double>(), Rounded);
            Assert.True(step["tookUs"]!.GetValue<double>() >= 0, $"{write}");
            at = step["startUs"]!.GetValue<double>() + step["tookUs"]!.GetValue<double>();
        }

        Assert.Equal(at, write["totalUs"]!.GetValue<double>(), Rounded);
        Assert.True(at > 0);
    }

    /// <summary>Takes what is sent by OTLP, and remembers the traces.</summary>
    private sealed class Collector : IDisposable
    {
        private readonly HttpListener listener = new();
        private readonly List<string> traces = [];

        public Collector()
        {
            int port = DrillCommand.FreePorts();
            Metrics = $"http://127.0.0.1:{port}/v1/metrics";
            listener.Prefixes.Add($"http://127.0.0.1:{port}/");
            listener.Start();
            _ = Task.Run(TakeAsync);
        }

        public string Metrics { get; }

        public Task UntilAsync(string words) => PairRun.UntilAsync(
            () =>
            {
                lock (traces)
                {
                    return traces.Any(one => one.Contains(words, StringComparison.Ordinal));
                }
            },
            $"a span of {words}");

        public void Dispose() => listener.Close();

        private async Task TakeAsync()
        {
            while (listener.IsListening)
            {
                HttpListenerContext context;
                try
                {
                    context = await listener.GetContextAsync();
                }
                catch (Exception) when (!listener.IsListening)
                {
                    return; // Closed.
                }

                using MemoryStream body = new();
                await context.Request.InputStream.CopyToAsync(body);
                if (context.Request.Url!.AbsolutePath == "/v1/traces")
                {
                    lock (traces)
                    {
                        traces.Add(Encoding.UTF8.GetString(body.ToArray()));
                    }
                }

                context.Response.Close();
            }
        }
    }
}
