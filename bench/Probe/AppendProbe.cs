using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Probe;

/// <summary>
/// Mirrored appends of 4 KiB beside what bounds them: two copies and one CRC-32C, walking rings of
/// the log's size. This node plays the module that decides ownership and the one that keeps
/// volumes, so that nothing but the log itself runs.
/// </summary>
internal sealed class AppendProbe(ProbeClient client, IMirroredLogs logs, IReactor reactor)
{
    private const int Bytes = 4 * Size.KiB;
    private const int PerBatch = 32;
    private const int BatchesPerTurn = 32;
    private const int Batches = 64 * BatchesPerTurn;
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(1);

    private readonly IGroupLog log = logs.Log(new GroupId(0));
    private int position;
    private uint checksums;
    private int depth;
    private long allocated;

    /// <summary>
    /// On the partner: takes the owner's records and says at once that they are on disk.
    /// </summary>
    public ValueTask<JsonNode?> BecomePassive(JsonObject arguments)
    {
        log.BecomePassive();
        log.Advanced += () => log.SetFlushed(log.Acknowledged);
        return ValueTask.FromResult<JsonNode?>(null);
    }

    /// <summary>Arguments: <c>depth</c>, <c>rounds</c>.</summary>
    public async ValueTask<JsonNode?> RunAsync(JsonObject arguments)
    {
        depth = arguments["depth"]!.GetValue<int>();
        int rounds = arguments["rounds"]!.GetValue<int>();
        await ServeAsync();
        Rounds measured = new(Batches, PerBatch);
        JsonArray results = [];
        for (int round = -1; round < rounds; round++)
        {
            for (int batch = 0; batch < Batches; batch += BatchesPerTurn)
            {
                await RoomAsync(BatchesPerTurn * PerBatch);
                for (int i = batch; i < batch + BatchesPerTurn; i++)
                {
                    double ours = measured.Time(Append);
                    measured.Add(i, ours, measured.Time(CopyTwice));
                }
            }

            if (round >= 0)
            {
                results.Add(measured.Report());
            }
        }

        return new JsonObject { ["rounds"] = results, ["checksums"] = checksums };
    }

    /// <summary>
    /// Arguments: <c>appends</c>. Counts what so many appends allocate, and collections.
    /// </summary>
    public async ValueTask<JsonNode?> AllocatedAsync(JsonObject arguments)
    {
        int appends = arguments["appends"]!.GetValue<int>();
        depth = 32;
        await ServeAsync();
        allocated = 0;
        int collections = GC.CollectionCount(0);
        for (int done = 0; done < appends; done += PerBatch * BatchesPerTurn)
        {
            await RoomAsync(BatchesPerTurn * PerBatch);
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < BatchesPerTurn; i++)
            {
                Append(PerBatch);
            }

            allocated += GC.GetAllocatedBytesForCurrentThread() - before;
        }

        return new JsonObject
        {
            ["appends"] = appends,
            ["allocatedBytes"] = allocated,
            ["collections"] = GC.CollectionCount(0) - collections,
        };
    }

    private async Task ServeAsync()
    {
        if (log.Role == LogRole.Mirrored)
        {
            return;
        }

        while (!log.PartnerOffered)
        {
            await PauseAsync();
        }

        log.Freeze();
        Term term = new(1);
        Invariant.Require(await log.PushAsync(term, format: true));
        log.ServeWithPartner(term, acknowledgeOnBoth: true);
    }

    /// <summary>
    /// Waits until so many appends fit: the wait is not part of what is measured.
    /// </summary>
    private async Task RoomAsync(int appends)
    {
        long needed = (long)appends * (Bytes + 128);
        long capacity = log.Summary.CapacityBytes - Size.MiB;
        log.SetFlushed(log.Acknowledged);
        while ((long)(log.Summary.Tail.Value - log.Summary.Head.Value) + needed > capacity)
        {
            await PauseAsync();
        }
    }

    /// <summary>
    /// Nobody here resumes a mirror whose session ended: what was measured is void.
    /// </summary>
    private void RequireSession()
    {
        if (client.Grant is null || log.PartnerFailed)
        {
            throw new RefusedException(new Refusal(
                "bench append", "one session for as long as is measured", "it ended",
                "see the nodes' logs, and measure again"));
        }
    }

    private Task PauseAsync()
    {
        RequireSession();
        TaskCompletionSource pause = new();
        _ = reactor.After(AskAgain, pause.SetResult);
        return pause.Task;
    }

    private void Append(int count)
    {
        ReadOnlySpan<byte> payload = client.Services.Region("source").Bytes[..Bytes];
        LogEntry entry = new(LogEntryKind.Write, 0, 0, Bytes);
        for (int i = 0; i < count; i += depth)
        {
            Lsn last = default;
            for (int j = 0; j < depth; j++)
            {
                AppendOutcome outcome = log.TryAppend(entry, payload, out last);
                Invariant.Require(outcome == AppendOutcome.Accepted);
            }

            do
            {
                RequireSession();
                log.Commit();
            }
            while (log.Acknowledged < last);
        }
    }

    private void CopyTwice(int count)
    {
        ReadOnlySpan<byte> payload = client.Services.Region("source").Bytes[..Bytes];
        Span<byte> first = client.Services.Region("first").Bytes;
        Span<byte> second = client.Services.Region("second").Bytes;
        for (int i = 0; i < count; i++)
        {
            checksums += Crc32C.Of(payload);
            payload.CopyTo(first.Slice(position, Bytes));
            payload.CopyTo(second.Slice(position, Bytes));
            position = position + Bytes + Bytes > first.Length ? 0 : position + Bytes;
        }
    }
}
