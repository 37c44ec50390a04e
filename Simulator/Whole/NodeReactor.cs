using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Simulator.Whole;

/// <summary>
/// The storage reactor of one boot of a node, in virtual time: also the context that its awaits
/// come back to. It dies with the boot.
/// </summary>
internal sealed class NodeReactor(WholeNode node, ulong boot) : SynchronizationContext, IReactor
{
    private readonly Queue<(Delegate Callback, object? State)> posted = new();
    private readonly List<Timer> timers = [];
    private readonly List<Poller> pollers = [];

    /// <inheritdoc/>
    public string Name => "storage";

    /// <inheritdoc/>
    public Instant Now { get; private set; } = node.Local;

    /// <inheritdoc/>
    public bool IsCurrent => true;

    /// <summary>When a timer is due next, on the node's clock; null: never.</summary>
    public Instant? NextTimer
    {
        get
        {
            Instant? next = null;
            foreach (Timer timer in timers)
            {
                next = !timer.Gone && (next is null || timer.Due < next) ? timer.Due : next;
            }

            return next;
        }
    }

    /// <inheritdoc/>
    public void Post(Action<object?> callback, object? state) => Enqueue(callback, state);

    /// <inheritdoc/>
    public override void Post(SendOrPostCallback d, object? state) => Enqueue(d, state);

    /// <inheritdoc/>
    public IDisposable Every(TimeSpan period, Action callback) => Add(period, period, callback);

    /// <inheritdoc/>
    public IDisposable After(TimeSpan delay, Action callback) => Add(delay, null, callback);

    /// <inheritdoc/>
    public IDisposable Poll(Func<bool> poll)
    {
        Poller poller = new(poll);
        pollers.Add(poller);
        return poller;
    }

    /// <summary>Descriptors are not simulated: ports have no completion channel.</summary>
    public IDescriptorWatch Watch(
        SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> ready) =>
        throw new NotSupportedException();

    /// <summary>One turn: what was posted, timers, pollers.</summary>
    /// <returns>Whether more was posted meanwhile.</returns>
    public bool Turn()
    {
        Now = node.Local;
        SynchronizationContext? before = Current;
        SetSynchronizationContext(this);
        try
        {
            for (int left = posted.Count; left > 0; left--)
            {
                (Delegate callback, object? state) = posted.Dequeue();
                Run(callback, state);
            }

            for (int i = 0; i < timers.Count; i++)
            {
                Timer timer = timers[i];
                if (!timer.Gone && timer.Due <= Now)
                {
                    timer.Gone = timer.Period is null;
                    timer.Due = Now + (timer.Period ?? TimeSpan.Zero);
                    Run(timer.Callback, null);
                }
            }

            _ = timers.RemoveAll(static timer => timer.Gone);
            for (int i = 0; i < pollers.Count; i++)
            {
                Run(pollers[i].Gone ? null : pollers[i].Run, null);
            }
        }
        finally
        {
            SetSynchronizationContext(before);
        }

        return posted.Count != 0;
    }

    private void Run(Delegate? callback, object? state)
    {
        node.Point(boot);
        switch (callback)
        {
            case SendOrPostCallback continuation: continuation(state); break;
            case Action<object?> action: action(state); break;
            case Action action: action(); break;
            case Func<bool> poll: _ = poll(); break;
            default: break;
        }
    }

    private void Enqueue(Delegate callback, object? state)
    {
        if (node.IsIn(boot))
        {
            posted.Enqueue((callback, state));
            node.WakeReactor();
        }
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

    private sealed class Poller(Func<bool> poll) : IDisposable
    {
        public bool Gone { get; private set; }

        public Func<bool> Run => poll;

        public void Dispose() => Gone = true;
    }
}
