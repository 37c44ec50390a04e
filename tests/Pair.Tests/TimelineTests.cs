using System.Globalization;
using System.Text.Json.Nodes;

namespace StorageOs.Pair.Tests;

/// <summary>
/// The story of a death, told while the dead is dead and again when it is back.
/// </summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class TimelineTests
{
    [Theory]
    [InlineData("loopback")]
    [InlineData("tcp")]
    public async Task A_survivor_tells_the_last_events_of_a_killed_owner_and_its_takeover(
        string transport)
    {
        await using PairRun pair = new();
        pair.Start("--transport", transport);
        await pair.InSyncAsync();
        ulong died = Newest(pair, "a");
        await pair.KillAsync("a");
        await PairRun.UntilAsync(
            () => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");

        var (code, output, error) = pair.Ask("timeline", "-o", "json");
        Assert.True(code == 3, output + error); // One of two answers.
        JsonNode story = JsonNode.Parse(output)!;
        JsonNode dead = story["nodes"]!.AsArray().Single(node => $"{node!["name"]}" == "a")!;
        Assert.False(dead["answers"]!.GetValue<bool>());
        Assert.Equal(0, dead["own"]!.GetValue<int>());
        Assert.Equal(0, dead["damaged"]!.GetValue<int>());
        AssertDeathIsTold(story, died);
        Assert.Contains(
            "a does not answer", pair.Ask("timeline").Out, StringComparison.Ordinal);

        Assert.Equal(0, pair.Ask("start", "a").Code);
        await pair.InSyncAsync();
        (code, output, error) = pair.Ask("timeline", "-o", "json");
        Assert.True(code == 0, output + error);
        story = JsonNode.Parse(output)!;
        AssertDeathIsTold(story, died);
        AssertInOrder(story, [
            ("b", "took over", of => Name(of) == "register-swapped" && Group(of) == 0
                && $"{of["facts"]}".Contains("owner=b", StringComparison.Ordinal)),
            ("a", "booted again", of => Text(of).Contains("1/4", StringComparison.Ordinal)),
            ("b", "in sync again", of => Name(of) == "register-swapped" && Group(of) == 0
                && $"{of["facts"]}".Contains("sync=InSync", StringComparison.Ordinal)),
        ]);
        Assert.All(
            pair.Ask("timeline").Out.Split('\n'), line => Assert.True(line.Length <= 80, line));
        AssertRegisterIsWhole(story);
        string onlyB = pair.Ask("timeline", "-o", "json", "--node", "b", "--since", "1h").Out;
        Assert.All(
            JsonNode.Parse(onlyB)!["events"]!.AsArray(), of => Assert.Equal("b", $"{of!["node"]}"));
    }

    [Fact]
    public async Task A_node_alone_tells_what_it_did_before_it_was_killed()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        string epoch = $"{Events(pair, "a")[^1]!["epoch"]}";
        Assert.Equal(0, pair.Ask("stop", "--kill").Code);
        File.Delete(Path.Combine(pair.Folder, "b", "data", "partner-ring.bin"));
        pair.Boot("a");
        await PairRun.UntilAsync(
            () => $"{pair.Node("a")["phase"]}" == "Serving", "a serves");
        JsonArray events = Events(pair, "a");
        Assert.Contains(events, of => $"{of!["epoch"]}" == epoch
            && $"{of["name"]}" == "session-ready");
        Assert.NotEqual(epoch, $"{events[^1]!["epoch"]}");
    }

    [Fact]
    public async Task A_stopped_partners_events_are_read_by_one_sided_reads()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        ulong last = Newest(pair, "a");
        int pid = pair.Pid("a");
        PairRun.Signal(pid, "STOP");
        try
        {
            await PairRun.UntilAsync(
                () => $"{pair.Volume("b")["state"]}" == "alone", "b serves alone");
            JsonNode story = JsonNode.Parse(pair.Ask("timeline", "-o", "json").Out)!;
            AssertDeathIsTold(story, last);
            Assert.Contains(story["events"]!.AsArray(), of => $"{of!["node"]}" == "b"
                && Text(of).Contains("the partner is Stuck", StringComparison.Ordinal));
        }
        finally
        {
            PairRun.Signal(pid, "CONT");
        }
    }

    [Fact]
    public async Task Writes_record_nothing()
    {
        await using PairRun pair = new();
        pair.Start();
        await pair.InSyncAsync();
        string said = "";
        for (int round = 0; round < 10; round++)
        {
            // On a machine that is too busy a session may end meanwhile, which is recorded.
            string sessions = Sessions(pair);
            (ulong a, ulong b) = (Newest(pair, "a"), Newest(pair, "b"));
            pair.Compare(pair.WriteBytes(16 << 20));
            (ulong afterA, ulong afterB) = (Newest(pair, "a"), Newest(pair, "b"));
            if (sessions == Sessions(pair))
            {
                said = $"{Events(pair, "a")[^1]}\n{Events(pair, "b")[^1]}";
                if ((a, b) == (afterA, afterB))
                {
                    return;
                }
            }

            await pair.InSyncAsync();
        }

        Assert.Fail("no round of writes without an event: " + said);
    }

    private static string Sessions(PairRun pair) => $"{pair.Node("a")["session"]?["count"]} "
        + $"{pair.Node("b")["session"]?["count"]} {pair.Session("a")} {pair.Session("b")}";

    private static JsonArray Events(PairRun pair, string node)
    {
        JsonNode? answer = Kernel.Cli.NodeClient.AskAsync(
            Path.Combine(pair.Folder, node, "manage.sock"), "events", null,
            TimeSpan.FromSeconds(10), CancellationToken.None).GetAwaiter().GetResult();
        return answer!["own"]!["events"]!.AsArray();
    }

    private static ulong Newest(PairRun pair, string node) =>
        Events(pair, node)[^1]!["sequence"]!.GetValue<ulong>();

    /// <summary>
    /// What a did last is there, before b finds it dead, and b's steps after that are in order.
    /// </summary>
    private static void AssertDeathIsTold(JsonNode story, ulong last)
    {
        AssertInOrder(story, [
            ("a", "was ready", of => Name(of) == "session-ready"),
            ("a", "its last event", of => of["sequence"]!.GetValue<ulong>() == last),
            ("b", "session ended", of => Name(of) == "session-ended"),
            ("b", "fenced", of => Step(of, "Fenced")),
            ("b", "swapped itself in", of => Name(of) == "register-swapped" && Group(of) == 0
                && $"{of["facts"]}".Contains("owner=b", StringComparison.Ordinal)),
            ("b", "serves", of => Step(of, "Serving")),
        ]);
        static bool Step(JsonNode of, string step) => Name(of) == "takeover-step"
            && Group(of) == 0
            && $"{of["facts"]}".Contains($"step={step}", StringComparison.Ordinal);
    }

    private static void AssertInOrder(
        JsonNode story, (string Node, string What, Func<JsonNode, bool> Is)[] wanted)
    {
        JsonNode[] events = [.. story["events"]!.AsArray().Select(of => of!)];
        int at = 0;
        foreach ((string node, string what, Func<JsonNode, bool> isIt) in wanted)
        {
            int found = Array.FindIndex(events, at, of => $"{of["node"]}" == node && isIt(of));
            Assert.True(
                found >= 0, $"not told, or too early: {node} {what}\n" + string.Join('\n', events
                    .Select((of, index) => $"{index} {of["node"]} {of["name"]} {of["text"]}")));
            at = found + 1;
        }
    }

    /// <summary>Each term of each group once, without a gap, and who swapped it in.</summary>
    private static void AssertRegisterIsWhole(JsonNode story)
    {
        foreach (IGrouping<string, JsonNode?> group in story["register"]!.AsArray()
            .GroupBy(change => $"{change!["group"]}"))
        {
            ulong[] terms = [.. group.Select(change => change!["term"]!.GetValue<ulong>())];
            Assert.Equal(
                Enumerable.Range(1, terms.Length).Select(n => (ulong)n), terms);
            Assert.All(group, change => Assert.Contains($"{change!["by"]}", new[] { "a", "b" }));
        }

        Assert.Equal(2, story["register"]!.AsArray().GroupBy(of => $"{of!["group"]}").Count());
    }

    private static string Name(JsonNode of) => $"{of["name"]}";

    private static string Text(JsonNode of) => $"{of["text"]}";

    private static int Group(JsonNode of) => int.TryParse(
        $"{of["group"]}", CultureInfo.InvariantCulture, out int group) ? group : -1;
}
