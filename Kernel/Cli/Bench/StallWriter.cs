using System.Diagnostics;
using System.Net.Sockets;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Kernel.Cli.Bench;

/// <summary>
/// Writes 4 KiB at depth 1 without a pause, through whoever serves, and keeps when each
/// acknowledgement came: what a client sees of a takeover is the gap in them.
/// </summary>
internal sealed class StallWriter(int port, string export, long volumeBytes)
{
    private const int Bytes = 4096;
    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(5);
    private readonly byte[] payload = new byte[Bytes];
    private long lastAnswer;
    private long largestGap;
    private long answers;

    /// <summary>Acknowledgements so far. Any thread.</summary>
    internal long Answers => Volatile.Read(ref answers);

    /// <summary>
    /// The longest time without an acknowledgement since the last reset. Any thread.
    /// </summary>
    internal TimeSpan LargestGap => Stopwatch.GetElapsedTime(0, Volatile.Read(ref largestGap));

    /// <summary>Forgets the largest gap.</summary>
    internal void Reset() => Volatile.Write(ref largestGap, 0);

    /// <summary>Writes until cancelled.</summary>
    internal async Task RunAsync(CancellationToken cancellation)
    {
        Random.Shared.NextBytes(payload);
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                await WriteOnAsync(cancellation);
            }
            catch (Exception lost) when (lost is IOException or SocketException
                || (lost is OperationCanceledException && !cancellation.IsCancellationRequested))
            {
                // Nobody serves: a spin here would take the survivor's processor.
                await Task.Yield();
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task WriteOnAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(AnswerTimeMax);
        using NbdClient client = await NbdClient.ConnectAsync(port, export, limit.Token);
        for (ulong cookie = 1; ; cookie++)
        {
            long offset = Random.Shared.NextInt64(volumeBytes / Bytes) * Bytes;
            await client.WriteAsync(cookie, offset, payload, limit.Token);
            _ = await client.ReplyAsync(limit.Token);
            Answered();
            if (cookie % 1024 == 0)
            {
                limit.CancelAfter(AnswerTimeMax);
            }
        }
    }

    private void Answered()
    {
        long now = Stopwatch.GetTimestamp();
        if (lastAnswer != 0 && now - lastAnswer > Volatile.Read(ref largestGap))
        {
            Volatile.Write(ref largestGap, now - lastAnswer);
        }

        lastAnswer = now;
        Volatile.Write(ref answers, answers + 1);
    }
}
