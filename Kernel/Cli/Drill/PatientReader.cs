using System.Diagnostics;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Drill;

/// <summary>
/// Reads from an export and connects anew while nobody serves it: after violence the service
/// address may take its time to move, and that alone is no loss.
/// </summary>
internal sealed class PatientReader(int port, string export) : IDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(10);
    private NbdClient? client;

    /// <summary>Reads all of <paramref name="into"/>.</summary>
    /// <exception cref="RefusedException">Nobody answered for as long as a stall may take.
    /// </exception>
    public async Task ReadAsync(long offset, Memory<byte> into, CancellationToken cancellation)
    {
        long begin = Stopwatch.GetTimestamp();
        using PeriodicTimer timer = new(RetryDelay);
        while (!await TryReadAsync(offset, into, cancellation))
        {
            if (Stopwatch.GetElapsedTime(begin) > LedgerWriter.StallTimeMax)
            {
                throw LedgerWriter.Stalled($"reading {export} at {offset:N0}");
            }

            _ = await timer.WaitForNextTickAsync(cancellation);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => client?.Dispose();

    private async Task<bool> TryReadAsync(
        long offset, Memory<byte> into, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(LedgerWriter.AnswerTimeMax);
        try
        {
            client ??= await NbdClient.ConnectAsync(port, export, limit.Token);
            await client.ReadAsync(offset, into, limit.Token);
            return true;
        }
        catch (Exception lost) when (lost is IOException or SocketException
            || (lost is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            client?.Dispose();
            client = null;
            return false;
        }
    }
}
