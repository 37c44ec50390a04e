using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tcp;

/// <summary>A connection, or a listener, that a service thread looks after.</summary>
internal abstract class Served
{
    /// <summary>What it waits on.</summary>
    public abstract SafeFileHandle Descriptor { get; }

    /// <summary>Whether it waits for room to send, too.</summary>
    public virtual bool WantsToSend => false;

    /// <summary>When it is over if it is still there, by Stopwatch; 0 for never.</summary>
    public long Deadline { get; protected set; }

    /// <summary>Tells it apart in what epoll reports; 0 before a thread has it.</summary>
    public ulong Token { get; set; }

    /// <summary>What epoll was asked for last.</summary>
    public uint Interest { get; set; }

    /// <summary>Goes on as far as it can without waiting; false when it is over.</summary>
    public abstract bool Run();

    /// <summary>Gives back what it holds, for it is over.</summary>
    public abstract void End();
}

/// <summary>
/// One of the kernel's threads by which the partner reaches this node's memory. No client's code
/// runs on it and no client can make it wait. Steady turns allocate nothing.
/// </summary>
internal sealed class ServiceThread : IDisposable
{
    private const ulong WakeToken = 0;
    private const int DeadlineLookMilliseconds = 100;
    private readonly SafeFileHandle epoll;
    private readonly SafeFileHandle wake;
    private readonly ConcurrentQueue<Served> posted = new();
    private readonly Dictionary<ulong, Served> all = [];
    private readonly List<Served> timed = [];
    private readonly EpollEvent[] ready = new EpollEvent[Limits.EventsPerTurnMax];
    private readonly Thread thread;
    private ulong lastToken = WakeToken;
    private volatile bool stopping;

    /// <summary>Makes the thread and starts it.</summary>
    public ServiceThread(string name)
    {
        epoll = Native.Handle(
            Libc.epoll_create1(Libc.EPOLL_CLOEXEC), nameof(Libc.epoll_create1));
        wake = Native.Handle(
            Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), nameof(Libc.eventfd));
        Invariant.Require(Control(Libc.EPOLL_CTL_ADD, wake, WakeToken, Libc.EPOLLIN));
        thread = new Thread(Loop)
        {
            IsBackground = true,
            Name = name,
            Priority = ThreadPriority.Highest,
        };
        thread.Start();
    }

    /// <summary>The grant it uses now.</summary>
    public Usage Usage { get; } = new();

    /// <summary>Takes on something new, or looks at it again. Any thread.</summary>
    public void Post(Served served)
    {
        posted.Enqueue(served);
        Wake();
    }

    /// <summary>Ends the thread once what was posted has been looked at.</summary>
    public void Dispose()
    {
        if (!stopping)
        {
            stopping = true;
            Wake();
            thread.Join();
            epoll.Dispose();
            wake.Dispose();
        }
    }

    private void Loop()
    {
        while (!stopping)
        {
            int timeout = timed.Count == 0 ? -1 : DeadlineLookMilliseconds;
            int count = Libc.epoll_wait(epoll, ref ready[0], ready.Length, timeout);
            Invariant.Require(count >= 0 || Marshal.GetLastPInvokeError() == Libc.EINTR);
            for (int i = 0; i < count; i++)
            {
                if (ready[i].Data == WakeToken)
                {
                    ulong posts = 0;
                    _ = Libc.read(wake, ref posts, sizeof(ulong));
                }
                else if (all.TryGetValue(ready[i].Data, out Served? served))
                {
                    Run(served);
                }
            }

            TakePosted();
            EndLate();
        }

        TakePosted();
        foreach (Served left in all.Values.ToArray())
        {
            Remove(left);
        }
    }

    private void TakePosted()
    {
        // What is posted meanwhile waits for the next turn, so that connections get theirs.
        for (int left = posted.Count; left > 0 && posted.TryDequeue(out Served? served); left--)
        {
            if (served.Token == 0)
            {
                served.Token = ++lastToken;
                served.Interest = Libc.EPOLLIN;
                all.Add(served.Token, served);
                if (!Control(
                    Libc.EPOLL_CTL_ADD, served.Descriptor, served.Token, Libc.EPOLLIN))
                {
                    Remove(served);
                    continue;
                }

                if (served.Deadline != 0)
                {
                    timed.Add(served);
                }
            }

            if (all.ContainsKey(served.Token))
            {
                Run(served);
            }
        }
    }

    private void Run(Served served)
    {
        if (!served.Run())
        {
            Remove(served);
            return;
        }

        uint wanted = Libc.EPOLLIN | (served.WantsToSend ? Libc.EPOLLOUT : 0);
        if (wanted != served.Interest)
        {
            served.Interest = wanted;
            if (!Control(Libc.EPOLL_CTL_MOD, served.Descriptor, served.Token, wanted))
            {
                Remove(served);
            }
        }
    }

    private void Remove(Served served)
    {
        _ = all.Remove(served.Token);
        if (served.Deadline != 0)
        {
            _ = timed.Remove(served);
        }

        // By hand, for the descriptor may live on with another thread.
        _ = Control(Libc.EPOLL_CTL_DEL, served.Descriptor, served.Token, 0);
        served.End();
    }

    private void EndLate()
    {
        for (int i = timed.Count - 1; i >= 0; i--)
        {
            if (Stopwatch.GetTimestamp() > timed[i].Deadline)
            {
                Remove(timed[i]);
            }
        }
    }

    private bool Control(int operation, SafeFileHandle descriptor, ulong token, uint events)
    {
        EpollEvent change = new() { Events = events, Data = token };
        return Libc.epoll_ctl(epoll, operation, descriptor, ref change) == 0;
    }

    private void Wake()
    {
        ulong one = 1;
        _ = Libc.write(wake, in one, sizeof(ulong));
    }
}
