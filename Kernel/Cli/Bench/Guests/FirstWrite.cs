using System.Diagnostics;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// When somebody serves a write again. A connection that was opened before the service address
/// moved may hear of it late, so one is opened after the other, and the first answer counts. What
/// is found is late by up to the time between two; no more than a few are open at once, so that
/// they do not crowd whoever is about to serve.
/// </summary>
internal static class FirstWrite
{
    private const int Bytes = 4096;
    private const long Offset = 0;
    private const int OpenMax = 12;
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan AttemptTimeMax = TimeSpan.FromMilliseconds(600);
    private static readonly TimeSpan ServedTimeMax = TimeSpan.FromSeconds(60);

    /// <summary>Waits for it; how long it took since a timestamp.</summary>
    /// <param name="from">The timestamp.</param>
    /// <param name="port">Where the volume is exported.</param>
    /// <param name="why">Asked what hinders, in words, when nobody serves for too long.</param>
    /// <param name="cancellation">Ends the wait.</param>
    internal static async Task<TimeSpan> AfterAsync(
        long from, int port, Func<Task<string>> why, CancellationToken cancellation)
    {
        using CancellationTokenSource end =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        TaskCompletionSource<TimeSpan> first = new();
        List<Task> attempts = [];
        using PeriodicTimer timer = new(Between);
        while (!first.Task.IsCompleted)
        {
            _ = attempts.RemoveAll(static attempt => attempt.IsCompletedSuccessfully);
            if (attempts.Count < OpenMax)
            {
                attempts.Add(AttemptAsync(from, port, first, end.Token));
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
            if (Stopwatch.GetElapsedTime(from) > ServedTimeMax)
            {
                throw new RefusedException(new Refusal(
                    "bench --guests",
                    $"a write served within {ServedTimeMax.TotalSeconds} s after a loss",
                    await why(), "see the guests' console.log"));
            }
        }

        await end.CancelAsync();
        await Task.WhenAll(attempts);
        return await first.Task;
    }

    private static async Task AttemptAsync(
        long from, int port, TaskCompletionSource<TimeSpan> first, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(AttemptTimeMax);
        try
        {
            using NbdClient client = await NbdClient.ConnectAsync(port, "vol0", limit.Token);
            await client.WriteAsync(1, Offset, new byte[Bytes], limit.Token);
            _ = await client.ReplyAsync(limit.Token);
            _ = first.TrySetResult(Stopwatch.GetElapsedTime(from));
        }
        catch (Exception nobody) when (nobody is IOException or SocketException
            or OperationCanceledException)
        {
            return; // Nobody serves yet; the next one asks again.
        }
    }
}
