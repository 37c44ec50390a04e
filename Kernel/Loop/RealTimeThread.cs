using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Loop;

/// <summary>
/// The lowest real-time priority for a thread that does little and must never wait for others: a
/// beat that comes late because of other programs is a takeover for nothing.
/// </summary>
internal static class RealTimeThread
{
    /// <summary>
    /// Asks for it for the calling thread; false where this user may not have it.
    /// </summary>
    public static bool TryEnter()
    {
        const int LowestPriority = 1;
        const int CallingThread = 0;
        return Libc.sched_setscheduler(CallingThread, Libc.SCHED_RR, LowestPriority) == 0;
    }
}
