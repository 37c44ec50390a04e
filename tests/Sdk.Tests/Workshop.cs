using System.Diagnostics;
using System.Text;

namespace StorageOs.Sdk.Tests;

/// <summary>Tests that share one <see cref="Workshop"/>, for packing takes a while.</summary>
[CollectionDefinition(nameof(Workshop))]
public sealed class WorkshopTests : ICollectionFixture<Workshop>;

/// <summary>
/// A folder outside the repository in which plugins are made from packages alone. The packages have
/// a version that nobody has restored before, and what is restored of them goes with the folder:
/// other packages are taken from where this repository's own were restored to.
/// </summary>
public sealed class Workshop : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("storageos-sdk-");
    private readonly string hive;

    /// <summary>Packs, and installs the templates for this folder alone.</summary>
    public Workshop()
    {
        hive = Path.Combine(Folder, "hive");
        string suffix = $"test{DateTime.UtcNow:yyyyMMddHHmmssfff}";
        Version = $"{typeof(Workshop).Assembly.GetName().Version!.ToString(3)}-{suffix}";
        _ = Run(Root, Path.Combine(Root, "sdk/pack"), "--suffix", suffix);
        File.WriteAllText(Path.Combine(Folder, "NuGet.config"), $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{Folder}/packages" /></config>
              <packageSources><clear /><add key="storageos" value="{Packages}" /></packageSources>
              <fallbackPackageFolders><add key="restored" value="{Restored()}" /></fallbackPackageFolders>
            </configuration>
            """);
        _ = Dotnet("new", "install", Package("Templates"), "--debug:custom-hive", hive);
    }

    /// <summary>The repository.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The folder.</summary>
    public string Folder => folder.FullName;

    /// <summary>Version of the packages.</summary>
    public string Version { get; }

    private static string Packages => Path.Combine(Root, "artifacts/packages");

    /// <summary>Path of one of our packages.</summary>
    public string Package(string name) =>
        Path.Combine(Packages, $"StorageOs.{name}.{Version}.nupkg");

    /// <summary>Makes a plugin of a template; the folder it is in.</summary>
    public string New(string template, string name)
    {
        _ = Dotnet("new", template, "-n", name, "--debug:custom-hive", hive);
        return Path.Combine(Folder, name);
    }

    /// <summary>Runs dotnet in the folder, which must succeed; what it said.</summary>
    public string Dotnet(params string[] arguments) => Run(Folder, "dotnet", arguments);

    /// <summary>Runs dotnet in the folder, which must fail; what it said.</summary>
    public string DotnetFails(params string[] arguments)
    {
        (int code, string said) = Start(Folder, "dotnet", arguments);
        Assert.True(code != 0, said);
        return said;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        folder.Delete(recursive: true);
        foreach (string package in Directory.EnumerateFiles(Packages, $"*.{Version}.nupkg"))
        {
            File.Delete(package);
        }
    }

    private static string Restored() => Run(
        Root, "dotnet", "nuget", "locals", "global-packages", "--list").Split(": ", 2)[1].Trim();

    private static string Run(string where, string program, params string[] arguments)
    {
        (int code, string said) = Start(where, program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)}: {code}\n{said}");
        return said;
    }

    private static (int Code, string Said) Start(
        string where, string program, string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            WorkingDirectory = where,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        BuildEnvironment.Prepare(start);
        StringBuilder said = new();
        using Process process = Process.Start(start)!;
        process.OutputDataReceived += (_, line) => Add(line.Data);
        process.ErrorDataReceived += (_, line) => Add(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        return (process.ExitCode, said.ToString());

        void Add(string? line)
        {
            lock (said)
            {
                _ = line is null ? said : said.AppendLine(line);
            }
        }
    }

    private static string FindRoot()
    {
        string at = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(at, "StorageOs.sln")))
        {
            at = Path.GetDirectoryName(at)
                ?? throw new DirectoryNotFoundException("no StorageOs.sln above the tests");
        }

        return at;
    }
}
