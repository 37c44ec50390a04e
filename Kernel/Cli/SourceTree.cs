using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>The source tree around this program, for commands that build from it.</summary>
internal static class SourceTree
{
    /// <summary>Its full path.</summary>
    /// <exception cref="RefusedException">The program is not in one.</exception>
    internal static string Root
    {
        get
        {
            // The program is somewhere below, wherever the build put it.
            string? folder = AppContext.BaseDirectory;
            while (folder is not null && !File.Exists(Path.Combine(folder, "image", "build")))
            {
                folder = Path.GetDirectoryName(folder);
            }

            return folder ?? throw new RefusedException(new Refusal(
                "this command", "the source tree of StorageOs around this program",
                $"none above {AppContext.BaseDirectory}", "run it by ./storageos of the sources"));
        }
    }
}
