using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace StorageOs.Image.Tests;

/// <summary>The image, built once for all tests; by its script, as a user does.</summary>
internal static class ImageBuild
{
    private static readonly Lazy<string> Built = new(Build);

    /// <summary>The source tree.</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(SourceFolder(), "..", ".."));

    /// <summary>The command line program.</summary>
    public static string Kernel { get; } =
        Path.Combine(Root, "artifacts", "kernel", "StorageOs.Kernel");

    /// <summary>Folder of the built image.</summary>
    public static string Folder => Built.Value;

    /// <summary>Packs the guests' shell, and a folder beside the tests, as an overlay.</summary>
    public static string Overlay(string? folder = null)
    {
        string file = Path.Combine(Folder, $"test-{folder ?? "shell"}.cpio");
        string[] folders = [
            Path.Combine(Root, "image", "guest-shell"),
            .. folder is null ? [] : new[] { Path.Combine(SourceFolder(), folder) }];
        var (code, output) = Run(
            TimeSpan.FromMinutes(1), Path.Combine(Root, "image", "overlay"), [file, .. folders]);
        Assert.True(code == 0, output);
        return file;
    }

    public static (int Code, string Output) StorageOs(TimeSpan limit, params string[] arguments) =>
        Run(limit, Kernel, arguments);

    public static (int Code, string Output) Run(
        TimeSpan limit, string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} did not end within {limit}: {output}");
        }

        return (process.ExitCode, output + error.Result);
    }

    private static string Build()
    {
        var (code, output) = StorageOs(TimeSpan.FromMinutes(15), "image", "build");
        Assert.True(code == 0, output);
        return Path.Combine(Root, "artifacts", "image");
    }

    private static string SourceFolder([CallerFilePath] string file = "") =>
        Path.GetDirectoryName(file)!;
}
