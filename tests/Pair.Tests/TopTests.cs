using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Pair.Tests;

/// <summary>What a pair does now, in a terminal.</summary>
[Trait("Category", "Slow")]
[Collection("processes")]
public sealed class TopTests
{
    [Fact]
    public async Task Writes_are_seen_with_their_rate_and_latency_also_when_the_other_node_serves()
    {
        await using PairRun pair = new() { WebPort = DrillCommand.FreePorts() };
        pair.Start();
        using CancellationTokenSource enough = new();
        string file = pair.WriteBytes(4 << 20);
        Task writing = Task.Run(() =>
        {
            while (!enough.IsCancellationRequested)
            {
                // One that the kill cuts off fails, and is begun anew.
                _ = PairRun.Run("nbdcopy", file, pair.Uri);
            }
        });
        Assert.True(Seen(pair, "a")["writesPerSecond"]!.GetValue<double>() > 0);
        Assert.True(Seen(pair, "a")["writeP99Us"]!.GetValue<double>() > 0);
        string[] lines = pair.Ask("top", "--times", "2").Out.Split('\n');
        Assert.Contains(lines, static line => line.TrimStart().StartsWith("vol0"));
        Assert.All(lines, static line => Assert.True(line.Length <= 80, line));

        await pair.KillAsync("a");
        Assert.True(Seen(pair, "b")["writesPerSecond"]!.GetValue<double>() > 0);
        Assert.Contains("a: ", pair.Ask("top", "--times", "2").Out);
        await enough.CancelAsync();
        await writing;
    }

    private static JsonNode Seen(PairRun pair, string node)
    {
        for (int i = 0; i < 10; i++)
        {
            var (code, said, error) = pair.Ask("top", "--times", "3", "-o", "json");
            Assert.True(code == 0, said + error);
            JsonNode last = JsonNode.Parse(said.TrimEnd().Split('\n')[^1])!;
            if (last["nodes"]!.AsArray().SelectMany(static one => one!["volumes"]?.AsArray()
                .Select(volume => (Node: $"{one["name"]}", Volume: volume!)) ?? [])
                .FirstOrDefault(one => one.Node == node && $"{one.Volume["name"]}" == "vol0"
                    && one.Volume["writeP99Us"] is not null).Volume is { } volume)
            {
                return volume;
            }
        }

        Assert.Fail($"no rates of vol0 by {node}");
        return new JsonObject();
    }
}
