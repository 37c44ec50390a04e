using System.Runtime.InteropServices;
using StorageOs.Contracts.Transports;
using StorageOs.Interleavings.Doubles;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Interleavings.Scenarios;

/// <summary>Those who record, and whoever gives them the page or takes it away.</summary>
public static class RecorderScenarios
{
    /// <summary>Two record at once.</summary>
    public static void Every_event_has_a_number_of_its_own()
    {
        using FlightRecorder recorder = new(1, TimeProvider.System, null);
        Together.Run(() => Record(recorder, 2), () => Record(recorder, 1));
        EventRing ring = recorder.Read();
        Together.Require(ring.Events.Count == 3 && ring.Damaged == 0, "an event is lost");
        Together.Require(ring.Events[^1].Sequence == 3, "a number is left out");
    }

    /// <summary>The page comes while events are recorded: the partner can read each.</summary>
    public static void Page_holds_what_was_recorded_before_and_while_it_came()
    {
        using FlightRecorder recorder = new(1, TimeProvider.System, null);
        using Page page = new();
        Record(recorder, 1);
        Together.Run(
            () => Record(recorder, 1),
            () => Record(recorder, 1),
            () => recorder.Attach(page));
        EventRing ring = EventRing.Read(page.Content.AsSpan(StatusPage.RingOffset));
        Together.Require(ring.Events.Count == 3 && ring.Damaged == 0, "the page lacks an event");
        Together.Require(page.Recorded == 3, "the page tells a number that is not the last");
        recorder.Detach();
    }

    /// <summary>The page goes while events are recorded.</summary>
    public static void Nobody_writes_to_a_page_that_is_detached()
    {
        using FlightRecorder recorder = new(1, TimeProvider.System, null);
        Page page = new();
        recorder.Attach(page);
        Together.Run(
            () => Record(recorder, 2),
            () =>
            {
                recorder.Detach();
                page.Dispose();
            });
    }

    /// <summary>The recorder ends while events are recorded, and its file with it.</summary>
    public static void Nobody_writes_to_a_file_that_is_unmapped()
    {
        FlightRecorder recorder = new(1, TimeProvider.System, new RingFile());
        Together.Run(() => Record(recorder, 2), recorder.Dispose);
    }

    /// <summary>A source has one event left and tries for two.</summary>
    public static void No_source_records_more_than_it_may_and_what_it_may_not_is_counted()
    {
        EventBudget budget = new();
        for (int spent = 1; spent < EventBudget.Burst; spent++)
        {
            _ = budget.TryTake(0, out _);
        }

        int taken = 0;
        long leftOut = 0;
        void Take()
        {
            if (budget.TryTake(0, out long before))
            {
                Interlocked.Increment(ref taken);
                Interlocked.Add(ref leftOut, before);
            }
        }

        Together.Run(Take, Take);
        Together.Require(taken == 1, "a source records more than it may, or less");
        _ = budget.TryTake(EventBudget.Period * EventBudget.Burst, out long rest);
        Together.Require(leftOut + rest == 1, "what is left out is not counted");
    }

    private static void Record(FlightRecorder recorder, int count)
    {
        for (int i = 0; i < count; i++)
        {
            recorder.Record(new RecordedEvent { Source = "test", Text = "it happened" });
        }
    }

    /// <summary>The status page.</summary>
    private sealed class Page : IRegion
    {
        private readonly CheckedMemory memory = new(StatusPage.PageBytes);

        public string Name => "page";

        public int Length => StatusPage.PageBytes;

        public byte[] Content => memory.Content;

        public ulong Recorded =>
            MemoryMarshal.Read<ulong>(Content.AsSpan(StatusPage.RecordedOffset));

        public Span<byte> Bytes
        {
            get
            {
                Span<byte> bytes = memory.GetSpan();
                Together.Require(!memory.Ended, "a page is written that is gone");
                return bytes;
            }
        }

        public Memory<byte> Memory => memory.Memory;

        public RemoteRegion Offer(RemoteAccess access) => throw new NotSupportedException();

        public void Revoke() => throw new NotSupportedException();

        public void Reclaim(ReadOnlySpan<ByteRange> live) => throw new NotSupportedException();

        public bool ProbeRevoked() => throw new NotSupportedException();

        public void Dispose() => ((IDisposable)memory).Dispose();
    }
}
