using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Storage.Tests.Harness;

/// <summary>One thread, virtual time, stepped by hand; also the context that awaits come back
/// to.</summary>
internal sealed class TestReactor : SynchronizationContext, IReactor
{
    private readonly Queue<(Action<object?> Callback, object? State)> posted = new();
    private readonly List<Timer> timers = [];
    private readonly List<PollEntry> pollers = [];
    private readonly List<TestWatch> watches = [];

    public string Name => "test";

    public Instant Now { get; private set; } = new(1_000_000_000);

    public bool IsCurrent => true;

    public void Post(Action<object?> callback, object? state) => posted.Enqueue((callback, state));

    public override void Post(SendOrPostCallback d, object? state) =>
        posted.Enqueue((s => d(s), state));

    public IDisposable Every(TimeSpan period, Action callback) => Add(period, period, callback);

    public IDisposable After(TimeSpan delay, Action callback) => Add(delay, null, callback);

    public IDisposable Poll(Func<bool> poll)
    {
        PollEntry entry = new(poll);
        pollers.Add(entry);
        return entry;
    }

    public IDescriptorWatch Watch(
        SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> ready)
    {
        TestWatch watch = new(ready) { Interest = interest };
        watches.Add(watch);
        return watch;
    }

    /// <summary>Every descriptor that is watched can be read.</summary>
    public void Readable()
    {
        foreach (TestWatch watch in watches.ToArray().Where(watch => !watch.Gone))
        {
            watch.Ready(DescriptorInterest.Readable);
            Drain();
        }
    }

    /// <summary>How often what was posted so far was run.</summary>
    public int Turns { get; private set; }

    /// <summary>Runs what is posted, until there is nothing.</summary>
    public void Drain()
    {
        SynchronizationContext? before = Current;
        SetSynchronizationContext(this);
        try
        {
            do
            {
                Turns++;
                foreach (PollEntry entry in pollers.ToArray().Where(entry => !entry.Gone))
                {
                    entry.Poll();
                }

                for (int i = posted.Count; i > 0; i--)
                {
                    (Action<object?> callback, object? state) = posted.Dequeue();
                    callback(state);
                }
            }
            while (posted.Count != 0);
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }

    /// <summary>Lets time pass, a millisecond at a time.</summary>
    public void Run(int milliseconds)
    {
        for (int i = 0; i < milliseconds; i++)
        {
            Now += TimeSpan.FromMilliseconds(1);
            foreach (Timer timer in timers.ToArray().Where(t => !t.Gone && t.Due <= Now))
            {
                timer.Due = Now + (timer.Period ?? TimeSpan.Zero);
                timer.Gone = timer.Period is null;
                timer.Callback();
                Drain();
            }

            timers.RemoveAll(t => t.Gone);
            Drain();
        }
    }

    /// <summary>Starts what comes back to this reactor.</summary>
    public Task<T> Start<T>(Func<ValueTask<T>> start)
    {
        SynchronizationContext? before = Current;
        SetSynchronizationContext(this);
        Task<T> task = start().AsTask();
        SetSynchronizationContext(before);
        return task;
    }

    /// <summary>Lets time pass until a task has ended.</summary>
    public T Await<T>(Func<ValueTask<T>> start, int millisecondsMax = 60_000)
    {
        Task<T> task = Start(start);
        for (int i = 0; i < millisecondsMax && !task.IsCompleted; i++)
        {
            Run(1);
        }

        Assert.True(task.IsCompleted, "did not end in time");
        return task.GetAwaiter().GetResult();
    }

    private Timer Add(TimeSpan delay, TimeSpan? period, Action callback)
    {
        Timer timer = new(Now + delay, period, callback);
        timers.Add(timer);
        return timer;
    }

    private sealed class Timer(Instant due, TimeSpan? period, Action callback) : IDisposable
    {
        public Instant Due { get; set; } = due;

        public TimeSpan? Period => period;

        public Action Callback => callback;

        public bool Gone { get; set; }

        public void Dispose() => Gone = true;
    }

    private sealed class TestWatch(Action<DescriptorInterest> ready) : IDescriptorWatch
    {
        public DescriptorInterest Interest { get; set; }

        public Action<DescriptorInterest> Ready => ready;

        public bool Gone { get; private set; }

        public void Dispose() => Gone = true;
    }

    private sealed class PollEntry(Func<bool> poll) : IDisposable
    {
        public bool Gone { get; private set; }

        public void Poll() => poll();

        public void Dispose() => Gone = true;
    }
}
