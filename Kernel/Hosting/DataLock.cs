using System.Globalization;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Makes a data directory exclusively this process's, by an advisory lock that ends with the
/// process, however it ends.
/// </summary>
internal sealed class DataLock : IDisposable
{
    private readonly FileStream file;

    private DataLock(FileStream file) => this.file = file;

    /// <summary>Takes the lock; a second process is told who has it.</summary>
    internal static Refusal? TryTake(string dataDirectory, out DataLock? taken)
    {
        taken = null;
        string path = FileOf(dataDirectory);
        try
        {
            Directory.CreateDirectory(dataDirectory);

            // Without sharing, .NET takes flock(LOCK_EX) on the file or fails. Any other opening
            // of it takes a shared lock and so fails, too: the holder is named beside it.
            FileStream file = new(
                path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            File.WriteAllText(
                HolderFile(path), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            taken = new DataLock(file);
            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return Holder(path) is { } pid
                ? new Refusal(
                    $"data directory {dataDirectory}", "to be used by no other process",
                    $"process {pid}, which uses it", "stop that process first")
                : new Refusal(
                    $"data directory {dataDirectory}", "a folder that can be written",
                    failure.Message);
        }
    }

    /// <summary>
    /// Whether a process uses a data directory, known or not: a lock is held before its holder
    /// says who it is.
    /// </summary>
    internal static bool IsHeld(string dataDirectory) =>
        File.Exists(FileOf(dataDirectory)) && !IsFree(FileOf(dataDirectory));

    /// <summary>Process id of who holds a lock; null when it is free.</summary>
    internal static int? Holder(string path)
    {
        try
        {
            if (!File.Exists(path) || IsFree(path))
            {
                return null;
            }

            bool good = int.TryParse(
                File.ReadAllText(HolderFile(path)), CultureInfo.InvariantCulture, out int pid);
            return good ? pid : null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

    private static string FileOf(string dataDirectory) => Path.Combine(dataDirectory, "lock");

    private static string HolderFile(string path) => path + ".pid";

    private static bool IsFree(string path)
    {
        try
        {
            // Asks for a shared lock, which fails while another holds the exclusive one.
            using FileStream probe = new(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
