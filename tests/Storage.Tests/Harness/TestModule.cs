namespace StorageOs.Storage.Tests.Harness;

/// <summary>A module of the reactor, which the host would end by name when it throws.</summary>
internal sealed class TestModule(TestReactor reactor) : SynchronizationContext
{
    /// <summary>What its callbacks threw.</summary>
    public List<Exception> Faults { get; } = [];

    /// <summary>Calls the module, as the host does.</summary>
    public void Call(Action call)
    {
        SynchronizationContext? before = Current;
        SetSynchronizationContext(this);
        try
        {
            call();
        }
        catch (Exception fault)
        {
            Faults.Add(fault);
        }
        finally
        {
            SetSynchronizationContext(before);
        }
    }

    public override void Post(SendOrPostCallback d, object? state) =>
        reactor.Post(_ => Call(() => d(state)), null);
}
