using StorageOs.Contracts.Runtime;

namespace Sample.KeyValue;

/// <summary>The map in a file, which is the old one or the new one, never part of one.</summary>
internal static class MapFile
{
    /// <summary>Writes it so that it is found after a loss of power. Any thread.</summary>
    /// <exception cref="IOException">The disk failed or is full: the old one is there.</exception>
    public static void Write(string path, byte[] bytes)
    {
        string next = path + ".next";
        File.Delete(next);
        using (StableFile file = StableFile.Open(next))
        {
            file.Write(bytes, 0);
            file.Flush();
        }

        File.Move(next, path, overwrite: true);
        StableFile.FlushName(path);
    }
}
