using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Loop;

// One thread per reactor. A turn: what was posted, timers that are due, pollers, then a wait for
// descriptors that lasts until the next timer, or not at all when there is work. A post from
// another thread wakes the wait through an eventfd, and only when the thread really sleeps, so
// that posting to a busy reactor costs no system call. Steady turns allocate nothing.

/// <summary>
/// A dedicated thread on epoll that modules are placed on. Modules get a view of their own
/// (<see cref="ForModule"/>); the reactor itself is nobody's module.
/// </summary>
public sealed class Reactor : IDisposable
{
    private const ulong WakeToken = 0;

    private readonly ConcurrentQueue<Work> posted = new();
    private readonly TimerHeap timers = new();
    private readonly List<Poller> pollers = [];
    private readonly Dictionary<ulong, DescriptorWatch> watches = [];
    private readonly EpollEvent[] ready = new EpollEvent[Limits.DescriptorsPerTurnMax];
    private static readonly object Abandoned = new();

    private readonly int epoll;
    private readonly int wake;
    private readonly Lock ringing = new();
    private ulong lastToken = WakeToken;
    private long now;
    private int sleeping;
    private int stopAsked;
    private bool closed;
    private volatile bool stopping;
    private volatile Thread thread;
    private volatile Turns turns = new(); // Of that thread.

