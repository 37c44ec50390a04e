using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Kernel.Cli.Chaos;

/// <summary>
/// One client: reads and writes blocks of one volume at random, one request at a time, over a
/// connection that it makes anew whenever it ends, and keeps what it saw. Every write is of a value
/// that nobody else writes, repeated through the block.
/// </summary>
internal sealed class ChaosClient(int number, int port, string export, int seed)
{
    /// <summary>Bytes of one request.</summary>
    public const int BlockBytes = 4096;

    private static readonly TimeSpan AnswerTimeMax = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(3);
    private readonly Random random = new(seed);
    private readonly byte[] block = new byte[BlockBytes];
    private readonly List<(long Offset, BlockOperation Operation)> seen = [];
    private readonly List<string> torn = [];
    private ulong written;
    private long lastAnswer;

    /// <summary>The volume.</summary>
    public string Export => export;

    /// <summary>Whether a write is with the server now. Any thread.</summary>
    public bool Writing => Volatile.Read(ref writing);

    private bool writing;

    /// <summary>Requests that were answered.</summary>
    public long Answered { get; private set; }

    /// <summary>Writes that were not answered.</summary>
    public long Unanswered { get; private set; }

    /// <summary>The longest time without an answer.</summary>
    public TimeSpan LongestStall { get; private set; }

    /// <summary>
    /// Blocks that were half of one write and half of another, since this was last asked for.
    /// </summary>
    public IReadOnlyList<string> TakeTorn()
    {
        string[] all = [.. torn];
        torn.Clear();
        return all;
    }

    /// <summary>What it saw since this was last asked for; no round may be running.</summary>
    public List<(long Offset, BlockOperation Operation)> Take()
    {
        List<(long, BlockOperation)> all = [.. seen];
        seen.Clear();
        return all;
    }

    /// <summary>Reads and writes until cancelled.</summary>
    /// <param name="offsets">The blocks.</param>
    /// <param name="stop">Ends the round; what is under way is given up.</param>
    public async Task RunAsync(IReadOnlyList<long> offsets, CancellationToken stop)
    {
        using PeriodicTimer retry = new(RetryDelay);
        lastAnswer = Stopwatch.GetTimestamp();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await AskOnAsync(offsets, stop);
            }
            catch (Exception lost) when (lost is IOException or SocketException
                || (lost is OperationCanceledException && !stop.IsCancellationRequested))
            {
                _ = await retry.WaitForNextTickAsync(CancellationToken.None);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>
    /// Reads each block once; whatever was written before is answered for from here on.
    /// </summary>
    /// <exception cref="TimeoutException">Nobody answered in time.</exception>
    public async Task<IReadOnlyList<ulong>> ReadAllAsync(
        IReadOnlyList<long> offsets, TimeSpan limit, CancellationToken cancellation)
    {
        using PatientReader reader = new(port, export);
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timer.CancelAfter(limit);
        List<ulong> values = [];
        foreach (long offset in offsets)
        {
            long start = Stopwatch.GetTimestamp();
            await reader.ReadAsync(offset, block, timer.Token);
            values.Add(Saw(offset, start));
        }

        return values;
    }

    private async Task AskOnAsync(IReadOnlyList<long> offsets, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(AnswerTimeMax);
        using NbdClient client = await NbdClient.ConnectAsync(port, export, limit.Token);
        while (!stop.IsCancellationRequested)
        {
            limit.CancelAfter(AnswerTimeMax);
            long offset = offsets[random.Next(offsets.Count)];
            if (random.Next(2) == 0)
            {
                await WriteAsync(client, offset, limit.Token);
            }
            else
            {
                long start = Stopwatch.GetTimestamp();
                await client.ReadAsync(offset, block, limit.Token);
                _ = Saw(offset, start);
            }

            NoteAnswer();
        }
    }

    private async Task WriteAsync(NbdClient client, long offset, CancellationToken limit)
    {
        ulong value = ((ulong)(number + 1) << 48) | ++written;
        Fill(value);
        long start = Stopwatch.GetTimestamp();
        long end = BlockHistory.Never;
        Volatile.Write(ref writing, true);
        try
        {
            await client.WriteAsync(value, offset, block, limit);
            _ = await client.ReplyAsync(limit);
            end = Stopwatch.GetTimestamp();
        }
        finally
        {
            Volatile.Write(ref writing, false);
            Unanswered += end == BlockHistory.Never ? 1 : 0;
            seen.Add((offset, new BlockOperation(number, true, value, start, end)));
        }
    }

    private ulong Saw(long offset, long start)
    {
        long end = Stopwatch.GetTimestamp();
        ulong value = BinaryPrimitives.ReadUInt64LittleEndian(block);
        for (int at = 8; at < BlockBytes; at += 8)
        {
            ulong other = BinaryPrimitives.ReadUInt64LittleEndian(block.AsSpan(at));
            if (other != value)
            {
                torn.Add($"{export} at {offset}: {value:x} first, {other:x} at byte {at}");
                break;
            }
        }

        seen.Add((offset, new BlockOperation(number, false, value, start, end)));
        return value;
    }

    private void Fill(ulong value)
    {
        for (int at = 0; at < BlockBytes; at += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(block.AsSpan(at), value);
        }
    }

    private void NoteAnswer()
    {
        long now = Stopwatch.GetTimestamp();
        TimeSpan stall = Stopwatch.GetElapsedTime(lastAnswer, now);
        LongestStall = stall > LongestStall ? stall : LongestStall;
        lastAnswer = now;
        Answered++;
    }
}
