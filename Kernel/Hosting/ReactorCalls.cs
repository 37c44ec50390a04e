using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>Calls onto a reactor whose result another thread awaits.</summary>
internal static class ReactorCalls
{
    /// <summary>
    /// Runs <paramref name="call"/> on the reactor and completes with what it gives.
    /// </summary>
    internal static Task<TResult> CallAsync<TResult>(
        this IReactor reactor, Func<ValueTask<TResult>> call)
    {
        TaskCompletionSource<TResult> done =
            new(TaskCreationOptions.RunContinuationsAsynchronously);
        reactor.Post(_ => RunAsync(call, done), null);
        return done.Task;
    }

    /// <summary>Runs <paramref name="call"/> on the reactor and completes with it.</summary>
    internal static Task CallAsync(this IReactor reactor, Func<ValueTask> call) =>
        reactor.CallAsync(async () =>
        {
            await call();
            return true;
        });

    // Never throws: what the call throws is its caller's, not the reactor's.
    private static async void RunAsync<TResult>(
        Func<ValueTask<TResult>> call, TaskCompletionSource<TResult> done)
    {
        try
        {
            done.TrySetResult(await call());
        }
#pragma warning disable CA1031 // Passed on whole, to whoever awaits the call.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            done.TrySetException(failure);
        }
    }
}
