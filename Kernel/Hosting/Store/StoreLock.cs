using System.Diagnostics;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// One changes a store at a time, be it a command or the node itself. Ends with its process.
/// </summary>
internal sealed class StoreLock : IDisposable
{
    /// <summary>EWOULDBLOCK, errno(3): what a held lock is told by.</summary>
    internal const int InUse = 11;

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
            try
            {
                return new StoreLock(new FileStream(
                    Path.Combine(store, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite,
                    FileShare.None));
            }
            catch (IOException inUse) when (inUse.HResult == InUse)
            {
                if (Stopwatch.GetElapsedTime(from) >= wait)
                {
                    throw new RefusedException(
                        new Refusal(
                            $"plugin store {store}", "to be changed by nobody else",
                            inUse.Message, "see which storageos plugin command hangs"),
                        inUse);
                }

                Thread.Sleep(LookAgain);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
