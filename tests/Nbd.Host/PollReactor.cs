using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Nbd.Host;

/// <summary>
/// The smallest reactor that keeps the contract: poll(2) on one thread. Level-triggered; hang-ups
/// count as readable. Watches, timers and pollers may be made and disposed from any callback.
/// </summary>
internal sealed partial class PollReactor : SynchronizationContext, IReactor, IDisposable
{
    private readonly Lock gate = new();
    private readonly Thread thread;
    private readonly SafeFileHandle wakeRead;
    private readonly FileStream wakeWrite;
    private readonly List<Watcher> watchers = [];
    private readonly List<Timer> timers = [];
    private readonly List<Poller> pollers = [];
    private List<(Action<object?> Callback, object? State)> posted = [];
    private List<(Action<object?> Callback, object? State)> running = [];
    private PollFd[] set = new PollFd[16];
    private Watcher[] polled = new Watcher[16];
    private bool stopping;

    /// <summary>Starts the thread.</summary>
    public PollReactor()
    {
        Span<int> ends = stackalloc int[2];
        Invariant.Require(pipe2(ref ends[0], NonBlocking) == 0);
        wakeRead = new(ends[0], ownsHandle: true);
        wakeWrite = new(new SafeFileHandle(ends[1], ownsHandle: true), FileAccess.Write, 0);
        thread = new(Run) { IsBackground = true, Name = "reactor" };
        thread.Start();
    }

    /// <inheritdoc/>
    public string Name => "test";

    /// <inheritdoc/>
    public Instant Now => new(Stopwatch.GetTimestamp() * (1_000_000_000 / Stopwatch.Frequency));

    /// <inheritdoc/>
    public bool IsCurrent => Thread.CurrentThread == thread;

    /// <summary>What a callback threw; null while none did.</summary>
    public Exception? Failure { get; private set; }

    private const int NonBlocking = 0x800;
    private const short PollIn = 1;
    private const short PollOut = 4;
    private const short PollBroken = 8 | 16;

    /// <inheritdoc/>
    public void Post(Action<object?> callback, object? state)
    {
        lock (gate)
        {
            posted.Add((callback, state));
            if (!IsCurrent)
            {
                wakeWrite.Write([1]);
                wakeWrite.Flush();
            }
        }
    }

    /// <inheritdoc/>
    public override void Post(SendOrPostCallback d, object? state) =>
        Post(argument => d(argument), state);

