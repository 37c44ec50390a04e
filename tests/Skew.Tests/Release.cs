using System.Text.Json;
using StorageOs.Pair.Tests;

namespace StorageOs.Skew.Tests;

/// <summary>
/// What one version consists of: a kernel, plugins built against its contracts, and the package of
/// these contracts.
/// </summary>
internal sealed class Release
{
    // The least that makes a pair which serves volumes.
    private static readonly string[] Projects =
    [
        "Kernel/Kernel.csproj", "Plugins/Transport.Loopback/Transport.Loopback.csproj",
        "Plugins/Witness.File/Witness.File.csproj",
        "Plugins/Clients/NvramMirror/NvramMirror.csproj",
        "Plugins/Clients/Volumes/Volumes.csproj",
        "Plugins/Clients/FailoverMonitor/FailoverMonitor.csproj",
        "Plugins/Clients/NbdExport/NbdExport.csproj",
    ];

    // As it was built then, but for the time that this takes.
    private static readonly string[] Quickly =
    [
        "--nologo", "-v", "quiet", "-p:AheadOfTime=false", "-p:RunAnalyzers=false",
        "-p:EnforceCodeStyleInBuild=false",
    ];

    private static readonly Lazy<Release> Before = new(static () => new(Build()));

    private readonly string folder;

    private Release(string folder) => this.folder = folder;

    /// <summary>What was built here, together with this test.</summary>
    internal static Release Today { get; } = new(Path.Combine(PairRun.Root, "artifacts"));

    /// <summary>What <c>previous.txt</c> names, built once for each commit that it names.</summary>
    internal static Release Previous => Before.Value;

    /// <summary>The one of a name.</summary>
    internal static Release Of(string name) => name == "today" ? Today : Previous;

    internal string Kernel => Path.Combine(folder, "kernel", "StorageOs.Kernel");

    internal string Contracts => Path.Combine(folder, "kernel", "StorageOs.Contracts.dll");

    internal string Plugins => Path.Combine(folder, "plugins");

    /// <summary>The package of the contracts; of a previous version alone.</summary>
    internal string Package => Assert.Single(
        Directory.GetFiles(Path.Combine(folder, "packages"), "StorageOs.Contracts.*.nupkg"));

    /// <summary>The version that its plugins say they have.</summary>
    internal string Version
    {
        get
        {
            string file = Path.Combine(Plugins, "Volumes", "plugin.json");
            using JsonDocument manifest = JsonDocument.Parse(File.ReadAllText(file));
            return manifest.RootElement.GetProperty("version").GetString()!;
        }
    }

    private static string Build()
    {
        string list = Path.Combine(PairRun.Root, "tests/Skew.Tests/previous.txt");
        string commit = File.ReadLines(list).Single(static line => line is not ['#', ..]).Trim();
        string done = Path.Combine(PairRun.Root, "artifacts/skew", commit);
        if (Directory.Exists(done))
        {
            return done;
        }

        // Elsewhere first, so that what is there under its name is whole.
        string tree = $"{done}.{Environment.ProcessId}";
        Directory.CreateDirectory(tree);
        try
        {
            Fetch(commit);
            string archive = Path.Combine(tree, "tree.tar");
            _ = Shell.Run(PairRun.Root, "git", "archive", "--output", archive, commit);
            _ = Shell.Run(tree, "tar", "-xf", archive);
            string filter = Path.Combine(tree, "skew.slnf");
            File.WriteAllText(filter, JsonSerializer.Serialize(new
            {
                solution = new
                {
                    path = "StorageOs.sln",
                    projects = Projects.Select(static path => path.Replace('/', '\\')),
                },
            }));
            _ = Shell.Run(tree, "dotnet", ["build", filter, .. Quickly]);
            _ = Shell.Run(tree, "dotnet", ["pack", "Contracts", "--no-build", .. Quickly,
                "-p:Configuration=Debug"]);
            Directory.Move(Path.Combine(tree, "artifacts"), done);
            return done;
        }
        finally
        {
            Directory.Delete(tree, recursive: true);
        }
    }

    /// <summary>Sees to it that the commit is there, as it is not where the clone is shallow.</summary>
    private static void Fetch(string commit)
    {
        string wanted = commit + "^{commit}";
        if (Shell.Try(PairRun.Root, "git", "cat-file", "-e", wanted).Code == 0)
        {
            return;
        }

        (int code, string said) = Shell.Try(
            PairRun.Root, "git", "fetch", "--depth", "1", "origin", commit);
        Assert.True(
            code == 0 && Shell.Try(PairRun.Root, "git", "cat-file", "-e", wanted).Code == 0,
            $"commit {commit} of tests/Skew.Tests/previous.txt: expected in this clone or at its "
            + $"origin, found neither; run git fetch --unshallow, or clone the whole\n{said}");
    }
}
