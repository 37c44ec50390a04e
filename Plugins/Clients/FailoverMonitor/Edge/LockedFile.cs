using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.FailoverMonitor.Interop;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// A file that is locked for as long as this process can write it. Locks of this kind end only when
/// every thread of the process has let go of its files, the last thing before it is gone.
/// </summary>
internal sealed class LockedFile : IStableFile
{
    private const int TriesMax = 50;
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(20);
    private readonly SafeFileHandle handle;

    private LockedFile(SafeFileHandle handle) => this.handle = handle;

    /// <summary>
    /// Opens the file, or makes it so that it is found after a loss of power, and takes its lock.
    /// </summary>
    /// <exception cref="RefusedException">Another process has the lock.</exception>
    /// <exception cref="IOException">The disk failed or is full.</exception>
    public static IStableFile Open(string path) => Open(path, StableFile.FlushName);

    /// <summary>As above, flushing names as the caller says.</summary>
    internal static IStableFile Open(string path, Action<string> flushName)
    {
        for (int tries = 1; ; tries++)
        {
            (SafeFileHandle? handle, string why) = TryLock(path);
            if (handle is not null)
            {
                LockedFile file = new(handle);
                file.FlushName(path, flushName);
                return file;
            }

            if (tries == TriesMax)
            {
                throw new RefusedException(new Refusal(
                    path, "a lock that no other process holds", why,
                    "without a witness the data directory needs a file system with locks"));
            }

            Thread.Sleep(Again); // A partner that looks holds a lock for a moment.
        }
    }

    /// <inheritdoc/>
    public int Read(Span<byte> into, long offset) => RandomAccess.Read(handle, into, offset);

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes, long offset) =>
        RandomAccess.Write(handle, bytes, offset);

    /// <inheritdoc/>
    public void Flush() => RandomAccess.FlushToDisk(handle);

    /// <inheritdoc/>
    public void Dispose() => handle.Dispose();

    private void FlushName(string path, Action<string> flushName)
    {
        try
        {
            if (RandomAccess.GetLength(handle) == 0)
            {
                flushName(path); // Nothing was ever written to it, so this may not be done yet.
            }
        }
        catch (IOException)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// .NET locks by itself when nothing is shared, unless told not to by the environment, hence
    /// the second call.
    /// </summary>
    private static (SafeFileHandle? Handle, string Why) TryLock(string path)
    {
        try
        {
            SafeFileHandle handle = File.OpenHandle(
                path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            if (Libc.flock(handle, Libc.LockExclusive | Libc.LockNonBlocking) == 0)
            {
                return (handle, "");
            }

            string why = $"flock: error {Marshal.GetLastPInvokeError()}";
            handle.Dispose();
            return (null, why);
        }
        catch (IOException held)
        {
            return (null, held.Message);
        }
    }
}
