using System.Globalization;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Loop;

/// <summary>
/// A priority for the whole node above that of ordinary programs. The beat's own thread has a
/// real-time one, but while the runtime collects, every managed thread waits for the one that
/// collects, and that one must not wait for other programs: beside eight busy ones a pause of 5 ms
/// became one of 50, and a takeover for nothing.
/// </summary>
internal static class NodePriority
{
    private const int Nice = -15; // setpriority(2): -20 is the most.

    /// <summary>
    /// Asks for it for every thread there is; threads made later inherit it. False where this user
    /// may not have it.
    /// </summary>
    public static bool TryRaise()
    {
        bool raised = true;
        foreach (string thread in Directory.EnumerateDirectories("/proc/self/task"))
        {
            int id = int.Parse(Path.GetFileName(thread), CultureInfo.InvariantCulture);
            raised &= Libc.setpriority(Libc.PRIO_PROCESS, id, Nice) == 0;
        }

        return raised;
    }
}
