using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using StorageOs.Kernel.Cli.Drill;

namespace StorageOs.Pair.Tests;

/// <summary>
/// Writes blocks of <c>vol0</c> one after the other, each with a number of its own, connects anew
/// when a connection ends, as multipath or <c>nbd-client -persist</c> does, and writes again what
/// was not answered. An error that the export answers is kept: a planned move must make none.
/// </summary>
internal sealed class SteadyWriter(int port)
{
    private const int BlockBytes = 4096;
    private const int Blocks = 512;
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(2);
    private readonly ulong[] answered = new ulong[Blocks];
    private readonly byte[] block = new byte[BlockBytes];
    private ulong next = 1;
    private long lastAnswer;
    private long longest;

    /// <summary>Errors that the export answered with.</summary>
    public List<string> Errors { get; } = [];

    /// <summary>Writes that were answered.</summary>
    public long Answers { get; private set; }

    /// <summary>The longest time between two answers since the last reset. Any thread.</summary>
    public TimeSpan LongestPause => Stopwatch.GetElapsedTime(0, Volatile.Read(ref longest));

    /// <summary>Forgets the longest pause.</summary>
    public void Reset() => Volatile.Write(ref longest, 0);

    /// <summary>Writes until cancelled.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using PeriodicTimer retry = new(RetryDelay);
        lastAnswer = Stopwatch.GetTimestamp();
        while (!stop.IsCancellationRequested)
        {
            try
            {
                using NbdClient client = await NbdClient.ConnectAsync(port, "vol0", stop);
                while (!stop.IsCancellationRequested)
                {
                    await WriteAsync(client, stop);
                }
            }
            catch (Exception lost) when (lost is IOException or SocketException)
            {
                if (lost.Message.Contains("answered with error", StringComparison.Ordinal))
                {
                    Errors.Add(lost.Message);
                }

                _ = await retry.WaitForNextTickAsync(CancellationToken.None);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>
    /// Blocks that do not hold what was last answered, or the one write that was not.
    /// </summary>
    public async Task<IReadOnlyList<string>> WrongAsync()
    {
        List<string> wrong = [];
        using PatientReader reader = new(port, "vol0");
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(30));
        for (int index = 0; index < Blocks; index++)
        {
            await reader.ReadAsync(index * BlockBytes, block, limit.Token);
            ulong found = BinaryPrimitives.ReadUInt64LittleEndian(block);
            if (found != answered[index] && !(found == next && index == IndexOf(next)))
            {
                wrong.Add($"block {index}: expected {answered[index]}, found {found}");
            }
        }

        return wrong;
    }

    private static int IndexOf(ulong number) => (int)(number % Blocks);

    private async Task WriteAsync(NbdClient client, CancellationToken stop)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(block, next);
        await client.WriteAsync(next, IndexOf(next) * BlockBytes, block, stop);
        _ = await client.ReplyAsync(stop);
        long now = Stopwatch.GetTimestamp();
        Volatile.Write(ref longest, Math.Max(Volatile.Read(ref longest), now - lastAnswer));
        lastAnswer = now;
        answered[IndexOf(next)] = next;
        next++;
        Answers++;
    }
}
