using System.Runtime.InteropServices;

namespace StorageOs.Contracts.Runtime;

/// <summary>
/// One thread that owns all state of the modules placed on it: it runs posted callbacks, timers,
/// pollers and ready descriptors one after the other, so none of them needs a lock. It is also
/// the <see cref="SynchronizationContext"/> of that thread: an <c>await</c> comes back to it.
/// In the simulator the same interface is driven from one seed in virtual time.
/// A callback that throws ends the module it belongs to, never the node.
/// </summary>
public interface IReactor
{
    /// <summary>Name in status and logs.</summary>
    string Name { get; }

    /// <summary>
    /// The time now; steady, and the same for everything one turn of the loop runs.
    /// </summary>
    Instant Now { get; }

    /// <summary>Whether the calling thread is this reactor's.</summary>
    bool IsCurrent { get; }

    /// <summary>
    /// Runs <paramref name="callback"/> on the reactor, in order of posting. Any thread.
    /// </summary>
    void Post(Action<object?> callback, object? state);

    /// <summary>
    /// Runs <paramref name="callback"/> every <paramref name="period"/> until disposed. Reactor
    /// thread only. A turn that comes late is not made up for.
    /// </summary>
    IDisposable Every(TimeSpan period, Action callback);

    /// <summary>
    /// Runs <paramref name="callback"/> once after <paramref name="delay"/> unless disposed before.
    /// Reactor thread only.
    /// </summary>
    IDisposable After(TimeSpan delay, Action callback);

    /// <summary>
    /// Calls <paramref name="poll"/> on each turn until disposed; it returns whether it did work.
    /// While any poller did, the reactor does not sleep. Reactor thread only.
    /// </summary>
    IDisposable Poll(Func<bool> poll);

    /// <summary>
    /// Calls <paramref name="ready"/> while <paramref name="handle"/> is ready (level-triggered)
    /// for what <paramref name="interest"/> says, until disposed. The handle stays the caller's
    /// and must outlive the watch. Reactor thread only.
    /// </summary>
    IDescriptorWatch Watch(
        SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> ready);
}

/// <summary>A watch on one descriptor; disposing ends it.</summary>
public interface IDescriptorWatch : IDisposable
{
    /// <summary>
    /// What the watch waits for; may be changed at any time on the reactor's thread.
    /// </summary>
    DescriptorInterest Interest { get; set; }
}

/// <summary>What a descriptor is watched for.</summary>
[Flags]
public enum DescriptorInterest
{
    /// <summary>Nothing: the watch is kept but quiet.</summary>
    None = 0,

    /// <summary>Data to read, a connection to accept, or the end of the stream.</summary>
    Readable = 1,

    /// <summary>Room to write.</summary>
    Writable = 2,
}
