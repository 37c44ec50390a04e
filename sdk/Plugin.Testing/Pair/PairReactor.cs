using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>
/// The client's reactor in one boot of its node, in virtual time; also the context that its awaits
/// come back to. It ends with the boot, and rests while its node is paused.
/// </summary>
internal sealed class PairReactor : SynchronizationContext, IReactor
{
    private const long TurnDelayMax = 20_000;
    private readonly VirtualTime time;
    private readonly Action<Exception> failed;
    private readonly Action outside;
    private readonly ConcurrentQueue<(Delegate Callback, object? State)> posted = new();
    private readonly List<Timer> timers = [];
    private readonly List<Poller> pollers = [];
    private readonly List<ChannelWatch> watches = [];
    private readonly int thread = Environment.CurrentManagedThreadId;
    private bool turnIsDue;
    private bool inTurn;

    /// <summary>Makes one.</summary>
    /// <param name="time">The pair's time.</param>
    /// <param name="failed">Told what a callback threw.</param>
    /// <param name="outside">Told when another thread has posted.</param>
    public PairReactor(VirtualTime time, Action<Exception> failed, Action outside) =>
        (this.time, this.failed, this.outside) = (time, failed, outside);

    /// <inheritdoc/>
    public string Name => "own";

    /// <inheritdoc/>
    public Instant Now => new(time.Now);

    /// <inheritdoc/>
    public bool IsCurrent => inTurn && Environment.CurrentManagedThreadId == thread;

    /// <summary>Nothing runs before then.</summary>
    public long PausedUntil { get; set; }

    /// <summary>Whether nothing runs any more.</summary>
    public bool Ended { get; private set; }

    /// <summary>Told of a callback that came after the end.</summary>
    public Action? PostedAfterEnd { get; set; }

    /// <summary>What the client has not ended, for people; empty when it has ended all.</summary>
    public string Left => string.Join(", ", new[]
    {
        Count(timers.Count(static timer => !timer.Gone), "timer"),
        Count(pollers.Count(static poller => !poller.Gone), "poller"),
        Count(watches.Count(static watch => !watch.Gone), "watch"),
    }.Where(static part => part.Length > 0));

    /// <inheritdoc/>
    public void Post(Action<object?> callback, object? state) => Enqueue(callback, state);

    /// <inheritdoc/>
    public override void Post(SendOrPostCallback d, object? state) => Enqueue(d, state);

    /// <inheritdoc/>
    public override SynchronizationContext CreateCopy() => this;

