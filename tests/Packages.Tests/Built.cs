using System.Text.Json.Nodes;
using StorageOs.Pair.Tests;

namespace StorageOs.Packages.Tests;

/// <summary>What the one command makes, twice: the second has a higher version.</summary>
internal sealed class Built
{
    internal const string Newer = "9.0.0";

    private static readonly Lazy<Built> ThisVersion = new(static () => Make());
    private static readonly Lazy<Built> NewerVersion = new(static () => Make("--as", Newer));

    private Built(string package, string tarball) => (Package, Tarball) = (package, tarball);

    /// <summary>Of the sources' version.</summary>
    internal static Built First => ThisVersion.Value;

    /// <summary>The same sources as a higher version.</summary>
    internal static Built Second => NewerVersion.Value;

    /// <summary>The Debian package.</summary>
    internal string Package { get; }

    internal string Tarball { get; }

    /// <summary>Name of the folder in the tarball.</summary>
    internal string Folder => Path.GetFileName(Tarball).Replace(".tar.gz", "");

    internal string Version => Path.GetFileName(Package).Split('_')[1];

    private static Built Make(params string[] more)
    {
        // Nobody carries these anywhere.
        Environment.SetEnvironmentVariable("STORAGEOS_PACKAGE_LEVEL", "1");
        var (code, output, error) = PairRun.Run(
            TimeSpan.FromMinutes(3), PairRun.Kernel, ["package", "-o", "json", .. more]);
        Assert.True(code == 0, output + error);
        string[] files =
        [
            .. JsonNode.Parse(output)!["files"]!.AsArray().Select(static one => $"{one!["path"]}"),
        ];
        return new Built(
            files.Single(static file => file.EndsWith(".deb", StringComparison.Ordinal)),
            files.Single(static file => file.EndsWith(".tar.gz", StringComparison.Ordinal)));
    }
}
