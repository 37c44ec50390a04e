using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Events;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Pair.Tests;

/// <summary>The catalogue of events as it is shown.</summary>
public sealed class EventCatalogueTests
{
    private static readonly string File = Path.Combine(PairRun.Root, "docs", "EVENTS.md");

    private static IReadOnlyList<CatalogueEntry> All { get; } =
        EventCatalogue.Of([Path.Combine(PairRun.Root, "artifacts", "plugins")]);

    [Fact]
    public void The_document_is_made_of_the_code()
    {
        string made = EventDocument.Markdown(All);
        if (Environment.GetEnvironmentVariable("ACCEPT_EVENTS") == "1")
        {
            System.IO.File.WriteAllText(File, made);
        }

        Assert.True(
            System.IO.File.Exists(File) && System.IO.File.ReadAllText(File) == made,
            "docs/EVENTS.md differs from the code. If that is meant: ACCEPT_EVENTS=1 dotnet test "
            + "tests/Pair.Tests --filter EventCatalogueTests, and have it reviewed.");
    }

    [Fact]
    public void Every_event_says_why_it_comes_about_and_what_to_do() => Assert.All(All, entry =>
    {
        Assert.Matches("^[a-z0-9`].{9,}[^.]$", entry.What.Cause);
        Assert.Matches("^[a-z`](.{8,}[^.]|one)$", entry.What.Remedy);
    });

    [Fact]
    public void What_wants_a_person_says_what_to_do() => Assert.All(
        All.Where(static entry => entry.What.Severity >= EventSeverity.Error),
        static entry => Assert.NotEqual("none", entry.What.Remedy));

    [Fact]
    public void The_command_prints_all_and_explains_one()
    {
        var (code, output, error) = PairRun.StorageOs("events", "--catalogue", "-o", "json");
        Assert.True(code == 0, error);
        Assert.Equal(
            All.Select(static entry => entry.What.Id),
            JsonNode.Parse(output)!.AsArray().Select(static one => $"{one!["id"]}"));
        (code, output, error) = PairRun.StorageOs("explain", "session-ended");
        Assert.True(code == 0, error);
        Assert.Contains("session-ended  warning, of kernel", output);
        Assert.All(output.Split('\n'), static line => Assert.True(line.Length <= 80, line));
        (code, _, error) = PairRun.StorageOs("explain", "no-such");
        Assert.Equal(1, code);
        Assert.Contains("events --catalogue", error);
    }
}
