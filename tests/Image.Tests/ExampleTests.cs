namespace StorageOs.Image.Tests;

/// <summary>The examples, run as their pages say.</summary>
[Trait("Category", "Slow")]
public sealed class ExampleTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(8);
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("storageos-example-");

    [Theory]
    [InlineData("postgresql", "pgbench: number of failed transactions: 0", "amcheck: nothing found")]
    [InlineData("qemu", "moved to b as planned", "moved home to a")]
    public void What_was_acknowledged_is_there_in_the_end(string example, params string[] told)
    {
        _ = ImageBuild.Folder;
        var (code, output) = ImageBuild.Run(
            Patience, Path.Combine(ImageBuild.Root, "examples", example, "run"),
            example == "postgresql" ? ["--seconds", "10"] : []);
        Assert.True(code == 0, output);
        Assert.All(told, line => Assert.Contains(line, output, StringComparison.Ordinal));
        Assert.EndsWith("none lost", output.TrimEnd(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1\n2\n10\n", "1\n10\n2\n11\n", 0)]
    [InlineData("1\n2\n10", "1\n2\n", 0)] // The last line was cut short.
    [InlineData("1\n2\n10\n", "1\n2\n", 1)]
    [InlineData("1\n2 x\n", "1\n2 y\n", 1)]
    [InlineData("", "1\n", 1)]
    public void What_is_missing_is_found(string acknowledged, string found, int code)
    {
        string[] files = [.. new[] { acknowledged, found }.Select((text, i) =>
        {
            string file = Path.Combine(folder.FullName, $"{i}");
            File.WriteAllText(file, text);
            return file;
        })];
        Assert.Equal(code, ImageBuild.Run(
            Patience, Path.Combine(ImageBuild.Root, "examples", "compare"), files).Code);
    }

    public void Dispose() => folder.Delete(recursive: true);
}
