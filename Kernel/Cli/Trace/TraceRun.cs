using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Trace;

/// <summary>
/// One trace on one or both nodes: asks each, and has the others end once one has all, or Ctrl-C
/// ends it. A node whose trace nobody ends any more ends it by itself when its time is over.
/// </summary>
internal sealed class TraceRun(
    IReadOnlyList<string> nodes, PairLayout pair, TraceRequest request)
{
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StopTimeMax = TimeSpan.FromMilliseconds(1500);
    private static readonly TimeSpan Early = TimeSpan.FromMilliseconds(100);
    private readonly Dictionary<string, JsonNode?> answers = [];
    private TimeSpan past;

    /// <summary>The writes of all nodes, oldest first, each with its node.</summary>
    internal IReadOnlyList<JsonObject> Writes { get; private set; } = [];

    /// <summary>Runs it; why it failed with a node, or nothing.</summary>
    internal async Task<IReadOnlyList<Refusal>> RunAsync(CancellationToken cancellation)
    {
        long begin = Stopwatch.GetTimestamp();
        Dictionary<Task<JsonNode?>, string> asked =
            nodes.ToDictionary(name => AskAsync(name, request.ToJson(), request.Time));
        List<Refusal> refusals = [];
        TaskCompletionSource interrupted = new();
        using CancellationTokenRegistration _ = cancellation.Register(interrupted.SetResult);
        bool ending = false;
        while (asked.Count > 0)
        {
            Task ended = ending
                ? await Task.WhenAny(asked.Keys)
                : await Task.WhenAny([.. asked.Keys, interrupted.Task]);
            if (ended is Task<JsonNode?> answer && asked.Remove(answer, out string? name))
            {
                try
                {
                    answers[name] = await answer;
                }
                catch (RefusedException refused)
                {
                    refusals.Add(refused.Refusal with
                    {
                        Subject = $"{name}: {refused.Refusal.Subject}",
                    });
                }
            }

            if (!ending && (interrupted.Task.IsCompleted || Gathered().Count >= request.Writes))
            {
                ending = true;
                await StopAsync(asked.Values);
            }
        }

        past = Stopwatch.GetElapsedTime(begin);
        Writes = [.. Gathered().Take(request.Writes)];
        return refusals;
    }

    /// <summary>The documented form.</summary>
    internal JsonObject ToJson() => new()
    {
        ["ok"] = true,
        ["asked"] = request.Writes,
        ["nodes"] = new JsonArray([.. answers.OrderBy(static one => one.Key).Select(
            static one => new JsonObject
            {
                ["name"] = one.Key,
                ["seen"] = one.Value?["seen"]?.DeepClone(),
                ["missed"] = one.Value?["missed"]?.DeepClone(),
                ["unanswered"] = one.Value?["unanswered"]?.DeepClone(),
                ["slowestUs"] = one.Value?["slowestUs"]?.DeepClone(),
            })]),
        ["writes"] = new JsonArray([.. Writes.Select(static one => one.DeepClone())]),
    };

    /// <summary>Has whoever waits for traces of these nodes be answered.</summary>
    internal Task<IReadOnlyList<Refusal>> StopAsync() => EachNode.DoAsync(
        nodes, name => AskAsync(
            pair.Socket(name), new JsonObject { ["stop"] = true }, TimeSpan.Zero, StopTimeMax));

    /// <summary>What is to be said beside the writes: what did not come, and what to do.</summary>
    internal IEnumerable<string> Remarks()
    {
        if (Writes.Count < request.Writes && answers.Count > 0)
        {
            string by = string.Join(" and ", answers.Keys.Order());
            string count = Writes.Count == 0 ? "no" : $"only {Writes.Count} of {request.Writes}:";
            if (past < request.Time - Early)
            {
                yield return $"{count} {request} by {by} when it was ended, after"
                    + $" {Seconds(past)} s";
                yield break;
            }

            yield return $"{count} {request} by {by} within {Seconds(request.Time)} s";
            foreach (string line in Advice())
            {
                yield return line;
            }
        }

        if (Sum("missed") is > 0 and var missed)
        {
            yield return $"{missed} writes came while too many others were traced";
        }

        if (Sum("unanswered") is > 0 and var lost)
        {
            yield return $"{lost} writes were not answered: client or ownership was lost";
        }
    }

    private static string Seconds(TimeSpan time) =>
        time.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture);

    private static Task<JsonNode?> AskAsync(
        string socket, JsonObject arguments, TimeSpan time, TimeSpan more) =>
        NodeClient.AskAsync(socket, "trace", arguments, time + more, CancellationToken.None);

    private Task<JsonNode?> AskAsync(string name, JsonObject arguments, TimeSpan time) =>
        AskAsync(pair.Socket(name), arguments, time, AnswerTimeMax);

    private async Task StopAsync(IEnumerable<string> names)
    {
        foreach (Refusal one in await new TraceRun([.. names], pair, request).StopAsync())
        {
            Console.Error.WriteLine(Printable.Of($"storageos: {one}; its trace ends by itself"));
        }
    }

    private IEnumerable<string> Advice()
    {
        string slowest = answers.Values
            .Select(static answer => answer?["slowestUs"]?.GetValue<double>() ?? 0).Max()
            .ToString("0.0", CultureInfo.InvariantCulture);
        if (Sum("seen") is > 0 and var seen)
        {
            yield return $"{seen} were answered, the slowest after {slowest} µs:";
            yield return request.SlowerThan > TimeSpan.Zero
                ? "give a smaller --slower-than, or wait longer by --timeout"
                : "wait longer by --timeout";
        }
        else
        {
            yield return "no write was answered at all: see storageos top for who writes,";
            yield return "and storageos status for what waits";
        }
    }

    private long Sum(string key) =>
        answers.Values.Sum(answer => answer?[key]?.GetValue<long>() ?? 0);

    private List<JsonObject> Gathered() => [.. answers.SelectMany(
            static one => one.Value?["writes"] as JsonArray ?? [],
            static (one, write) =>
            {
                JsonObject its = new() { ["node"] = one.Key };
                foreach ((string key, JsonNode? value) in write as JsonObject ?? [])
                {
                    its[key] = value?.DeepClone();
                }

                return its;
            })
        .OrderBy(static write => $"{write["began"]}", StringComparer.Ordinal)];
}