    /// <inheritdoc/>
    public IDisposable Every(TimeSpan period, Action callback)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(period, TimeSpan.Zero);
        return Add(period, callback, true);
    }

    /// <inheritdoc/>
    public IDisposable After(TimeSpan delay, Action callback) => Add(delay, callback, false);

    /// <inheritdoc/>
    public IDisposable Poll(Func<bool> poll)
    {
        Poller poller = new(poll);
        pollers.Add(poller);
        Wake();
        return poller;
    }

    /// <summary>Watches a port's completion channel; other descriptors are not simulated.</summary>
    public IDescriptorWatch Watch(
        SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> ready)
    {
        if (handle is not ChannelHandle channel)
        {
            throw new RefusedException(new(
                "a watch in a test pair", "the descriptor of a port's completion channel",
                $"{handle?.GetType().Name}", "give the client a double of what it listens to"));
        }

        ChannelWatch watch = new(channel, interest, ready);
        watches.Add(watch);
        channel.Ready = () => Enqueue((Action<object?>)(_ => watch.Run()), null);
        return watch;
    }

    /// <summary>
    /// Runs an action as the last one of this reactor, after its end; awaits in it do not come
    /// back.
    /// </summary>
    public void RunLast(Action action)
    {
        SynchronizationContext? before = Current;
        SetSynchronizationContext(null);
        inTurn = true;
        try
        {
            action();
        }
        finally
        {
            inTurn = false;
            SetSynchronizationContext(before);
        }
    }

    /// <summary>Looks whether another thread has posted.</summary>
    public void TakeOutside()
    {
        if (!posted.IsEmpty)
        {
            Wake();
        }
    }

    /// <summary>Nothing runs from here on.</summary>
    public void End()
    {
        Ended = true;
        posted.Clear();
    }

    private static string Count(int count, string what) =>
        count == 0 ? "" : $"{count} {what}{(count == 1 ? "" : "s")}";

    private void Enqueue(Delegate callback, object? state)
    {
        if (Ended)
        {
            PostedAfterEnd?.Invoke();
            return;
        }

        posted.Enqueue((callback, state));
        if (Environment.CurrentManagedThreadId == thread)
        {
            Wake();
        }
        else
        {
            outside();
        }
    }

    private void Wake()
    {
        if (!turnIsDue)
        {
            turnIsDue = true;
            time.After(1 + time.Below(TurnDelayMax), Turn);
        }
    }

    private void Turn()
    {
        turnIsDue = false;
        if (Ended)
        {
            return;
        }

        if (time.Now < PausedUntil)
        {
            turnIsDue = true;
            time.After(PausedUntil - time.Now, Turn);
            return;
        }

        for (int left = posted.Count; left > 0 && posted.TryDequeue(out var next); left--)
        {
            _ = Run(next.Callback, next.State);
        }

        bool worked = false;
        foreach (Timer timer in timers.Where(t => t.Due <= time.Now && !t.Gone).ToArray())
        {
            RunTimer(timer);
        }

        foreach (Poller poller in pollers.Where(static poller => !poller.Gone).ToArray())
        {
            worked |= !poller.Gone && Run(poller.Run, null);
        }

        _ = timers.RemoveAll(static timer => timer.Gone);
        _ = pollers.RemoveAll(static poller => poller.Gone);
        _ = watches.RemoveAll(static watch => watch.Gone);
        if (worked || !posted.IsEmpty)
        {
            Wake();
        }
    }

    private void RunTimer(Timer timer)
    {
        if (timer.Gone)
        {
            return; // Disposed by one that ran before it.
        }

        if (timer.Period is { } period)
        {
            timer.Due = time.Now + period;
            time.After(period, Wake);
        }
        else
        {
            timer.Gone = true;
        }

        _ = Run(timer.Run, null);
    }

    private bool Run(Delegate callback, object? state)
    {
        if (Ended)
        {
            return false;
        }

        SynchronizationContext? before = Current;
        SetSynchronizationContext(this);
        inTurn = true;
        try
        {
            switch (callback)
            {
                case SendOrPostCallback continuation: continuation(state); return true;
                case Action<object?> action: action(state); return true;
                case Action action: action(); return true;
                case Func<bool> poll: return poll();
                default: return false;
            }
        }
#pragma warning disable CA1031 // Whatever it is, it ends the client and fails the test.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            failed(failure);
            return false;
        }
        finally
        {
            inTurn = false;
            SetSynchronizationContext(before);
        }
    }

    private Timer Add(TimeSpan delay, Action callback, bool again)
    {
        long nanoseconds = Math.Max(1, delay.Ticks * 100);
        Timer timer = new(time.Now + nanoseconds, again ? nanoseconds : null, callback);
        timers.Add(timer);
        time.After(nanoseconds, Wake);
        return timer;
    }

    private sealed class Timer(long due, long? period, Action callback) : IDisposable
    {
        public long Due { get; set; } = due;

        public long? Period => period;

        public Action Run => callback;

        public bool Gone { get; set; }

        public void Dispose() => Gone = true;
    }

    private sealed class Poller(Func<bool> poll) : IDisposable
    {
        public bool Gone { get; private set; }

        public Func<bool> Run => poll;

        public void Dispose() => Gone = true;
    }

    private sealed class ChannelWatch(
        ChannelHandle channel, DescriptorInterest interest, Action<DescriptorInterest> ready)
        : IDescriptorWatch
    {
        public DescriptorInterest Interest { get; set; } = interest;

        public bool Gone { get; private set; }

        public void Run()
        {
            if (!Gone && Interest.HasFlag(DescriptorInterest.Readable))
            {
                ready(DescriptorInterest.Readable);
            }
        }

        public void Dispose()
        {
            Gone = true;
            channel.Ready = null;
        }
    }
}

/// <summary>Stands for the descriptor of a completion channel.</summary>
internal sealed class ChannelHandle : SafeHandle
{
    /// <summary>Makes one that is no descriptor.</summary>
    public ChannelHandle()
        : base(-1, ownsHandle: false)
    {
    }

    /// <inheritdoc/>
    public override bool IsInvalid => false;

    /// <summary>Told when completions may have come.</summary>
    public Action? Ready { get; set; }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => true;
}
