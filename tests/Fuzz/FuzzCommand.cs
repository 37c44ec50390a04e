using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;

namespace StorageOs.Fuzz;

/// <summary>The command line: <c>./fuzz --target nbd --executions 1000000 --seed 7</c>.</summary>
internal static class FuzzCommand
{
    private const string All = "all";

    private static readonly Option<string> TargetName = new("--target")
    {
        Description = "which parser, or all",
        DefaultValueFactory = _ => All,
    };

    private static readonly Option<long> Executions = new("--executions")
    {
        Description = "how often each target is run",
        DefaultValueFactory = _ => 1_000_000,
    };

    private static readonly Option<ulong> Seed = new("--seed")
    {
        Description = "what every choice follows from",
        DefaultValueFactory = _ => 1,
    };

    private static readonly Option<string> Folder = new("--corpus")
    {
        Description = "folder with a folder of inputs for each target",
        DefaultValueFactory = _ => Corpus.Kept,
    };

    private static readonly Option<bool> Keep = new("--keep")
    {
        Description = "puts the fewest inputs that reach as much into that folder",
    };

    private static readonly Option<bool> Blind = new("--blind")
    {
        Description = "keeps no input for what it reached; to compare with",
    };

    private static readonly Option<string?> Replay = new("--replay")
    {
        Description = "runs one file through the target, and tells what it throws",
    };

    /// <summary>Makes it.</summary>
    public static RootCommand Make()
    {
        RootCommand command = new("Fuzzes the parsers of StorageOs.")
        {
            TargetName, Executions, Seed, Folder, Keep, Blind, Replay,
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult arguments)
    {
        if (arguments.GetValue(Replay) is { } file)
        {
            return RunOne(arguments.GetValue(TargetName)!, file);
        }

        if (!InstrumentedCopy.IsThis)
        {
            return RunCopy(arguments.Tokens.Select(token => token.Value));
        }

        Console.WriteLine(
            $"{"target",-18} {"executions",11} {"branches",8} {"kept",5} {"a second",9} findings");
        int found = Chosen(arguments.GetValue(TargetName)!)
            .Sum(target => RunTarget(target, arguments));
        return found == 0 ? 0 : 1;
    }

    private static IReadOnlyList<Target> Chosen(string name) => name == All
        ? Targets.TargetList.All
        : [Targets.TargetList.Of(name)];

    private static int RunTarget(Target target, ParseResult arguments)
    {
        FuzzRun run = new(
            target, arguments.GetValue(Seed), guided: !arguments.GetValue(Blind));
        string folder = Path.Combine(arguments.GetValue(Folder)!, target.Name);
        long began = Stopwatch.GetTimestamp();
        run.Replay([.. target.Seeds(), .. Corpus.Read(folder)]);
        run.Go(arguments.GetValue(Executions));
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        int kept = run.Corpus.Count;
        if (arguments.GetValue(Keep) && run.Findings.Count == 0)
        {
            IReadOnlyList<byte[]> minimal = run.Minimal();
            Corpus.Replace(folder, minimal);
            kept = minimal.Count;
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{target.Name,-18} {run.Executions,11:n0} {run.Branches,8:n0} {kept,5}"
                + $" {run.Executions / seconds,9:n0} {run.Findings.Count}"));
        foreach (Finding finding in run.Findings)
        {
            Console.WriteLine($"  {Corpus.Found(target.Name, finding)}");
        }

        return run.Findings.Count;
    }

    private static int RunOne(string name, string file)
    {
        try
        {
            Targets.TargetList.Of(name).Run(File.ReadAllBytes(file));
            Console.WriteLine("no promise is broken");
            return 0;
        }
#pragma warning disable CA1031 // Whatever it throws is what is asked for.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            Console.WriteLine(failure);
            return 1;
        }
    }

    private static int RunCopy(IEnumerable<string> arguments)
    {
        using Process process = Process.Start(InstrumentedCopy.Make(), arguments);
        process.WaitForExit();
        return process.ExitCode;
    }
}

/// <summary>Inputs as files.</summary>
internal static class Corpus
{
    /// <summary>The repository's root.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Where the kept ones are.</summary>
    public static string Kept { get; } = Path.Combine(Root, "tests/Fuzz/corpus");

    /// <summary>The inputs in a folder, always in the same order.</summary>
    public static IEnumerable<byte[]> Read(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)
        : [];

    /// <summary>Puts inputs in place of what a folder has.</summary>
    public static void Replace(string folder, IEnumerable<byte[]> inputs)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        _ = Directory.CreateDirectory(folder);
        foreach (byte[] input in inputs)
        {
            File.WriteAllBytes(Path.Combine(folder, Name(input)), input);
        }
    }

    /// <summary>Writes a finding's input; says what it is and how to see it again.</summary>
    public static string Found(string target, Finding finding)
    {
        string folder = Path.Combine(Root, "artifacts/fuzz/found");
        _ = Directory.CreateDirectory(folder);
        string file = Path.Combine(folder, $"{target}-{Name(finding.Input)}");
        File.WriteAllBytes(file, finding.Input);
        return $"{finding.Kind}\n    {finding.Failure.Message.ReplaceLineEndings(" ")}\n"
            + $"    in execution {finding.Execution}; again by\n"
            + $"    ./fuzz --target {target} --replay {Path.GetRelativePath(Root, file)}";
    }

    private static string Name(byte[] input) =>
        Convert.ToHexStringLower(SHA256.HashData(input).AsSpan(0, 6));

    private static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "StorageOs.sln")))
        {
            folder = Path.GetDirectoryName(folder)
                ?? throw new DirectoryNotFoundException("no StorageOs.sln above the fuzzer");
        }

        return folder;
    }
}
