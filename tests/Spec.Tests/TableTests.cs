using System.Text.RegularExpressions;

namespace StorageOs.Spec.Tests;

/// <summary>That the tables of <c>spec/</c> speak of what there is.</summary>
public sealed partial class TableTests
{
    private static readonly string[] Models = ["handshake.pml", "ownership.pml", "resync.pml"];

    private static string Readme { get; } = SpecFolder.Read("README.md");

    private static string Runs { get; } = SpecFolder.Read("runs.txt");

    public static TheoryData<string> Rules => new(
        [.. Enumerable.Range(1, 7).Select(n => $"L{n}"),
            .. Enumerable.Range(1, 14).Select(n => $"S{n}")]);

    [Theory]
    [MemberData(nameof(Rules))]
    public void Every_rule_has_its_row(string rule) =>
        Assert.Matches(new Regex($@"^\| {rule} \|", RegexOptions.Multiline), Readme);

    [Fact]
    public void Every_way_to_break_or_reach_something_is_run_and_every_run_names_one_that_is()
    {
        string[] defined = [.. Models.SelectMany(m => Variant().Matches(SpecFolder.Read(m)))
            .Select(m => m.Value).Distinct().Order(StringComparer.Ordinal)];
        string[] run = [.. Variant().Matches(Runs).Select(m => m.Value).Distinct()
            .Order(StringComparer.Ordinal)];
        Assert.Equal(defined, run);
    }

    [Fact]
    public void Every_variant_that_the_tables_name_is_run() => Assert.All(
        Variant().Matches(Readme).Select(m => m.Value),
        name => Assert.Contains(name, Runs, StringComparison.Ordinal));

    [Fact]
    public void Every_test_and_every_source_that_the_tables_name_exists()
    {
        // What every witness is tested with is shipped to those who write one.
        string[] folders = ["tests", "sdk/Plugin.Testing"];
        IEnumerable<string> sources = folders.SelectMany(folder => Directory.EnumerateFiles(
            Path.Combine(SpecFolder.Root, folder), "*.cs", SearchOption.AllDirectories));
        string tests = string.Concat(sources.Select(File.ReadAllText));
        Assert.All(
            TestName().Matches(Readme).Select(m => m.Groups[1].Value),
            name => Assert.Contains($" {name}(", tests, StringComparison.Ordinal));
        Assert.All(
            Source().Matches(Readme).Select(m => m.Groups[1].Value),
            path => Assert.True(File.Exists(Path.Combine(SpecFolder.Root, path)), path));
    }

    [GeneratedRegex(@"(?:BREAK|REACH)_[A-Z0-9_]+")]
    private static partial Regex Variant();

    [GeneratedRegex(@"`((?:[LS]\d+_)+[A-Za-z0-9_]+)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"`((?:Kernel|Plugins|tests|Contracts)/[A-Za-z0-9_./]+\.cs)`")]
    private static partial Regex Source();
}
