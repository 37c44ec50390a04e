using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.GuestProbe;

/// <summary>
/// How long it takes to end the partner's access to memory for certain, and how long a writer that
/// is in the middle of its writes goes on before it knows.
/// </summary>
internal sealed class FenceTimes(GuestProbeClient client, IReactor reactor)
{
    private const int Bytes = 64;
    private const int OfferLooksMax = 250;
    private readonly Completion[] completions = new Completion[1];
    private TaskCompletionSource? done;
    private IPort port = null!;
    private long lastGood;
    private long posted;
    private int written;

    /// <summary>
    /// Gives the partner access, whatever became of an earlier one: a session's end takes it away.
    /// </summary>
    public ValueTask<JsonNode?> OfferAsync(JsonObject arguments)
    {
        client.Services.Withdraw(GuestProbeClient.Fenced);
        client.Services.Region(GuestProbeClient.Fenced).Reclaim([]);
        client.Services.Offer(GuestProbeClient.Fenced);
        return ValueTask.FromResult<JsonNode?>(null);
    }

    /// <summary>Ends it, as a takeover does, then tries a write under the old key.</summary>
    public ValueTask<JsonNode?> FenceAsync(JsonObject arguments)
    {
        IRegion region = client.Services.Region(GuestProbeClient.Fenced);
        long from = Stopwatch.GetTimestamp();
        client.Services.Withdraw(GuestProbeClient.Fenced);
        double fenced = Stopwatch.GetElapsedTime(from).TotalMicroseconds;
        bool rejected = region.ProbeRevoked();
        double proven = Stopwatch.GetElapsedTime(from).TotalMicroseconds;
        region.Reclaim([]);
        return ValueTask.FromResult<JsonNode?>(new JsonObject
        {
            ["fencedUs"] = Math.Round(fenced, 1),
            ["provenUs"] = Math.Round(proven, 1),
            ["rejected"] = rejected,
        });
    }

    /// <summary>Whether the writer is in the middle of its writes.</summary>
    public ValueTask<JsonNode?> IsWritingAsync(JsonObject arguments) =>
        ValueTask.FromResult<JsonNode?>(new JsonObject
        {
            ["writing"] = done is { Task.IsCompleted: false } && written > 0,
        });

    /// <summary>
    /// The writer: one small write after the other until one fails, or the partner has said that
    /// the memory is withdrawn.
    /// </summary>
    public async ValueTask<JsonNode?> WriteUntilFencedAsync(JsonObject arguments)
    {
        port = await client.Services.OpenPortAsync(GuestProbeClient.StalePort);
        using (PeriodicTimer look = new(TimeSpan.FromMilliseconds(20)))
        {
            for (int i = 0; i < OfferLooksMax && client.FencedMemory is null; i++)
            {
                _ = await look.WaitForNextTickAsync();
            }
        }

        if (port is not ICompletionChannel channel)
        {
            throw new RefusedException(new Refusal(
                "guest-stale", "a transport whose ports have a descriptor to wait on", "none",
                "measure with transport verbs"));
        }

        written = 0;
        done = new TaskCompletionSource();
        using IDescriptorWatch watch = reactor.Watch(
            channel.Descriptor, DescriptorInterest.Readable, _ => Wake(channel));
        channel.Arm();
        lastGood = Stopwatch.GetTimestamp();
        Post();
        await done.Task;
        return new JsonObject
        {
            ["written"] = written,
            ["fromItsPostUs"] = Since(posted),
            ["fromLastGoodUs"] = Since(lastGood),
        };

        static double Since(long from) =>
            Math.Round(Stopwatch.GetElapsedTime(from).TotalMicroseconds, 1);
    }

    private void Wake(ICompletionChannel channel)
    {
        channel.Arm();
        if (port.Poll(completions) == 0)
        {
            return;
        }

        if (completions[0].Status != CompletionStatus.Success)
        {
            _ = done!.TrySetResult();
            return;
        }

        written++;
        lastGood = Stopwatch.GetTimestamp();
        Post();
    }

    private void Post()
    {
        posted = Stopwatch.GetTimestamp();
        if (client.FencedMemory is not { } memory || !port.TryPostWrite(
            1, client.Services.Region("source"), 0, memory, 0, Bytes))
        {
            _ = done!.TrySetResult();
        }
    }
}
