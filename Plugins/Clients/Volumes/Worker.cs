using System.Collections.Concurrent;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Volumes;

/// <summary>Runs disk operations that may wait, one after the other, off the reactor.</summary>
internal interface IWorker : IDisposable
{
    /// <summary>Runs <paramref name="item"/>'s work, then posts its end back to the
    /// reactor.</summary>
    void Run(WorkItem item);
}

/// <summary>One operation for a worker; reused by its owner when it has ended.</summary>
internal abstract class WorkItem
{
    /// <summary>The operation; on the worker.</summary>
    public abstract void Work();

    /// <summary>Afterwards, on the reactor.</summary>
    public abstract void Ended();
}

/// <summary>A worker with a thread of its own.</summary>
internal sealed class ThreadWorker : IWorker
{
    private readonly BlockingCollection<WorkItem> items = [];
    private readonly IReactor reactor;
    private readonly Thread thread;

    /// <summary>Starts the thread.</summary>
    public ThreadWorker(IReactor reactor, string name)
    {
        this.reactor = reactor;
        thread = new Thread(Loop) { Name = name, IsBackground = true };
        thread.Start();
    }

    /// <inheritdoc/>
    public void Run(WorkItem item) => items.Add(item);

    /// <inheritdoc/>
    public void Dispose()
    {
        items.CompleteAdding();
        thread.Join();
        items.Dispose();
    }

    private void Loop()
    {
        foreach (WorkItem item in items.GetConsumingEnumerable())
        {
            item.Work();
            reactor.Post(static state => ((WorkItem)state!).Ended(), item);
        }
    }
}
