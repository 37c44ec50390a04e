using System.Diagnostics;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>The scripts below <c>image/</c> and what they make.</summary>
internal static class ImageFiles
{
    /// <summary>Folder of what <c>image build</c> makes.</summary>
    internal static string Folder => Path.Combine(Root, "artifacts", "image");

    // The program is somewhere below the source tree, wherever the build put it.
    private static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "image", "build")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new RefusedException(new Refusal(
            "image", "the source tree of StorageOs around this program",
            $"none above {AppContext.BaseDirectory}"));
    }

    /// <summary>Says that the image must have been built.</summary>
    internal static void Require()
    {
        if (!File.Exists(Path.Combine(Folder, "initrd")))
        {
            throw new RefusedException(new Refusal(
                "image", $"one in {Folder}", "none", "storageos image build"));
        }
    }

    /// <summary>Runs one of the scripts, its words on this terminal.</summary>
    internal static async Task<int> RunAsync(
        string script, IEnumerable<string> arguments, CancellationToken cancellation)
    {
        ProcessStartInfo start = new(Path.Combine(Root, "image", script), arguments);
        using Process process = Process.Start(start)!;
        await process.WaitForExitAsync(cancellation);
        return process.ExitCode;
    }
}
