using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Loopback.Interop;

namespace StorageOs.Transport.Loopback;

// How a partner hears of a killed process before the system has taken its memory apart. A process
// with hundreds of megabytes mapped dies slowly: its sockets end only after its memory is gone, 20
// ms and more. But each thread's robust futexes are marked and their waiters woken as the first
// thing of its end (set_robust_list(2); Documentation/locking/robust-futexes.rst of Linux). So one
// thread of a node does nothing but own a futex on the node's board, and its partner sleeps on it.
// A stopped process keeps it, like a process that lives. The word is only ever looked at for its
// mark: what else a partner puts there harms nobody.

/// <summary>Owns the life word of this process's board, until disposed or dead.</summary>
internal sealed unsafe class MappedLife : IDisposable
{
    private const uint Waiters = 0x8000_0000; // Set from the start: wake whoever sleeps on it.
    private const uint OwnerDied = 0x4000_0000;
    private readonly ManualResetEventSlim held = new();
    private readonly ManualResetEventSlim ended = new();
    private readonly Thread thread;
    private readonly MappedBoard board;

    /// <summary>Starts the thread; returns when the word is owned.</summary>
    public MappedLife(MappedBoard board)
    {
        this.board = board;
        thread = new Thread(Hold) { IsBackground = true, Name = "loopback life" };
        thread.Start();
        held.Wait();
    }

    /// <summary>Whether the owner of a board's word has died or ended it in good order.</summary>
    public static bool HasEnded(MappedBoard board)
    {
        bool ended = (Volatile.Read(ref *board.LifeWord) & OwnerDied) != 0;
        GC.KeepAlive(board);
        return ended;
    }

    /// <summary>
    /// Sleeps until the owner of a board's word has died; false when the time was up first.
    /// </summary>
    public static bool AwaitDeath(MappedBoard board, TimeSpan limit)
    {
        uint* word = board.LifeWord;
        uint seen = Volatile.Read(ref *word);
        if ((seen & OwnerDied) == 0)
        {
            Timespec timeout = Timespec.Of(limit);
            nint result = Libc.futex(
                Libc.SYS_futex, word, Libc.FUTEX_WAIT, seen, &timeout, null, 0);
            Invariant.Require(result == 0 || Marshal.GetLastPInvokeError()
                is Libc.ETIMEDOUT or Libc.EAGAIN or Libc.EINTR);
        }

        bool died = (Volatile.Read(ref *word) & OwnerDied) != 0;
        GC.KeepAlive(board);
        return died;
    }

    /// <summary>Wakes whoever sleeps on a board's word, to look again whether to go on.</summary>
    public static void Wake(MappedBoard board)
    {
        _ = Libc.futex(
            Libc.SYS_futex, board.LifeWord, Libc.FUTEX_WAKE, int.MaxValue, null, null, 0);
        GC.KeepAlive(board);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ended.Set();
        thread.Join();
        held.Dispose();
        ended.Dispose();
    }

    private void Hold()
    {
        uint* word = board.LifeWord;
        RobustListHead head = default;
        RobustListEntry entry = default;
        head.First = &entry;
        head.FutexOffset = (nint)word - (nint)(&entry);
        entry.Next = (RobustListEntry*)&head; // A ring, as the system expects it.
        nint id = Libc.gettid(Libc.SYS_gettid);
        Volatile.Write(ref *word, (uint)id | Waiters);
        nint result = Libc.set_robust_list(
            Libc.SYS_set_robust_list, &head, (nuint)sizeof(RobustListHead));
        Invariant.Require(result == 0);
        held.Set();
        ended.Wait();

        // Ended in good order: the same mark, and nothing of this frame left with the system.
        head.First = (RobustListEntry*)&head;
        Volatile.Write(ref *word, OwnerDied);
        Wake(board);
    }
}
