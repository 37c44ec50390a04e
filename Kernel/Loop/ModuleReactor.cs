using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Loop;

/// <summary>
/// One module's view of a reactor that it may share with others: everything asked for through it
/// runs under the module's name.
/// </summary>
internal sealed class ModuleReactor(Reactor reactor, ModuleScope scope) : IReactor
{
    /// <inheritdoc/>
    public string Name => reactor.Name;

    /// <inheritdoc/>
    public Instant Now => reactor.Now;

    /// <inheritdoc/>
    public bool IsCurrent => reactor.IsCurrent;

    /// <inheritdoc/>
    public void Post(Action<object?> callback, object? state) =>
        reactor.Enqueue(scope, callback, state);

    /// <inheritdoc/>
    public IDisposable Every(TimeSpan period, Action callback)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(period, TimeSpan.Zero);
        return reactor.AddTimer(scope, callback, period, period);
    }

    /// <inheritdoc/>
    public IDisposable After(TimeSpan delay, Action callback) =>
        reactor.AddTimer(scope, callback, delay, null);

    /// <inheritdoc/>
    public IDisposable Poll(Func<bool> poll) => reactor.AddPoller(scope, poll);

    /// <inheritdoc/>
    public IDescriptorWatch Watch(
        SafeHandle handle, DescriptorInterest interest, Action<DescriptorInterest> ready) =>
        reactor.AddWatch(scope, handle, interest, ready);

    /// <summary>
    /// Ends every timer, poller and watch of the module; posted callbacks go on. Any thread.
    /// </summary>
    internal void Quiet() => reactor.Quiet(scope);

    /// <summary>
    /// Leaves the thread to the module when it hangs there, and drops the rest of it; whoever
    /// shares the reactor goes on. Any thread.
    /// </summary>
    internal void LeaveHanging()
    {
        scope.Close();
        _ = reactor.LeaveHanging(scope);
    }

    /// <summary>
    /// Ends all that the module has on the reactor, posted callbacks too. Any thread.
    /// </summary>
    internal void Close()
    {
        scope.Close();
        reactor.Quiet(scope);
    }
}
