using System.Diagnostics;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// One changes a store at a time, be it a command or the node itself. Ends with its process.
/// </summary>
internal sealed class StoreLock : IDisposable
{
    private const int InUse = 11; // EWOULDBLOCK, errno(3): what a held lock is told by.

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20);

    private readonly FileStream file;

    private StoreLock(FileStream file) => this.file = file;

    /// <summary>Takes the lock of a store that is there, and waits for it so long.</summary>
    /// <exception cref="RefusedException">Somebody has it for too long.</exception>
    /// <exception cref="IOException">The disk fails, or cannot be written to.</exception>
    internal static StoreLock Take(string store, TimeSpan wait)
    {
        for (long from = Stopwatch.GetTimestamp(); ;)
        {
            string path = Path.Combine(store, ".lock");
            if (TryOpen(path) is { } file)
            {
                return new StoreLock(file);
            }

            if (Stopwatch.GetElapsedTime(from) >= wait)
            {
                throw new RefusedException(new Refusal(
                    $"plugin store {store}", "to be changed by nobody else",
                    $"somebody who holds {path}", "see which storageos plugin command hangs"));
            }

            Thread.Sleep(LookAgain);
        }
    }

    /// <summary>
    /// Opens a file for one at a time, until it is closed or its process ends; null while another
    /// has it.
    /// </summary>
    /// <exception cref="IOException">The disk fails, or cannot be written to.</exception>
    internal static FileStream? TryOpen(string path)
    {
        try
        {
            return new FileStream(
                path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException inUse) when (inUse.HResult == InUse)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
