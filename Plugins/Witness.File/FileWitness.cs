using System.Collections.Concurrent;
using StorageOs.Contracts.Services;

namespace StorageOs.Witness.File;

/// <summary>
/// The register as files in a directory that both nodes reach. Blocking calls run on one thread for
/// each group, in order, so that no reactor waits for a disk and, when a node dies, the takeover of
/// its group does not wait until it is marked stale in the other; answers come back to whoever
/// awaits.
/// </summary>
internal sealed class FileWitness : IWitness
{
    private static readonly TimeSpan JoinTimeMax = TimeSpan.FromSeconds(1);
    private readonly TermDirectory directory;
    private readonly Worker[] workers;

    /// <summary>Uses, and makes with the first call when missing, the directory.</summary>
    public FileWitness(string path, Action<string>? trace = null)
    {
        Description = $"files in {path}";
        directory = new TermDirectory(path) { Trace = trace };
        workers = [.. GroupId.All.Select(static group => new Worker(group))];
    }

    /// <inheritdoc/>
    public string Description { get; }

    /// <inheritdoc/>
    public ValueTask<WitnessReading> ReadAsync(GroupId group, CancellationToken cancellation) =>
        workers[group.Value].Run(
            () => directory.Read(group),
            new WitnessReading(ReadOutcome.Unavailable, null, "the witness is closed"),
            cancellation);

    /// <inheritdoc/>
    public ValueTask<SwapOutcome> TrySwapAsync(
        GroupId group, RegisterEntry next, CancellationToken cancellation) =>
        workers[group.Value].Run(
            () => directory.Swap(next with { Group = group }),
            new SwapOutcome(SwapResult.Undecided, null, "the witness is closed"),
            cancellation);

    /// <inheritdoc/>
    public void Dispose() => Array.ForEach(workers, static worker => worker.Dispose());

    /// <summary>One thread and what it is to do.</summary>
    private sealed class Worker : IDisposable
    {
        private readonly BlockingCollection<Action> work = [];
        private readonly Thread thread;

        public Worker(GroupId group)
        {
            thread = new Thread(Loop) { IsBackground = true, Name = $"witness-file {group}" };
            thread.Start();
        }

        public ValueTask<T> Run<T>(Func<T> call, T closed, CancellationToken cancellation)
        {
            TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
            if (work.IsAddingCompleted)
            {
                return ValueTask.FromResult(closed);
            }

            work.Add(() => Complete(done, call), cancellation);
            return new ValueTask<T>(done.Task);
        }

        public void Dispose()
        {
            work.CompleteAdding();
            if (thread.Join(JoinTimeMax))
            {
                work.Dispose();
            } // Else a call hangs in the file system, perhaps for ever; the process may end.
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

        private void Loop()
        {
            foreach (Action call in work.GetConsumingEnumerable())
            {
                call();
            }
        }
    }
}
