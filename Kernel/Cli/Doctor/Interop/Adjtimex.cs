using System.Runtime.InteropServices;

namespace StorageOs.Kernel.Cli.Doctor.Interop;

/// <summary>What the system says of its clock (adjtimex(2)).</summary>
internal static partial class Adjtimex
{
    private const int TIME_ERROR = 5;

    /// <summary>Whether somebody keeps the clock to a reference.</summary>
    internal static bool IsSynchronized()
    {
        Timex asked = default; // No modes: nothing is changed.
        return adjtimex(ref asked) is >= 0 and not TIME_ERROR;
    }

    [LibraryImport("libc")]
    private static partial int adjtimex(ref Timex buf);

    // struct timex; 208 bytes on x86-64, of which only modes, the first, is used.
    [StructLayout(LayoutKind.Explicit, Size = 208)]
    private struct Timex
    {
        [FieldOffset(0)]
        internal uint Modes;
    }
}
