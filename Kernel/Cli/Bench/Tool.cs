using System.Diagnostics;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>A program of others that is measured with or beside.</summary>
internal sealed class Tool : IDisposable
{
    private readonly Process process;

    private Tool(Process process) => this.process = process;

    /// <summary>Says which package brings a program that is missing.</summary>
    internal static void Require(string program, string package)
    {
        string path = Environment.GetEnvironmentVariable("PATH") ?? "";
        if (!path.Split(':').Any(folder => File.Exists(Path.Combine(folder, program))))
        {
            throw new RefusedException(new Refusal(
                "bench", $"{program}, to measure with or beside", "none in PATH",
                $"apt install {package}"));
        }
    }

    /// <summary>Starts a server; it ends with this object.</summary>
    internal static Tool Start(string program, string arguments) =>
        new(Process.Start(Quiet(program, arguments))!);

    /// <summary>Runs a program to its end and returns what it printed.</summary>
    internal static async Task<string> RunAsync(
        string program, string arguments, CancellationToken cancellation)
    {
        using Process process = Process.Start(Quiet(program, arguments))!;
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellation);
        string output = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return process.ExitCode == 0 ? output : throw new RefusedException(new Refusal(
            $"{program} {arguments}", "exit code 0", $"{process.ExitCode}: {await errors}"));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill();
            process.WaitForExit();
        }

        process.Dispose();
    }

    private static ProcessStartInfo Quiet(string program, string arguments) =>
        new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
}
