using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting;

namespace StorageOs.Kernel.Tests;

/// <summary>Files of other versions, and what is known of a file before a node boots with it.</summary>
public sealed class ConfigurationVersionTests : IDisposable
{
    private readonly TestFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("{\n  \"node\": 1\n}", "{\n  \"version\": 1,\n  \"node\": 1\n}")]
    [InlineData(
        "// ä {\n{ /* b */ \"node\": {} }",
        "// ä {\n{\n  \"version\": 1, /* b */ \"node\": {} }")]
    [InlineData("{}", "{\n  \"version\": 1\n}")]
    [InlineData("{ \"node\": 1, }", "{\n  \"version\": 1, \"node\": 1, }")]
    public void A_file_without_a_version_gets_one_and_keeps_everything_else(
        string before, string after)
    {
        Assert.Equal((after, 0), ConfigurationVersion.Migrate(before));
        Assert.Equal((after, 1), ConfigurationVersion.Migrate(after));
    }

    [Theory]
    [InlineData("{ \"version\": 2 }", 2)]
    [InlineData("{ \"version\": 0 }", null)]
    [InlineData("{ \"version\": \"1\" }", null)]
    [InlineData("{ \"version\": 1, \"version\": 1 }", null)]
    [InlineData("[]", null)]
    [InlineData("{", null)]
    [InlineData("", null)]
    public void What_is_newer_or_no_good_is_left_as_it_is(string text, int? version) =>
        Assert.Equal((text, version), ConfigurationVersion.Migrate(text));

    [Fact]
    public void A_file_of_an_older_version_is_read_as_if_it_were_of_this_one()
    {
        Assert.Empty(NodeConfiguration.Load(folder.Configuration(), [], out _));
        Assert.Empty(NodeConfiguration.Load(
            folder.Configuration(), [$"version={ConfigurationVersion.Current}"], out _));
    }

    [Fact]
    public void One_of_a_newer_version_is_refused_with_what_to_do()
    {
        string file = folder.Configuration();
        File.WriteAllText(
            file, File.ReadAllText(file).Replace("\"node\": {", "\"version\": 7, \"node\": {"));
        Refusal refusal = Assert.Single(NodeConfiguration.Load(file, [], out _));
        Assert.Equal(
            $"{file}, key version: expected at most 1, what this version knows, found 7; install "
            + "the version that it was written for, or put back the copy beside it", $"{refusal}");
    }

    [Fact]
    public void What_would_keep_a_node_from_booting_is_told_without_one()
    {
        string plugins = folder.File("plugins");
        const string Settings = """
            , "settings": { "type": "object", "additionalProperties": false,
                            "properties": { "depth": { "type": "integer" } } }
            """;
        PluginBuilder.Put(plugins, "acme.good", PluginBuilder.Entry(""), more: Settings);
        string lines = $$"""
            { "directories": ["{{plugins}}"], "clients": ["acme.good", "acme.gone"],
              "settings": { "acme.good": { "depth": "deep" } } }
            """;
        Assert.Empty(NodeConfiguration.Load(
            folder.Configuration(lines), [], out NodeSettings? settings));
        string[] found =
        [
            .. ConfigurationCheck.Of(settings!, NullLogger.Instance, out _, out _)
                .Select(static refusal => $"{refusal}"),
        ];
        Assert.Equal(3, found.Length);
        Assert.StartsWith("transport silent: expected a transport plugin of that id", found[0]);
        Assert.StartsWith("plugin acme.gone: expected a plugin of that id", found[1]);
        Assert.StartsWith(
            "configuration, key plugins:settings:acme.good:depth: expected", found[2]);
    }

    [Fact]
    public async Task A_migration_keeps_the_file_as_it_was_beside_it_and_its_rights()
    {
        string file = folder.Configuration();
        const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite
            | UnixFileMode.GroupRead;
        File.SetUnixFileMode(file, Mode);
        string before = File.ReadAllText(file);
        Assert.Equal(0, await CommandLine.RunAsync(
            ["config", "migrate", file], static () => throw new NotSupportedException()));
        Assert.Equal(before, File.ReadAllText(file + ".version-0"));
        Assert.Equal(1, ConfigurationVersion.Of(File.ReadAllText(file)));
        Assert.Equal(Mode, File.GetUnixFileMode(file));
        Assert.Equal(Mode, File.GetUnixFileMode(file + ".version-0"));
        Assert.Empty(NodeConfiguration.Load(file, [], out _));
        Assert.Equal(0, await CommandLine.RunAsync(
            ["config", "migrate", file], static () => throw new NotSupportedException()));
        Assert.Equal(before, File.ReadAllText(file + ".version-0"));
    }
}
