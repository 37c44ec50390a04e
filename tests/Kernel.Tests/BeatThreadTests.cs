using System.Diagnostics;
using System.Runtime.InteropServices;
using StorageOs.Kernel.Loop.Interop;

namespace StorageOs.Kernel.Tests;

/// <summary>The beat's machine code, run for real.</summary>
public sealed unsafe class BeatThreadTests : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(2);
    private readonly ulong* word = (ulong*)NativeMemory.AllocZeroed(sizeof(ulong));

    public void Dispose() => NativeMemory.Free(word);

    [Fact]
    public void It_moves_for_exactly_as_long_as_its_credit_lasts_and_again_when_renewed()
    {
        using BeatThread beats = new(ref *word, Period, Period * 25);
        Until(() => Read() == 25);
        Pass(Period * 25);
        Assert.Equal(25UL, Read());
        beats.Renew();
        Until(() => Read() == 50);
    }

    [Fact]
    public void It_stands_once_disposed()
    {
        using (BeatThread beats = new(ref *word, Period, TimeSpan.FromMinutes(1)))
        {
            Until(() => Read() > 3);
        }

        ulong last = Read();
        Pass(Period * 10);
        Assert.Equal(last, Read());
    }

    [Fact]
    public void The_collector_does_not_stop_it()
    {
        object[] kept = [.. Enumerable.Range(0, 1_000_000).Select(static i => new object[2])];
        using BeatThread beats = new(ref *word, Period, TimeSpan.FromMinutes(1));
        Until(() => Read() > 3);
        ulong before = Read();
        TimeSpan paused = GC.GetTotalPauseDuration();
        long from = Stopwatch.GetTimestamp();
        while (GC.GetTotalPauseDuration() - paused < TimeSpan.FromSeconds(1))
        {
            GC.Collect(2, GCCollectionMode.Forced, blocking: true, compacting: true);
        }

        // Of all this time nearly all was pauses, in which a managed thread moves nothing.
        double moved = (Read() - before) / (Stopwatch.GetElapsedTime(from) / Period);
        Assert.True(moved > 0.5, $"moved in {moved:P0} of its periods");
        GC.KeepAlive(kept);
    }

    private ulong Read() => Volatile.Read(ref *word);

    private static void Pass(TimeSpan time)
    {
        using ManualResetEventSlim never = new();
        _ = never.Wait(time);
    }

    private static void Until(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(20)));
}
