using System.Diagnostics;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli.Drill;

/// <summary>
/// Writes a file into an export with several requests in flight, connects anew whenever the
/// connection ends, sends again what was not answered, and keeps a ledger of what was.
/// </summary>
internal sealed class LedgerWriter(FileStream file, int port, string export)
{
    /// <summary>Bytes of one request.</summary>
    public const int ChunkBytes = 64 * 1024;

    private const int Depth = 16;

    /// <summary>How long an answer may take before the connection is made anew.</summary>
    public static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(15);

    /// <summary>A drill ends when nothing was answered for this long: nobody serves.</summary>
    public static readonly TimeSpan StallTimeMax = TimeSpan.FromSeconds(60);

    // A connection may be taken by nobody for as long as nobody serves; then a new one is made.
    private static readonly TimeSpan ConnectTimeMax = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(2);
    private readonly Queue<int> unanswered = new();
    private readonly HashSet<int> inFlight = [];
    private readonly byte[] buffer = new byte[ChunkBytes];
    private long lastAnswer = Stopwatch.GetTimestamp();

    /// <summary>Bytes that were acknowledged.</summary>
    public long AckedBytes { get; private set; }

    /// <summary>Which chunks were acknowledged.</summary>
    public HashSet<int> Ledger { get; } = [];

    /// <summary>Longest time between two acknowledgements.</summary>
    public TimeSpan LongestStall { get; private set; }

    /// <summary>Connections made after the first.</summary>
    public int Reconnects { get; private set; }

    /// <summary>Called after each acknowledgement.</summary>
    public Action? Acknowledged { get; set; }

    /// <summary>Writes all of it.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        int chunks = (int)((file.Length + ChunkBytes - 1) / ChunkBytes);
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            unanswered.Enqueue(chunk);
        }

        lastAnswer = Stopwatch.GetTimestamp();
        while (Ledger.Count < chunks)
        {
            try
            {
                using NbdClient client = await ConnectAsync(cancellation);
                await WriteOnAsync(client, cancellation);
            }
            catch (Exception lost) when (lost is IOException or SocketException or TimeoutException)
            {
                if (Stopwatch.GetElapsedTime(lastAnswer) > StallTimeMax)
                {
                    throw Stalled($"writing {export}, {AckedBytes:N0} bytes acknowledged");
                }

                Reconnects++;
                await WaitAsync(cancellation);
            }

            foreach (int chunk in inFlight.Order())
            {
                unanswered.Enqueue(chunk);
            }

            inFlight.Clear();
        }
    }

    /// <summary>Says that nobody answered for too long.</summary>
    public static RefusedException Stalled(string doing) => new(new Refusal(
        $"drill, {doing}", $"an answer within {StallTimeMax.TotalSeconds} s", "none",
        "see the log of each node in the directory that is kept"));

    private static async Task WaitAsync(CancellationToken cancellation)
    {
        using PeriodicTimer timer = new(RetryDelay);
        _ = await timer.WaitForNextTickAsync(cancellation);
    }

    private async Task<NbdClient> ConnectAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(ConnectTimeMax);
        try
        {
            return await NbdClient.ConnectAsync(port, export, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException("nobody took the connection");
        }
    }

    private async Task WriteOnAsync(NbdClient client, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            await WriteOnAsync(client, limit);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException("no answer came");
        }
    }

    private async Task WriteOnAsync(NbdClient client, CancellationTokenSource limit)
    {
        limit.CancelAfter(AnswerTimeMax);
        while (unanswered.Count > 0 || inFlight.Count > 0)
        {
            while (inFlight.Count < Depth && unanswered.TryDequeue(out int chunk))
            {
                inFlight.Add(chunk);
                long offset = (long)chunk * ChunkBytes;
                int length = (int)Math.Min(ChunkBytes, file.Length - offset);
                int read = RandomAccess.Read(file.SafeFileHandle, buffer.AsSpan(0, length), offset);
                if (read != length)
                {
                    throw new EndOfStreamException(
                        $"{file.Name} became shorter while it was written");
                }

                await client.WriteAsync((ulong)chunk, offset, buffer.AsMemory(0, length),
                    limit.Token);
            }

            Answered((int)await client.ReplyAsync(limit.Token));
            limit.CancelAfter(AnswerTimeMax);
        }
    }

    private void Answered(int chunk)
    {
        long now = Stopwatch.GetTimestamp();
        TimeSpan stall = Stopwatch.GetElapsedTime(lastAnswer, now);
        LongestStall = stall > LongestStall ? stall : LongestStall;
        lastAnswer = now;
        if (inFlight.Remove(chunk) && Ledger.Add(chunk))
        {
            AckedBytes += Math.Min(ChunkBytes, file.Length - ((long)chunk * ChunkBytes));
        }

        Acknowledged?.Invoke();
    }
}
