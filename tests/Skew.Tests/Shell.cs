using System.Diagnostics;

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

        // What runs this test has told it of its own build; that is not the one to come.
        foreach (string name in start.Environment.Keys.ToArray())
        {
            if (name.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase)
                || name.StartsWith("VSTEST", StringComparison.Ordinal))
            {
                _ = start.Environment.Remove(name);
            }
        }

        // A build that goes on after its end would keep these pipes open.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_NOLOGO"] = "1";
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
