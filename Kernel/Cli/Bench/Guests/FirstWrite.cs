using System.Diagnostics;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// When somebody serves a write again. A connection that was opened before the service address
/// moved may hear of it late, so one is opened after the other, and the first answer counts. What
/// is found is late by up to the time between two.
/// </summary>
internal static class FirstWrite
{
    private const int Bytes = 4096;
    private const long Offset = 0;
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan AttemptTimeMax = TimeSpan.FromMilliseconds(1000);
    private static readonly TimeSpan ServedTimeMax = TimeSpan.FromSeconds(60);

    /// <summary>Waits for it; how long it took since a timestamp.</summary>
    internal static async Task<TimeSpan> AfterAsync(
        long from, int port, CancellationToken cancellation)
    {
        using CancellationTokenSource end =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        TaskCompletionSource<TimeSpan> first = new();
        List<Task> attempts = [];
        using PeriodicTimer timer = new(Between);
        while (!first.Task.IsCompleted)
        {
            attempts.Add(AttemptAsync(from, port, first, end.Token));
            _ = await timer.WaitForNextTickAsync(cancellation);
            if (Stopwatch.GetElapsedTime(from) > ServedTimeMax)
            {
                throw new RefusedException(new Refusal(
                    "bench --guests",
                    $"a write served within {ServedTimeMax.TotalSeconds} s after a loss", "none",
                    "see the guests' console.log"));
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
