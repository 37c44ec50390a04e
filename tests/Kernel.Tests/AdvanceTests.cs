using System.Text.Json.Nodes;
using Spectre.Console;
using StorageOs.Kernel.Cli;

namespace StorageOs.Kernel.Tests;

/// <summary>How far a resync or a scrub is, as people see it in the terminal.</summary>
public sealed class AdvanceTests
{
    private const long MiB = 1 << 20;

    [Fact]
    public void A_resync_is_told_with_its_share_and_the_time_that_is_left()
    {
        Advance copying = Assert.Single(Of(Resync(300 * MiB, 1200 * MiB, 0, 0, 95)));
        Assert.Equal(
            "b resyncs group 0 (Changes): 25 %, 300 MiB of 1.17 GiB copied, 1 min 35 s left;"
            + " the partner lacks what this node has changed", $"{copying}");
        Advance comparing = Assert.Single(Of(Resync(100, 100, 0, 100, -1)));
        Assert.StartsWith(
            "b resyncs group 0 (Changes): 50 %, 0 B of 100 B compared; the", $"{comparing}");
        Advance unknown = Assert.Single(Of(Resync(0, 0, 0, 0, -1)));
        Assert.Contains(": 0 %, 0 B of 0 B copied;", $"{unknown}");
    }

    [Fact]
    public void A_scrub_is_told_once_for_its_group_while_it_runs()
    {
        JsonNode scrub = JsonNode.Parse(
            """{"state":"Running","extentsDone":3,"extents":12,"secondsLeft":86400}""")!;
        JsonObject volume = new() { ["group"] = 1, ["scrub"] = scrub };
        JsonObject node = new()
        {
            ["name"] = "a",
            ["sections"] = new JsonObject
            {
                ["volumes"] = new JsonArray(volume, volume.DeepClone()),
            },
        };
        Assert.Equal(
            "a scrubs group 1: 25 %, 3 of 12 extents, 1 d 0 h left",
            $"{Assert.Single(Advance.Of(node))}");
        foreach (JsonNode? one in node["sections"]!["volumes"]!.AsArray())
        {
            one!["scrub"]!["state"] = "Waiting";
        }

        Assert.Empty(Advance.Of(node));
    }

    [Fact]
    public void Its_bar_is_as_long_as_its_share_and_fits_80_columns()
    {
        using StringWriter text = new();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = 80;
        console.Write(Of(Resync(1023 * MiB, 1024 * MiB * 1023, 0, 1, 86_399)).Single().Bar());
        console.Write(Of(Resync(512, 1024, 0, 0, 1)).Single().Bar());
        string[] lines = text.ToString().TrimEnd().Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.All(lines, static line => Assert.InRange(line.TrimEnd().Length, 1, 80));
        Assert.Equal(13, lines[3].Count(static cell => cell == '━'));
        Assert.Equal(13, lines[3].Count(static cell => cell == '─'));
    }

    private static IEnumerable<Advance> Of(JsonObject resync) => Advance.Of(new JsonObject
    {
        ["name"] = "b",
        ["sections"] = new JsonObject
        {
            ["ownership"] = new JsonObject
            {
                ["groups"] = new JsonArray(
                    new JsonObject { ["group"] = 0, ["resync"] = resync },
                    new JsonObject { ["group"] = 1, ["resync"] = null }),
            },
        },
    });

    private static JsonObject Resync(
        long done, long total, long compared, long toCompare, long left) => new()
        {
            ["kind"] = "Changes",
            ["why"] = "the partner lacks what this node has changed",
            ["bytesDone"] = done,
            ["bytesTotal"] = total,
            ["bytesCompared"] = compared,
            ["bytesToCompare"] = toCompare,
            ["secondsLeft"] = left,
        };
}
