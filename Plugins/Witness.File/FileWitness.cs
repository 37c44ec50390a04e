using System.Collections.Concurrent;
using StorageOs.Contracts.Services;

namespace StorageOs.Witness.File;

/// <summary>
/// The register as files in a directory that both nodes reach. Blocking calls run on one thread of
/// its own, in order, so that no reactor waits for a disk; answers come back to whoever awaits.
/// </summary>
internal sealed class FileWitness : IWitness
{
    private readonly BlockingCollection<Action> work = [];
    private readonly TermDirectory directory;
    private readonly Thread worker;

    /// <summary>Uses, and makes when missing, the directory.</summary>
    public FileWitness(string path, Action<string>? trace = null)
    {
        Description = $"files in {path}";
        directory = new TermDirectory(path) { Trace = trace };
        worker = new Thread(Run) { IsBackground = true, Name = "witness-file" };
        worker.Start();
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public ValueTask<WitnessReading> ReadAsync(GroupId group, CancellationToken cancellation) =>
        OnWorker(
            () => directory.Read(group),
            new WitnessReading(ReadOutcome.Unavailable, null, "the witness is closed"),
            cancellation);

    /// <inheritdoc/>
    public ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation) =>
        OnWorker(
            () => directory.Swap(next with { Group = group }),
            new SwapOutcome(SwapResult.Undecided, null, "the witness is closed"),
            cancellation);

    /// <inheritdoc/>
    public void Dispose()
    {
        work.CompleteAdding();
        worker.Join();
        work.Dispose();
    }

    private ValueTask<T> OnWorker<T>(Func<T> call, T closed, CancellationToken cancellation)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        if (work.IsAddingCompleted)
        {
            return ValueTask.FromResult(closed);
        }

        work.Add(() => Complete(done, call), cancellation);
        return new ValueTask<T>(done.Task);
    }

    private static void Complete<T>(TaskCompletionSource<T> done, Func<T> call)
    {
        try
        {
            done.SetResult(call());
        }
        catch (Exception bug) when (bug is not OutOfMemoryException)
        {
            done.SetException(bug); // Not expected here; the caller hears of it.
        }
    }

    private void Run()
    {
        foreach (Action call in work.GetConsumingEnumerable())
        {
            call();
        }
    }
}
