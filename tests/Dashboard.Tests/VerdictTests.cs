using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Pair.Tests;

namespace StorageOs.Dashboard.Tests;

/// <summary>
/// The answer to "could I lose one node now", of what two real nodes say and of that with something
/// changed or left out: the page's own modules, asked in the browser that shows them.
/// </summary>
[Collection(OnePair.Name)]
[Trait("Category", "Slow")]
public sealed class VerdictTests(WebPair web, Browser browser)
{
    // Both nodes as [state of the source, document], and what the page makes of them.
    private const string Judge = """
        async said => {
          const { pairOf } = await import('/pair.js');
          const { verdictOf } = await import('/loss.js');
          const sources = JSON.parse(said).map(([state, node]) => ({
            state, status: node && { node }, name: node?.name ?? null, heardAt: Date.now(),
            url: 'http://node', role: 'operator', why: '',
          }));
          const verdict = verdictOf(pairOf(sources));
          return `${verdict.answer}|${verdict.headline}|${verdict.todo.map(one => one.remedy)}`;
        }
        """;

    // The same with each key of each node left out in turn, and every view made of it.
    private const string LeaveOut = """
        async said => {
          const { pairOf } = await import('/pair.js');
          const { verdictOf } = await import('/loss.js');
          const { attentionOf } = await import('/attention.js');
          const { verdictView, attentionView } = await import('/verdict.js');
          const { pictureView, takeoverView } = await import('/picture.js');
          const { volumesView } = await import('/volumes.js');
          const { clientsView } = await import('/clients.js');
          const found = [];
          const judge = (what, nodes) => {
            try {
              const pair = pairOf(nodes.map(node => ({
                state: 'live', status: { node }, name: node.name ?? null, heardAt: Date.now(),
                url: 'http://node', role: 'operator', why: '',
              })));
              const verdict = verdictOf(pair);
              verdictView(verdict);
              attentionView(attentionOf(pair));
              pictureView(pair, Date.now());
              takeoverView(pair);
              volumesView(pair, new Map());
              clientsView(pair);
              found.push(`${what}|${verdict.answer}`);
            } catch (failure) {
              found.push(`${what}|threw ${failure.stack}`);
            }
          };
          const walk = (at, path, without) => {
            for (const key of Object.keys(at ?? {})) {
              const kept = at[key];
              delete at[key];
              without(`${path}/${key}`);
              at[key] = null;
              without(`${path}/${key} null`);
              at[key] = kept;
              if (kept && typeof kept === 'object' && path.split('/').length < 7) {
                walk(kept, `${path}/${key}`, without);
              }
            }
          };
          const nodes = JSON.parse(said).map(([, node]) => node);
          nodes.forEach((node, index) => walk(node, `${index}`, path => judge(path, nodes)));
          return found;
        }
        """;

    private static readonly string[] Decides =
    [
        "/name", "/witness", "/witness/state", "/takeover", "/takeover/hindrances",
        "/session", "/session/state", "/sections", "/sections/ownership", "/sections/ownership/groups",
    ];

    [Fact]
    public async Task It_says_yes_of_what_both_nodes_say_and_of_nothing_less()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync($"{web.Origin("a")}/");
        Task<string> Of(Action<JsonObject, JsonObject> change, string b = "live") =>
            JudgeAsync(window, change, b);

        Assert.StartsWith("yes|", await Of((_, _) => { }));
        Assert.StartsWith("unknown|Not known: b does not answer", await Of((_, _) => { }, "lost"));
        Assert.StartsWith("no|No. b is lost already: do not lose a.|start b", await Of(
            (a, _) =>
            {
                a["session"]!["state"] = "Connecting";
                a["partner"]!["condition"] = "Dead";
                Groups(a, ("serves", true), ("sync", "Stale"), ("staleNode", "b"));
            },
            "lost"));
        Assert.Contains("bring the witness back", await Of(
            (a, _) => a["witness"]!["state"] = "Unavailable"));
        Assert.StartsWith("no|No. Do not lose b.|replace it", await Of(
            (a, _) => Hinder(a, failover: true)));
        Assert.StartsWith("yes|", await Of((a, _) => Hinder(a, failover: false)));
        Assert.StartsWith("no|No. Nobody serves vol0", await Of(
            (a, _) => Groups(a, ("serves", false), ("state", "frozen"))));
        Assert.StartsWith("no|", await Of((a, b) =>
        {
            Groups(a, ("sync", "New"));
            Groups(b, ("sync", "New"));
        }));
        Assert.StartsWith("soon|Not yet. b is being made equal: do not lose a.|wait", await Of(
            (a, _) => Groups(
                a, ("serves", true), ("sync", "Stale"), ("staleNode", "b"),
                ("resync", new JsonObject { ["bytesTotal"] = 9, ["bytesDone"] = 3 }))));
        Assert.StartsWith("unknown|", await Of((_, b) => b["takeover"] = null));
    }

    [Fact]
    public async Task A_document_that_lacks_something_breaks_nothing_and_is_not_taken_for_health()
    {
        await web.AtHomeAsync();
        await using Window window = await browser.OpenAsync($"{web.Origin("a")}/");
        string[] found = await window.Page.EvaluateAsync<string[]>(
            LeaveOut, Documents((_, _) => { }, "live"));
        Assert.True(found.Length > 500, $"{found.Length}");
        Assert.DoesNotContain(
            found, one => one.Contains("|threw ", StringComparison.Ordinal));
        string[] well = [.. found.Where(one => one.EndsWith("|yes", StringComparison.Ordinal))
            .Select(one => one.Split('|')[0].Replace(" null", "", StringComparison.Ordinal)[1..])];
        Assert.NotEmpty(well);
        Assert.DoesNotContain(well, Decides.Contains);
    }

    private async Task<string> JudgeAsync(
        Window window, Action<JsonObject, JsonObject> change, string b) =>
        await window.Page.EvaluateAsync<string>(Judge, Documents(change, b));

    private string Documents(Action<JsonObject, JsonObject> change, string stateOfB)
    {
        (JsonObject a, JsonObject b) = (web.Pair.Node("a"), web.Pair.Node("b"));
        change(a, b);
        return new JsonArray(new JsonArray("live", a), new JsonArray(stateOfB, b))
            .ToJsonString(JsonSerializerOptions.Default);
    }

    private static void Groups(JsonObject node, params (string Key, JsonNode? Value)[] changes)
    {
        foreach (JsonNode? group in node["sections"]!["ownership"]!["groups"]!.AsArray())
        {
            foreach ((string key, JsonNode? value) in changes)
            {
                group![key] = value?.DeepClone();
            }
        }
    }

    /// <summary>a could not take over group 1.</summary>
    private static void Hinder(JsonObject node, bool failover) =>
        node["takeover"]!["hindrances"] = new JsonArray(new JsonObject
        {
            ["group"] = 1,
            ["code"] = "diskFailed",
            ["what"] = "this node's disk has failed",
            ["ageSeconds"] = 7,
            ["remedy"] = "replace it",
            ["planned"] = true,
            ["failover"] = failover,
        });
}
