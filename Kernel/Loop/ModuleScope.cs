using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Loop;

/// <summary>
/// Whose callback runs. Every callback a reactor runs belongs to one scope, so that an exception
/// out of it ends that module and nothing else. It is also the synchronization context of the
/// module's callbacks: an <c>await</c> comes back to the reactor under the same name.
/// </summary>
internal sealed class ModuleScope : SynchronizationContext
{
    private readonly Reactor reactor;
    private readonly Action<Exception> fault;
    private int state;

    /// <param name="reactor">The thread its callbacks run on.</param>
    /// <param name="name">Name of the module.</param>
    /// <param name="fault">
    /// Told of the first exception, on the reactor's thread; must not throw. Later ones are told,
    /// too: which one ended the module is the handler's to decide.
    /// </param>
    internal ModuleScope(Reactor reactor, string name, Action<Exception> fault)
    {
        this.reactor = reactor;
        this.fault = fault;
        Name = name;
    }

    /// <summary>Name of the module.</summary>
    internal string Name { get; }

    /// <summary>Whether callbacks still run; false once closed.</summary>
    internal bool Runs => Volatile.Read(ref state) == 0;

    /// <summary>Drops every callback that has not run yet, from now on. Any thread.</summary>
    internal void Close() => Volatile.Write(ref state, 1);

    /// <summary>Says that a callback threw.</summary>
    internal void Fault(Exception exception) => fault(exception);

    /// <inheritdoc/>
    public override void Post(SendOrPostCallback d, object? state) =>
        reactor.Enqueue(this, d, state);

    /// <inheritdoc/>
    public override void Send(SendOrPostCallback d, object? state)
    {
        Invariant.Require(reactor.IsCurrent, "a blocking call onto a reactor from outside");
        d(state);
    }

    /// <inheritdoc/>
    public override SynchronizationContext CreateCopy() => this;
}
