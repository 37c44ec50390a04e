using System.Diagnostics;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.GuestProbe;

/// <summary>
/// Mirrored writes of 4 KiB through the interface that NBD's export uses, so many at once, at
/// random places, each from its submit to its completion.
/// </summary>
internal sealed class WriteTimes(IVolumes volumes, IReactor reactor)
{
    private const int Bytes = 4 * Size.KiB;
    private const int DepthMax = 64;
    private readonly Times times = new();
    private readonly Random random = new(1);
    private readonly List<Write> again = new(DepthMax);
    private IVolume volume = null!;
    private TaskCompletionSource? done;
    private long warmUntil;
    private long until;
    private int inFlight;
    private int measured;
    private VolumeStatus worst;
    private double failedAfterMs;

    /// <summary>Arguments: <c>volume</c>, <c>depth</c>, <c>milliseconds</c>.</summary>
    public async ValueTask<JsonNode?> RunAsync(JsonObject arguments)
    {
        int depth = Math.Clamp(arguments["depth"]!.GetValue<int>(), 1, DepthMax);
        int milliseconds = arguments["milliseconds"]!.GetValue<int>();
        volume = volumes.All.First(one => one.Name == $"{arguments["volume"]}");
        times.Clear();
        again.Clear();
        measured = 0;
        worst = VolumeStatus.Ok;
        warmUntil = Stopwatch.GetTimestamp() + (Stopwatch.Frequency / 5);
        until = warmUntil + (Stopwatch.Frequency * milliseconds / 1000);
        inFlight = depth;
        done = new TaskCompletionSource();
        for (int i = 0; i < depth; i++)
        {
            again.Add(new Write(this));
        }

        using IDisposable poll = reactor.Poll(SubmitAgain);
        long before = GC.GetAllocatedBytesForCurrentThread();
        _ = SubmitAgain();
        await done.Task;
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (worst != VolumeStatus.Ok || measured == 0)
        {
            throw new RefusedException(new Refusal(
                "guest-write", $"{volume.Name} served here throughout",
                worst == VolumeStatus.Ok
                    ? $"no write answered within {milliseconds} ms"
                    : $"{worst} {failedAfterMs:0} ms after the submit, {measured} writes good"));
        }

        JsonObject report = times.Report();
        report["iops"] = Math.Round(measured * 1000.0 / milliseconds, 1);
        report["allocatedBytes"] = allocated;
        return report;
    }

    // A turn's completions are submitted again together, as the export does with what it received.
    private bool SubmitAgain()
    {
        if (again.Count == 0)
        {
            return false;
        }

        int count = again.Count;
        for (int i = 0; i < count; i++)
        {
            Write write = again[i];
            write.Offset = random.NextInt64(volume.SizeBytes / Bytes) * Bytes;
            write.From = Stopwatch.GetTimestamp();
            volume.Submit(write);
        }

        again.RemoveRange(0, count);
        volume.Commit();
        return true;
    }

    private void Ended(Write write, VolumeStatus status)
    {
        long now = Stopwatch.GetTimestamp();
        if (status == VolumeStatus.Ok && now < until)
        {
            if (now >= warmUntil)
            {
                times.Add(write.From);
                measured++;
            }

            again.Add(write);
            return;
        }

        if (status != VolumeStatus.Ok)
        {
            worst = status;
            failedAfterMs = Stopwatch.GetElapsedTime(write.From).TotalMilliseconds;
        }

        inFlight--;
        if (inFlight == 0)
        {
            done!.TrySetResult();
        }
    }

    private sealed class Write : VolumeRequest
    {
        private readonly WriteTimes owner;

        public Write(WriteTimes owner)
        {
            this.owner = owner;
            Operation = VolumeOperation.Write;
            Length = Bytes;
            Buffer = new byte[Bytes];
            Random.Shared.NextBytes(Buffer.Span);
        }

        public long From { get; set; }

        public override void Complete(VolumeStatus status) => owner.Ended(this, status);
    }
}
