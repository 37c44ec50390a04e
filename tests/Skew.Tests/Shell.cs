using System.Diagnostics;
using StorageOs.Sdk.Tests;

namespace StorageOs.Skew.Tests;

/// <summary>Programs that the tests run, which must come to an end.</summary>
internal static class Shell
{
    private static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(10);

    /// <summary>Runs a program that must succeed.</summary>
    internal static string Run(string folder, string program, params string[] arguments)
    {
        (int code, string said) = Try(folder, program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)}: {code}\n{said}");
        return said;
    }

    /// <summary>Runs a program; its exit code and all that it said.</summary>
    internal static (int Code, string Said) Try(
        string folder, string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        BuildEnvironment.Prepare(start);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!Task.WaitAll([output, error], TimeMax) || !process.WaitForExit(TimeMax))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end in {TimeMax}");
        }

        return (process.ExitCode, output.Result + error.Result);
    }
}