    /// <summary>Runs something on the reactor and waits for it.</summary>
    public T Invoke<T>(Func<T> function)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Post(_ =>
        {
            try
            {
                done.SetResult(function());
            }
            catch (Exception failure)
            {
                done.SetException(failure);
            }
        }, null);
        return done.Task.WaitAsync(TimeSpan.FromSeconds(30)).GetAwaiter().GetResult();
    }

    /// <summary>Runs something on the reactor and waits for it.</summary>
    public void Invoke(Action action) => Invoke(() =>
    {
        action();
        return true;
    });

    /// <inheritdoc/>
    public IDisposable Every(TimeSpan period, Action callback) =>
        AddTimer(period, period, callback);

    /// <inheritdoc/>
    public IDisposable After(TimeSpan delay, Action callback) => AddTimer(delay, null, callback);

    /// <inheritdoc/>
    public IDisposable Poll(Func<bool> poll)
    {
        var poller = new Poller(poll);
        pollers.Add(poller);
        return poller;
    }

    /// <inheritdoc/>
    public IDescriptorWatch Watch(
        SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> ready)
    {
        var watcher = new Watcher((int)handle.DangerousGetHandle(), interest, ready);
        watchers.Add(watcher);
        return watcher;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Post(_ => stopping = true, null);
        thread.Join();
        wakeRead.Dispose();
        wakeWrite.Dispose();
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int pipe2(ref int ends, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(ref PollFd set, nuint count, int timeoutMs);

    private Timer AddTimer(TimeSpan delay, TimeSpan? period, Action callback)
    {
        var timer = new Timer(Now + delay, period, callback);
        timers.Add(timer);
        return timer;
    }

    private void Run()
    {
        SetSynchronizationContext(this);
        try
        {
            while (!stopping)
            {
                Turn();
            }
        }
        catch (Exception failure)
        {
            Failure = failure;
            Console.Error.WriteLine(failure);
        }
    }

    private void Turn()
    {
        bool busy = false;
        for (int i = 0; i < pollers.Count; i++)
        {
            busy |= !pollers[i].Disposed && pollers[i].Run();
        }

        pollers.RemoveAll(poller => poller.Disposed);
        watchers.RemoveAll(watcher => watcher.Disposed);
        timers.RemoveAll(timer => timer.Disposed);
        int count = Wait(busy ? 0 : WaitMs());
        for (int i = 0; i < count; i++)
        {
            polled[i].Run(set[i + 1].Found);
        }

        for (int i = 0; i < timers.Count; i++)
        {
            timers[i].RunIfDue(Now);
        }

        RunPosted();
    }

    private int WaitMs()
    {
        TimeSpan wait = TimeSpan.FromSeconds(1);
        foreach (Timer timer in timers)
        {
            TimeSpan left = timer.Due - Now;
            wait = left < wait ? left : wait;
        }

        return Math.Max(0, (int)Math.Ceiling(wait.TotalMilliseconds));
    }

    private int Wait(int timeoutMs)
    {
        if (set.Length <= watchers.Count)
        {
            Array.Resize(ref set, watchers.Count * 2);
            Array.Resize(ref polled, watchers.Count * 2);
        }

        set[0] = new() { Descriptor = (int)wakeRead.DangerousGetHandle(), Wanted = PollIn };
        int count = 0;
        foreach (Watcher watcher in watchers)
        {
            polled[count++] = watcher;
            set[count] = new() { Descriptor = watcher.Descriptor, Wanted = watcher.Wanted };
        }

        const int Interrupted = 4;
        if (poll(ref set[0], (nuint)count + 1, timeoutMs) < 0)
        {
            // As after a stop and a continue: nothing is known of any descriptor.
            Invariant.Require(Marshal.GetLastPInvokeError() == Interrupted);
            return 0;
        }

        if (set[0].Found != 0)
        {
            Span<byte> woken = stackalloc byte[64];
            RandomAccessRead(woken);
        }

        return count;
    }

    private void RandomAccessRead(Span<byte> woken) =>
        _ = read(wakeRead, ref MemoryMarshal.GetReference(woken), woken.Length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(SafeFileHandle file, ref byte buffer, nint bytes);

    private void RunPosted()
    {
        lock (gate)
        {
            (posted, running) = (running, posted);
        }

        foreach ((Action<object?> callback, object? state) in running)
        {
            callback(state);
        }

        running.Clear();
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollFd
    {
        public int Descriptor;
        public short Wanted;
        public short Found;
    }

    private sealed class Watcher(
        int descriptor, DescriptorInterest interest, Action<DescriptorInterest> ready)
        : IDescriptorWatch
    {
        public int Descriptor => descriptor;

        public bool Disposed { get; private set; }

        public DescriptorInterest Interest { get; set; } = interest;

        public short Wanted => (short)(
            ((Interest & DescriptorInterest.Readable) != 0 ? PollIn : 0)
            | ((Interest & DescriptorInterest.Writable) != 0 ? PollOut : 0));

        public void Run(short found)
        {
            DescriptorInterest what =
                ((found & (PollIn | PollBroken)) != 0 ? DescriptorInterest.Readable : 0)
                | ((found & PollOut) != 0 ? DescriptorInterest.Writable : 0);
            if (!Disposed && what != DescriptorInterest.None)
            {
                ready(what);
            }
        }

        public void Dispose() => Disposed = true;
    }

    private sealed class Timer(Instant due, TimeSpan? period, Action callback) : IDisposable
    {
        public Instant Due { get; private set; } = due;

        public bool Disposed { get; private set; }

        public void RunIfDue(Instant now)
        {
            if (Disposed || now < Due)
            {
                return;
            }

            Disposed = period is null;
            Due = now + (period ?? TimeSpan.Zero);
            callback();
        }

        public void Dispose() => Disposed = true;
    }

    private sealed class Poller(Func<bool> poll) : IDisposable
    {
        public bool Disposed { get; private set; }

        public bool Run() => poll();

        public void Dispose() => Disposed = true;
    }
}
