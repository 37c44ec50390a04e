using System.Diagnostics;

namespace StorageOs.Spec.Tests;

/// <summary>The folder of the models, and its command.</summary>
internal static class SpecFolder
{
    /// <summary>The root of the repository.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The names of all runs.</summary>
    public static string[] Names { get; } =
        Check(TimeSpan.FromSeconds(10), "--list").Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Reads a file of the folder.</summary>
    public static string Read(string name) =>
        File.ReadAllText(Path.Combine(Root, "spec", name));

    /// <summary>Runs <c>spec/check</c>.</summary>
    public static (int Exit, string Output, string Errors) Check(
        TimeSpan limit, params string[] arguments)
    {
        ProcessStartInfo start = new(Path.Combine(Root, "spec", "check"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"spec/check has not ended in {limit}");
        }

        return (process.ExitCode, output.Result, errors.Result);
    }

    private static string FindRoot()
    {
        string folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "StorageOs.sln")))
        {
            folder = Path.GetDirectoryName(folder)
                ?? throw new DirectoryNotFoundException("no StorageOs.sln above the tests");
        }

        return folder;
    }
}