    /// <summary>Makes the thread and starts it.</summary>
    /// <param name="name">Name of the thread, in status and logs.</param>
    public Reactor(string name)
    {
        Name = name;
        epoll = Checked(Libc.epoll_create1(Libc.EPOLL_CLOEXEC), nameof(Libc.epoll_create1));
        wake = Checked(
            Libc.eventfd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), nameof(Libc.eventfd));
        Control(Libc.EPOLL_CTL_ADD, wake, WakeToken, Libc.EPOLLIN);
        now = Clock();
        thread = NewThread(turns);
        thread.Start();
    }

    /// <summary>Name in status and logs.</summary>
    public string Name { get; }

    /// <summary>
    /// The time; on the reactor's thread the same for everything one turn runs. Any thread.
    /// </summary>
    public Instant Now => new(IsCurrent ? now : Clock());

    /// <summary>Whether the calling thread is this reactor's.</summary>
    public bool IsCurrent => Thread.CurrentThread == thread;

    /// <summary>
    /// A module's view: what is asked for through it runs under the module's name, and an
    /// exception out of it goes to <paramref name="fault"/>, on this reactor's thread.
    /// </summary>
    public IReactor ForModule(string module, Action<Exception> fault) => View(module, fault);

    /// <inheritdoc cref="ForModule"/>
    internal ModuleReactor View(string module, Action<Exception> fault) =>
        new(this, new ModuleScope(this, module, fault));

    /// <summary>
    /// Ends the thread after the turn it is in; waits for it unless called from it.
    /// </summary>
    public void Dispose() => Stop(Timeout.InfiniteTimeSpan);

    /// <summary>
    /// As <see cref="Dispose"/>, but gives up waiting: a module that hangs in a callback keeps
    /// its thread and descriptors, which end with the process.
    /// </summary>
    /// <returns>Whether the thread has ended.</returns>
    internal bool Stop(TimeSpan limit)
    {
        if (Interlocked.Exchange(ref stopAsked, 1) == 0)
        {
            stopping = true;
            Wake();
        }

        if (IsCurrent || !thread.Join(limit))
        {
            return false;
        }

        Close();
        return true;
    }

    /// <summary>
    /// Goes on with a new thread when the present one hangs in a posted callback of a module: what
    /// shares the reactor with it must not hang, too. The old thread ends should it ever return.
    /// Any thread.
    /// </summary>
    /// <returns>Whether it was in such a callback.</returns>
    internal bool LeaveHanging(ModuleScope owner)
    {
        if (Interlocked.CompareExchange(ref turns.InCall, Abandoned, owner) != owner)
        {
            return false;
        }

        // From here on the old one is not this reactor's, and sees it whenever it comes back: what
        // it looks at stays abandoned, whatever the next one runs.
        Turns fresh = new();
        Thread next = NewThread(fresh);
        turns = fresh;
        thread = next;
        next.Start();
        return true;
    }

    internal void Enqueue(ModuleScope owner, Delegate callback, object? state)
    {
        posted.Enqueue(new Work(owner, callback, state));
        if (Interlocked.CompareExchange(ref sleeping, 0, 1) == 1)
        {
            Wake();
        }
    }

    internal TimerHeap.Timer AddTimer(
        ModuleScope owner, Action callback, TimeSpan delay, TimeSpan? period)
    {
        Invariant.Require(IsCurrent);
        Instant due = new Instant(now) + (delay > TimeSpan.Zero ? delay : TimeSpan.Zero);
        TimerHeap.Timer timer = new(timers, owner, callback, due, period);
        timers.Add(timer);
        return timer;
    }

    internal Poller AddPoller(ModuleScope owner, Func<bool> poll)
    {
        Invariant.Require(IsCurrent);
        Poller poller = new(owner, poll);
        pollers.Add(poller);
        return poller;
    }

    internal DescriptorWatch AddWatch(
        ModuleScope owner,
        SafeHandle handle,
        DescriptorInterest interest,
        Action<DescriptorInterest> callback)
    {
        Invariant.Require(IsCurrent);
        DescriptorWatch watch = new(this, owner, handle, callback) { Token = ++lastToken };
        if (!watch.Ended)
        {
            watches.Add(watch.Token, watch);
            try
            {
                watch.Interest = interest;
            }
            catch (RefusedException)
            {
                watch.Dispose(); // Else the descriptor stayed open for good.
                throw;
            }
        }

        return watch;
    }

    internal void Forget(DescriptorWatch watch) => watches.Remove(watch.Token);

    internal void Control(int operation, int descriptor, ulong token, uint events)
    {
        EpollEvent change = new() { Events = events, Data = token };
        Checked(
            Libc.epoll_ctl(epoll, operation, descriptor, ref change), nameof(Libc.epoll_ctl));
    }

    /// <summary>Ends a module's timers, pollers and watches. Any thread.</summary>
    internal void Quiet(ModuleScope owner)
    {
        if (!IsCurrent)
        {
            ModuleScope self = new(this, Name, bug => Environment.FailFast(Name, bug));
            Enqueue(self, new Action<object?>(_ => Quiet(owner)), null);
            return;
        }

        timers.RemoveAll(owner);
        foreach (Poller poller in pollers.Where(poller => poller.Owner == owner))
        {
            poller.Dispose();
        }

        foreach (DescriptorWatch watch in watches.Values.Where(w => w.Owner == owner).ToArray())
        {
            watch.Dispose();
        }
    }

    private static long Clock() =>
        (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    private static int Checked(int result, string call) => result >= 0
        ? result
        : throw new RefusedException(new Refusal(
            $"{call} of a reactor", "success", Marshal.GetLastPInvokeErrorMessage()));

    private Thread NewThread(Turns its) =>
        new(() => Run(its)) { IsBackground = true, Name = Name };

    private void Run(Turns its)
    {
        while (!stopping)
        {
            now = Clock();
            if (!RunPosted(its))
            {
                return;
            }

            RunTimers();
            bool busy = RunPollers();
            WaitForDescriptors(busy);
        }
    }

    /// <summary>Runs what was posted; false when this thread was left meanwhile.</summary>
    private bool RunPosted(Turns its)
    {
        // What is posted meanwhile waits for the next turn, so that descriptors get theirs.
        for (int left = posted.Count; left > 0 && posted.TryDequeue(out Work work); left--)
        {
            Volatile.Write(ref its.InCall, work.Owner);
            Guard(work.Owner, work, static work =>
            {
                if (work.Callback is SendOrPostCallback continuation)
                {
                    continuation(work.State);
                }
                else
                {
                    ((Action<object?>)work.Callback)(work.State);
                }
            });
            if (Interlocked.CompareExchange(ref its.InCall, null, work.Owner) != work.Owner)
            {
                return false;
            }
        }

        return true;
    }

    private void RunTimers()
    {
        // What is put in meanwhile waits for the next turn, so that everything else gets its own.
        ulong newest = timers.Newest;
        while (timers.TakeDue(new Instant(now), newest) is { } due)
        {
            Guard(due.Owner, due, static due => due.Callback());
            due.Renew(new Instant(now));
        }
    }

    private bool RunPollers()
    {
        bool busy = false;
        for (int index = 0; index < pollers.Count; index++)
        {
            Poller poller = pollers[index];
            if (poller.Ended || !poller.Owner.Runs)
            {
                pollers.RemoveAt(index--);
                continue;
            }

            Guard(poller.Owner, poller, static poller => poller.Busy = poller.Run());
            busy |= poller.Busy;
        }

        return busy;
    }

    private void WaitForDescriptors(bool busy)
    {
        Timespec timeout = default;
        if (!busy)
        {
            // Whoever posts after this exchange sees it and wakes us; what was posted before is
            // seen by the check after it.
            Interlocked.Exchange(ref sleeping, 1);
            if (posted.IsEmpty && !stopping)
            {
                timeout = UntilNextTimer();
            }
        }
        else if (watches.Count == 0)
        {
            return;
        }

        int count = Libc.epoll_pwait2(epoll, ref ready[0], ready.Length, in timeout, 0);
        Volatile.Write(ref sleeping, 0);
        now = Clock();
        if (count < 0)
        {
            Invariant.Require(
                Marshal.GetLastPInvokeError() == Libc.EINTR, "epoll_pwait2 of a reactor");
            return;
        }

        for (int index = 0; index < count; index++)
        {
            Report(ready[index]);
        }
    }

    private Timespec UntilNextTimer()
    {
        long wait = timers.Next is { } next
            ? Math.Max(0, next.Nanoseconds - Clock())
            : (long)Limits.ReactorSleepMax.TotalNanoseconds;
        (long seconds, long rest) = Math.DivRem(wait, 1_000_000_000L);
        return new Timespec { Seconds = seconds, Nanoseconds = rest };
    }

    private void Report(in EpollEvent seen)
    {
        if (seen.Data == WakeToken)
        {
            ulong posts = 0;
            _ = Libc.read(wake, ref posts, sizeof(ulong));
        }
        else if (watches.TryGetValue(seen.Data, out DescriptorWatch? watch))
        {
            uint events = seen.Events;
            Guard(watch.Owner, (watch, events), static it => it.watch.Report(it.events));
        }
    }

    private static void Guard<TState>(ModuleScope owner, TState state, Action<TState> callback)
    {
        if (!owner.Runs)
        {
            return;
        }

        SynchronizationContext.SetSynchronizationContext(owner);
        try
        {
            callback(state);
        }
#pragma warning disable CA1031 // The module's fault, whatever it is, ends the module alone.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            owner.Fault(fault);
        }
    }

    // Who has seen it sleep may come here when it has long ended: the number would be another's.
    private void Wake()
    {
        ulong one = 1;
        lock (ringing)
        {
            if (!closed)
            {
                _ = Libc.write(wake, in one, sizeof(ulong));
            }
        }
    }

    private void Close()
    {
        lock (ringing)
        {
            if (!closed)
            {
                closed = true;
                _ = Libc.close(epoll);
                _ = Libc.close(wake);
            }
        }
    }

    /// <summary>What one thread of a reactor is at; a follower has its own.</summary>
    private sealed class Turns
    {
        internal object? InCall; // The scope of the posted callback that runs, or Abandoned.
    }

    private readonly record struct Work(ModuleScope Owner, Delegate Callback, object? State);

    /// <summary>A callback of each turn.</summary>
    internal sealed class Poller(ModuleScope owner, Func<bool> poll) : IDisposable
    {
        internal ModuleScope Owner { get; } = owner;

        internal bool Ended { get; private set; }

        internal bool Busy { get; set; }

        internal bool Run()
        {
            Busy = false;
            return poll();
        }

        /// <inheritdoc/>
        public void Dispose() => Ended = true;
    }
}
