using System.Diagnostics;

namespace StorageOs.Simulation.Tests;

/// <summary>
/// Builds the simulator from a copy of the sources into which every planted bug was put. Which of
/// them is awake is chosen when it runs, so that one build does for all.
/// </summary>
internal static class MutantBuild
{
    private const string Chosen = "STORAGEOS_MUTANT";

    private static readonly string[] Copied =
    [
        "Contracts", "Conformance", "Kernel", "Simulator", "Plugins/Clients/NvramMirror",
        "Plugins/Clients/Volumes", "Plugins/Clients/FailoverMonitor",
    ];

    private static readonly string[] CopiedFiles =
    [
        "Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props",
        "global.json", "Plugins/Directory.Build.props", "sdk/Package.props",
    ];

    private static readonly Lazy<string> Program = new(Build);

    private static string Root { get; } = FindRoot();

    /// <summary>The planted bugs.</summary>
    public static IReadOnlyList<Mutant> All { get; } =
        Mutant.Read(Path.Combine(Root, "Simulator/Mutants/mutants.txt"));

    /// <summary>Runs seeds with one bug awake, or none: the exit code and what was said.</summary>
    public static (int Code, string Said) Run(string mutant, params string[] arguments)
    {
        ProcessStartInfo start = new(Program.Value, ["simulate", .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[Chosen] = mutant;
        return End(start);
    }

    private static string Build()
    {
        string copy = Path.Combine(Root, "artifacts/mutants");
        string source = Path.Combine(copy, "source");
        if (Directory.Exists(source))
        {
            Directory.Delete(source, recursive: true);
        }

        foreach (string folder in Copied)
        {
            CopyFolder(folder, source);
        }

        foreach (string file in CopiedFiles)
        {
            string to = Path.Combine(source, file);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(Path.Combine(Root, file), to);
        }

        foreach (Mutant mutant in All)
        {
            mutant.Edits.ForEach(edit => edit.Apply(source, mutant.Name));
        }

        File.WriteAllText(Path.Combine(source, "Contracts/Runtime/Mutant.cs"), $$"""
            namespace StorageOs.Contracts.Runtime;

            /// <summary>Which planted bug is awake.</summary>
            public static class Mutant
            {
                private static readonly string Chosen =
                    System.Environment.GetEnvironmentVariable("{{Chosen}}") ?? "";

                /// <summary>Whether it is this one.</summary>
                public static bool Is(string name) => Chosen == name;
            }
            """);
        (int code, string said) = End(new ProcessStartInfo(
            "dotnet",
            [
                "build", Path.Combine(source, "Simulator/Simulator.csproj"), "--nologo", "-v",
                "quiet", "-p:AheadOfTime=false", "-p:RunAnalyzers=false",
                "-p:TreatWarningsAsErrors=false", "-p:EnforceCodeStyleInBuild=false",
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        });
        return code == 0
            ? Path.Combine(source, "artifacts/simulator/StorageOs.Simulator")
            : throw new InvalidOperationException(said);
    }

    private static void CopyFolder(string folder, string target)
    {
        string from = Path.Combine(Root, folder);
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string relative = Path.GetRelativePath(Root, file);
            string[] parts = relative.Split('/');
            if (!parts.Contains("bin") && !parts.Contains("obj"))
            {
                string to = Path.Combine(target, relative);
                _ = Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                File.Copy(file, to);
            }
        }
    }

    private static (int Code, string Said) End(ProcessStartInfo start)
    {
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, said + errors.Result);
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "StorageOs.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("no StorageOs.sln above the tests");
    }
}
