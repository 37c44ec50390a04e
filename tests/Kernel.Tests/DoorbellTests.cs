using System.Diagnostics;
using System.IO.Pipes;
using StorageOs.Kernel.Loop;

namespace StorageOs.Kernel.Tests;

/// <summary>What a loop of its own waits on: any completion that comes later wakes it.</summary>
public sealed class DoorbellTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(20);

    [Fact]
    public void A_ring_from_another_thread_ends_the_wait_once()
    {
        Doorbell bell = new();
        Thread other = new(() =>
        {
            Thread.Sleep(Short);
            bell.Ring();
            bell.Ring();
        });
        other.Start();
        AssertWakes(bell, readable: false);
        other.Join();
        _ = bell.Wait(TimeSpan.Zero); // The second ring may have come after the first was heard.
        AssertSleeps(bell);
    }

    [Fact]
    public void A_watched_descriptor_ends_the_wait_while_it_is_readable()
    {
        Doorbell bell = new();
        using AnonymousPipeServerStream reader = new(PipeDirection.In);
        using AnonymousPipeClientStream writer =
            new(PipeDirection.Out, reader.ClientSafePipeHandle);
        bell.Watch(reader.SafePipeHandle);
        AssertSleeps(bell);
        Thread other = new(() =>
        {
            Thread.Sleep(Short);
            writer.WriteByte(1);
        });
        other.Start();
        AssertWakes(bell, readable: true);
        other.Join();
        AssertWakes(bell, readable: true);
        Assert.Equal(1, reader.ReadByte());
        AssertSleeps(bell);
        writer.WriteByte(2);
        bell.Watch(null);
        AssertSleeps(bell);
    }

    [Fact]
    public void A_watched_descriptor_that_its_owner_closes_keeps_its_number_until_let_go()
    {
        Doorbell bell = new();
        AnonymousPipeServerStream reader = new(PipeDirection.In);
        using AnonymousPipeClientStream writer =
            new(PipeDirection.Out, reader.ClientSafePipeHandle);
        bell.Watch(reader.SafePipeHandle);
        reader.Dispose();
        using AnonymousPipeServerStream another = new(PipeDirection.In);
        bell.Watch(another.SafePipeHandle);
        bell.Watch(null);
        AssertSleeps(bell);
    }

    private static void AssertWakes(Doorbell bell, bool readable)
    {
        long start = Stopwatch.GetTimestamp();
        Assert.Equal(readable, bell.Wait(Long));
        Assert.True(Stopwatch.GetElapsedTime(start) < Long / 2);
    }

    private static void AssertSleeps(Doorbell bell)
    {
        long start = Stopwatch.GetTimestamp();
        Assert.False(bell.Wait(Short));
        Assert.True(Stopwatch.GetElapsedTime(start) > Short / 2);
    }
}
