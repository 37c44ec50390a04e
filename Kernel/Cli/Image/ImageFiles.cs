using System.Diagnostics;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>The scripts below <c>image/</c> and what they make.</summary>
internal static class ImageFiles
{
    /// <summary>Folder of what <c>image build</c> makes.</summary>
    internal static string Folder => Path.Combine(SourceTree.Root, "artifacts", "image");

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
        ProcessStartInfo start = new(Path.Combine(SourceTree.Root, "image", script), arguments);
        using Process process = Process.Start(start)!;
        await process.WaitForExitAsync(cancellation);
        return process.ExitCode;
    }
}
