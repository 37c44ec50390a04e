using System.Diagnostics;
using System.Globalization;

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
        "global.json", "Plugins/Directory.Build.props",
    ];

    private static readonly Lazy<string> Program = new(Build);

    private static string Root { get; } = FindRoot();

    /// <summary>The planted bugs.</summary>
    public static IReadOnlyList<Mutant> All { get; } =
        Read(File.ReadAllLines(Path.Combine(Root, "Simulator/Mutants/mutants.txt")));

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
            File.Copy(Path.Combine(Root, file), Path.Combine(source, file));
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

    private static List<Mutant> Read(string[] lines)
    {
        List<Mutant> all = [];
        List<string> into = [];
        Edit? edit = null;
        foreach (string line in lines.Where(static one => !one.StartsWith('#')))
        {
            if (line.StartsWith("== ", StringComparison.Ordinal))
            {
                string[] words = line.Split(' ');
                all.Add(new(words[1], int.Parse(words[2], CultureInfo.InvariantCulture)));
                into = all[^1].Why;
            }
            else if (line.StartsWith("-- ", StringComparison.Ordinal))
            {
                edit = new(line[3..]);
                all[^1].Edits.Add(edit);
                into = edit.Before;
            }
            else if (line == "++")
            {
                into = edit!.After;
            }
            else
            {
                into.Add(line);
            }
        }

        return all;
    }
}

/// <summary>A bug that can be planted.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Seed">A seed that catches it.</param>
internal sealed record Mutant(string Name, int Seed)
{
    /// <summary>What it breaks; its first line says it.</summary>
    public List<string> Why { get; } = [];

    /// <summary>What it changes.</summary>
    public List<Edit> Edits { get; } = [];
}

/// <summary>One text in place of another.</summary>
internal sealed record Edit(string File)
{
    /// <summary>As it stands.</summary>
    public List<string> Before { get; } = [];

    /// <summary>In its place.</summary>
    public List<string> After { get; } = [];

    /// <summary>Changes the copy.</summary>
    public void Apply(string root, string mutant)
    {
        string path = Path.Combine(root, File);
        string text = System.IO.File.ReadAllText(path);
        string before = string.Join('\n', Before).TrimEnd('\n');
        string[] parts = text.Split(before);
        if (parts.Length != 2)
        {
            throw new InvalidOperationException(
                $"{mutant}: {parts.Length - 1} places in {File} for:\n{before}");
        }

        string after = string.Join('\n', After).TrimEnd('\n').Replace(
            "MUTANT", $"global::StorageOs.Contracts.Runtime.Mutant.Is(\"{mutant}\")",
            StringComparison.Ordinal);
        System.IO.File.WriteAllText(path, parts[0] + after + parts[1]);
    }
}
