using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// The transport's one thread: sleeps until a descriptor of the connection manager or of a card
/// becomes readable, and takes what is there. Edge-triggered, and everything is taken each time.
/// </summary>
internal sealed class Watcher : IDisposable
{
    private readonly SafeFileHandle epoll;
    private readonly SafeFileHandle stop;
    private readonly List<Action> actions = [];
    private readonly Thread thread;

    /// <summary>Watches nothing yet.</summary>
    public Watcher()
    {
        epoll = Handle("epoll_create1", Libc.epoll_create1(Libc.EPOLL_CLOEXEC));
        stop = Handle("eventfd", Libc.eventfd(0, Libc.EFD_CLOEXEC));
        thread = new Thread(Run) { IsBackground = true, Name = "verbs events" };
        Add(stop.DangerousGetHandle().ToInt32(), static () => { });
    }

    /// <summary>Runs the action on the thread when the descriptor is readable.</summary>
    public void Add(int descriptor, Action action)
    {
        actions.Add(action);
        EpollEvent interest = new()
        {
            Events = Libc.EPOLLIN | Libc.EPOLLET,
            Data = (ulong)(actions.Count - 1),
        };
        Native.Success(
            "epoll_ctl", Libc.epoll_ctl(epoll, Libc.EPOLL_CTL_ADD, descriptor, ref interest));
    }

    /// <summary>Begins; nothing may be added any more.</summary>
    public void Start() => thread.Start();

    /// <inheritdoc/>
    public void Dispose()
    {
        if ((thread.ThreadState & ThreadState.Unstarted) == 0)
        {
            RandomAccess.Write(stop, BitConverter.GetBytes(1UL), 0);
            thread.Join();
        }

        stop.Dispose();
        epoll.Dispose();
    }

    private static SafeFileHandle Handle(string call, int descriptor) =>
        new(Native.Success(call, descriptor), ownsHandle: true);

    private void Run()
    {
        while (true)
        {
            EpollEvent happened = default;
            int count = Libc.epoll_wait(epoll, ref happened, 1, -1);
            if (count < 0 && Marshal.GetLastPInvokeError() == Libc.EINTR)
            {
                continue;
            }

            Native.Success("epoll_wait", count);
            if (happened.Data == 0)
            {
                return;
            }

            actions[(int)happened.Data]();
        }
    }
}
