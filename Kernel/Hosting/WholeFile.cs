using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>Writes files that say by being there that something was done.</summary>
internal static class WholeFile
{
    /// <summary>
    /// Puts a text in place of what a path names; whoever is ended meanwhile, and whoever reads
    /// meanwhile, finds what was there before or all of it.
    /// </summary>
    internal static void Write(string path, string text)
    {
        string made = path + ".new";
        using (StreamWriter file = new(made))
        {
            file.Write(text);
            file.Flush();
            ((FileStream)file.BaseStream).Flush(flushToDisk: true);
        }

        File.Move(made, path, overwrite: true);
        StableFile.FlushName(path);
    }
}
