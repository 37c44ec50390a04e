using System.Diagnostics;
using System.Text.RegularExpressions;
using StorageOs.Fuzz.Targets;

namespace StorageOs.Fuzz.Tests;

/// <summary>
/// Every parser keeps its promises on what was kept and on what a short run makes of it, and the
/// fuzzer finds what there is to find.
/// </summary>
public sealed class FuzzTests
{
    private const long ShortRun = 20_000;

    // Six letters at once are one chance in 2^48; one after the other, as far as each is seen to
    // lead further, they come within 300,000 executions of this seed.
    private const long PlantedRun = 500_000;

    public static TheoryData<string> Names => [.. TargetList.All.Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_kept_input_is_read_as_promised(string name)
    {
        Target target = TargetList.Of(name);
        byte[][] kept = [.. Corpus.Read(Path.Combine(Corpus.Kept, name))];
        Assert.NotEmpty(kept);
        Assert.All(target.Seeds().Concat(kept), input => target.Run(input));
    }

    [Fact]
    public void A_short_run_of_every_target_finds_nothing_and_gets_somewhere()
    {
        (int code, string said) = Run("--executions", $"{ShortRun}", "--seed", "1");
        Assert.True(code == 0, said);
        foreach (Target target in TargetList.All)
        {
            Match line = Line(said, target.Name);
            Assert.True(line.Success, said);
            Assert.True(Number(line.Groups[1]) >= ShortRun, line.Value);
            Assert.True(Number(line.Groups[2]) > 1, line.Value);
        }
    }

    [Fact]
    public void A_planted_bug_is_found_by_what_inputs_reach_and_not_without()
    {
        string[] run = ["--target", "planted", "--executions", $"{PlantedRun}", "--seed", "1"];
        (int code, string said) = Run(run);
        Assert.True(code == 1, said);
        Assert.Contains(nameof(PlantedParser), said, StringComparison.Ordinal);
        (code, said) = Run([.. run, "--blind"]);
        Assert.True(code == 0, said);
    }

    [Fact]
    public void The_same_seed_makes_the_same_run()
    {
        string[] run = ["--target", "nbd", "--executions", $"{ShortRun}", "--seed", "5"];
        Assert.Equal(Figures(Run(run).Said), Figures(Run(run).Said));
        Assert.NotEqual(Figures(Run(run).Said), Figures(Run([.. run[..^1], "6"]).Said));

        static string Figures(string said) =>
            string.Join(' ', Line(said, "nbd").Groups.Values.Skip(1).Select(g => g.Value));
    }

    [Fact]
    public void What_is_kept_stays_small() => Assert.InRange(
        Directory.EnumerateFiles(Corpus.Kept, "*", SearchOption.AllDirectories)
            .Sum(file => new FileInfo(file).Length),
        1, 300 << 10);

    private static long Number(Group group) =>
        long.Parse(group.Value.Replace(",", "", StringComparison.Ordinal));

    private static Match Line(string said, string target) => Regex.Match(
        said, $@"^{Regex.Escape(target)} +([\d,]+) +([\d,]+) +(\d+)", RegexOptions.Multiline);

    private static (int Code, string Said) Run(params string[] arguments)
    {
        string program = Path.Combine(Corpus.Root, "artifacts/fuzz/plain/StorageOs.Fuzz");
        using Process process = Process.Start(
            new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, said);
    }
}
