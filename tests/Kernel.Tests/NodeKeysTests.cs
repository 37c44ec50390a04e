using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// The keys as they are declared, which docs/CONFIGURATION.md is made of, are those that a node is
/// read by.
/// </summary>
public sealed partial class NodeKeysTests : IDisposable
{
    private readonly TestFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Every_declared_key_is_in_the_list() => Assert.Equal(
        typeof(NodeKeys).GetFields(BindingFlags.Static | BindingFlags.NonPublic)
            .Select(static field => field.GetValue(null)).OfType<Setting>()
            .OrderBy(static setting => setting.Key),
        NodeKeys.All.OrderBy(static setting => setting.Key));

    [Fact]
    public void A_node_is_read_by_these_keys_and_no_others()
    {
        SettingsReader reader = Read(
            out IReadOnlyList<Refusal> refusals,
            KeyValuePair.Create("management:address", "10.0.0.1:7800"),
            KeyValuePair.Create("management:keyFile", folder.Key()));
        Assert.Empty(refusals);
        Assert.Equal(
            NodeKeys.All.Select(static setting => setting.Key).Order(),
            reader.Asked.Except(["transport:options:fabric"]).Order());
    }

    [Fact]
    public void What_has_no_default_must_be_there_and_nothing_else() =>
        Assert.All(NodeKeys.All, setting =>
        {
            Read(out IReadOnlyList<Refusal> refusals, KeyValuePair.Create(setting.Key, ""));
            Assert.Equal(
                setting.Default is null ? "nothing" : "",
                refusals.FirstOrDefault(refusal => refusal.Actual == "nothing"
                    && refusal.Subject.EndsWith($"key {setting.Key}"))?.Actual ?? "");
        });

    [Fact]
    public void Numbers_are_taken_within_their_range_alone() =>
        Assert.All(NodeKeys.All.OfType<NumberSetting>().Except([NodeKeys.Version]), setting =>
        {
            foreach ((long value, bool good) in new[]
            {
                (setting.Least - 1L, false), (setting.Least, true),
                (setting.Most, true), (setting.Most + 1L, false),
            })
            {
                Read(
                    out IReadOnlyList<Refusal> refusals,
                    KeyValuePair.Create(setting.Key, $"{value}"));
                Assert.Equal(
                    good ? "" : $"a whole number from {setting.Least} to {setting.Most}",
                    refusals.SingleOrDefault()?.Expected ?? "");
            }
        });

    [Fact]
    public void The_schema_of_machine_has_what_the_images_scripts_ask_for()
    {
        string scripts = string.Join('\n', Directory
            .EnumerateFiles(Path.Combine(SourceFolder(), "../../image/root/etc/storageos"))
            .Select(File.ReadAllText));
        Assert.Equal(
            MachineSchema.Schema.Properties.Keys.Order(),
            Asked().Matches(scripts).Select(match => match.Groups[1].Value).Distinct().Order());
        Match[] lists = [.. Lists().Matches(scripts).Cast<Match>()];
        Assert.Equal(2, lists.Length);
        Assert.All(lists, list => Assert.Equal(
            MachineSchema.Schema.Properties[list.Groups[1].Value].Items!.Properties.Keys.Order(),
            Members().Matches(list.Groups[2].Value)
                .Select(match => match.Groups[1].Value).Order()));
    }

    /// <summary>Reads a good file with more over it; an empty text takes a key away.</summary>
    private SettingsReader Read(
        out IReadOnlyList<Refusal> refusals, params KeyValuePair<string, string>[] more)
    {
        IConfiguration file = new ConfigurationBuilder()
            .AddJsonFile(folder.Configuration()).Build();
        IConfigurationRoot root = new ConfigurationBuilder().AddInMemoryCollection(
            file.AsEnumerable().Where(pair => pair.Value is not null)
                .Concat(more.Select(pair => KeyValuePair.Create(pair.Key, (string?)pair.Value)))
                .GroupBy(pair => pair.Key, StringComparer.OrdinalIgnoreCase)
                .Select(same => same.Last()).Where(pair => pair.Value != "")).Build();
        SettingsReader reader = new(root, "file", folder.Path);
        refusals = NodeConfiguration.Read(reader, "file", out _);
        return reader;
    }

    [GeneratedRegex(@"from_config \S*'\.machine\.(\w+)")]
    private static partial Regex Asked();

    [GeneratedRegex(@"'\.machine\.(\w+)\[\]\? \| \[([^\]]*)\]")]
    private static partial Regex Lists();

    [GeneratedRegex(@"\.(\w+)")]
    private static partial Regex Members();

    private static string SourceFolder([CallerFilePath] string file = "") =>
        Path.GetDirectoryName(file)!;
}
