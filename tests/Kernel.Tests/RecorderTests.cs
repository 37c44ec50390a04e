using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;
using StorageOs.Kernel.Recorder;

namespace StorageOs.Kernel.Tests;

/// <summary>What a ring promises whoever reads it, at whatever moment.</summary>
public sealed class RecorderTests : IDisposable
{
    private static readonly SessionId Session = new(0x1a, 0x2b, 3, 4);
    private readonly TestFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void An_event_comes_back_as_it_was_recorded()
    {
        using FlightRecorder recorder = new(7, TimeProvider.System, null);
        long before = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1000;
        recorder.Session = Session;
        recorder.Record(Told(1) with { Group = new GroupId(1), Term = 9, Facts = "owner=a;x=y" });
        RecordedEvent back = Assert.Single(recorder.Read().Events);
        Assert.Equal(
            Told(1) with
            {
                Sequence = 1,
                Epoch = 7,
                Monotonic = back.Monotonic,
                Wall = back.Wall,
                Session = Session,
                Group = new GroupId(1),
                Term = 9,
                Facts = "owner=a;x=y",
            },
            back);
        Assert.InRange(back.Wall, before, before + 60_000_000);
        Assert.Equal(("a", "y", ""), (back.Fact("owner"), back.Fact("x"), back.Fact("own")));
    }

    [Fact]
    public void A_full_ring_has_the_newest_events_in_order()
    {
        using FlightRecorder recorder = new(1, TimeProvider.System, null);
        for (int i = 1; i <= 1000; i++)
        {
            recorder.Record(Told(i));
            EventRing ring = recorder.Read();
            Assert.Equal(0, ring.Damaged);
            int first = Math.Max(1, i - EventSlot.Count + 1);
            Assert.Equal(
                Enumerable.Range(first, i - first + 1).Select(n => $"event {n}"),
                ring.Events.Select(e => e.Text));
        }
    }

    [Fact]
    public void A_write_torn_at_any_byte_is_the_old_event_or_the_new_or_damaged()
    {
        byte[] older = Slot(Told(5) with { Sequence = 5, Epoch = 1 });
        byte[] newer = Slot(Told(261) with { Sequence = 5 + EventSlot.Count, Epoch = 2 });
        int damaged = 0;
        for (int cut = 0; cut <= EventSlot.Bytes; cut++)
        {
            byte[] ring = new byte[EventSlot.RingBytes];
            newer.AsSpan(0, cut).CopyTo(ring.AsSpan(EventSlot.OffsetOf(5)));
            older.AsSpan(cut).CopyTo(ring.AsSpan(EventSlot.OffsetOf(5) + cut));
            EventRing read = EventRing.Read(ring);
            Assert.Equal(1, read.Events.Count + read.Damaged);
            damaged += read.Damaged;
            foreach (RecordedEvent found in read.Events)
            {
                Assert.Contains(found, new[] { EventSlot.Read(older)!, EventSlot.Read(newer)! });
            }
        }

        Assert.InRange(damaged, 80, EventSlot.Bytes);
    }

    [Fact]
    public void A_flipped_bit_at_any_byte_is_damage_and_never_an_event()
    {
        byte[] good = Slot(Told(5) with { Sequence = 5 });
        byte[] ring = new byte[EventSlot.RingBytes];
        for (int at = 0; at < EventSlot.Bytes; at++)
        {
            good.CopyTo(ring, EventSlot.OffsetOf(5));
            ring[EventSlot.OffsetOf(5) + at] ^= 0x10;
            EventRing read = EventRing.Read(ring);
            Assert.Empty(read.Events);
            Assert.Equal(1, read.Damaged);
        }
    }

    [Fact]
    public void Garbage_with_a_good_checksum_is_no_event_either()
    {
        Random random = new(17);
        byte[] ring = new byte[EventSlot.RingBytes];
        for (int round = 0; round < 20; round++)
        {
            random.NextBytes(ring);
            for (int at = 0; at < ring.Length; at += EventSlot.Bytes)
            {
                Span<byte> slot = ring.AsSpan(at, EventSlot.Bytes);
                uint sum = ~Crc32C.Extend(Crc32C.Extend(~0u, slot[..76]), slot[80..]);
                BitConverter.TryWriteBytes(slot[76..], sum);
            }

            EventRing read = EventRing.Read(ring);
            Assert.Equal(EventSlot.Count, read.Events.Count + read.Damaged);
            Assert.True(read.Damaged > EventSlot.Count / 2);
        }
    }

    [Fact]
    public async Task A_reader_beside_writers_sees_whole_events_alone_and_none_is_lost()
    {
        using FlightRecorder recorder = new(1, TimeProvider.System, null);
        MemoryRegion page = new();
        recorder.Attach(page);
        using CancellationTokenSource ending = new();
        Task<int> reader = Task.Run(() =>
        {
            int reads = 0;
            for (; !ending.IsCancellationRequested || reads == 0; reads++)
            {
                Assert.All(recorder.Read().Events, AssertWhole);
                Assert.All(EventRing.Read(page.Ring).Events, AssertWhole);
            }

            return reads;
        });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(() =>
        {
            for (int i = 0; i < 5_000; i++)
            {
                recorder.Record(Told((writer * 100_000) + i));
            }
        })));
        await ending.CancelAsync();
        Assert.True(await reader > 0);
        EventRing ring = recorder.Read();
        Assert.Equal(0, ring.Damaged);
        Assert.Equal(
            Enumerable.Range(20_000 - EventSlot.Count + 1, EventSlot.Count).Select(n => (ulong)n),
            ring.Events.Select(e => e.Sequence));
        Assert.Equal(ring.Events, EventRing.Read(page.Ring).Events);
        Assert.Equal(20_000ul, page.Recorded);
    }

    [Fact]
    public void A_boot_goes_on_where_the_last_one_was_killed()
    {
        string path = folder.File("events.ring");
        FlightRecorder killed = new(1, TimeProvider.System, RingFile.Open(path));
        killed.Record(Told(1));
        killed.Record(Told(2)); // And nothing is closed, as by a kill.
        using FlightRecorder next = new(2, TimeProvider.System, RingFile.Open(path));
        next.Record(Told(3));
        Assert.Equal(
            [(1ul, 1ul), (1ul, 2ul), (2ul, 3ul)],
            next.Read().Events.Select(e => (e.Epoch, e.Sequence)));
        MemoryRegion page = new();
        next.Attach(page);
        Assert.Equal(3, EventRing.Read(page.Ring).Events.Count);
        Assert.Equal(3ul, page.Recorded);
        next.Detach();
        next.Record(Told(4));
        Assert.Equal(3ul, page.Recorded);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Fact]
    public void A_file_that_is_no_ring_is_made_anew()
    {
        string path = folder.File("events.ring");
        File.WriteAllText(path, "rubbish");
        using FlightRecorder recorder = new(1, TimeProvider.System, RingFile.Open(path));
        recorder.Record(Told(1));
        Assert.Single(recorder.Read().Events);
    }

    [Fact]
    public void A_text_that_is_too_long_is_cut_and_one_with_escapes_made_harmless()
    {
        using FlightRecorder recorder = new(1, TimeProvider.System, null);
        recorder.Record(Told(1) with { Text = new string('ü', 1000) });
        recorder.Record(Told(2) with { Text = "a\u001b[2Jb\nc\u009bd" });
        IReadOnlyList<RecordedEvent> events = recorder.Read().Events;
        Assert.EndsWith("ü…", events[0].Text, StringComparison.Ordinal);
        Assert.InRange(events[0].Text.Length, 190, 220);
        Assert.Equal("a [2Jb c d", events[1].Text);
    }

    [Fact]
    public void What_is_logged_is_recorded_with_group_term_and_session()
    {
        using FlightRecorder recorder = new(1, TimeProvider.System, null);
        using RecorderLogs logs = new(recorder);
        ILogger log = logs.CreateLogger("StorageOs.Some.Module");
        log.LogDebug("nobody records this");
        log.LogWarning("{Group} is at term {Term}", new GroupId(0), new Term(5));
        log.LogInformation(
            new EventId(0, EventNames.SessionEnded), "session {Session} ended: {Reason}", Session,
            SessionEndReason.BeatStill);
        log.LogError(new IOException("no space"), "a flush failed");
        IReadOnlyList<RecordedEvent> events = recorder.Read().Events;
        Assert.Equal(
            ["group0 is at term 5", $"session {Session} ended: BeatStill",
                "a flush failed: IOException: no space"],
            events.Select(e => e.Text));
        Assert.Equal(
            (LogLevel.Warning, new GroupId(0), 5ul, "", "Module"),
            (events[0].Level, events[0].Group, events[0].Term, events[0].Name, events[0].Source));
        Assert.Equal(
            (Session, "session-ended", "reason=BeatStill"),
            (events[1].Session, events[1].Name, events[1].Facts));
    }

    [Fact]
    public void A_source_that_talks_without_end_washes_nothing_out()
    {
        using FlightRecorder recorder = new(1, TimeProvider.System, null);
        using RecorderLogs logs = new(recorder);
        logs.CreateLogger("core").LogWarning("what matters");
        ILogger talker = logs.CreateLogger("export");
        for (int i = 0; i < 100_000; i++)
        {
            talker.LogWarning("refused a connection");
        }

        talker.LogWarning(new EventId(0, EventNames.SessionEnded), "the story itself");
        Assert.Equal("what matters", recorder.Read().Events[0].Text);
        Assert.Equal("the story itself", recorder.Read().Events[^1].Text);
        Assert.Equal(EventBudget.Burst + 2, recorder.Read().Events.Count);
    }

    [Fact]
    public void A_budget_lets_a_burst_pass_then_one_a_period_and_counts_the_rest()
    {
        EventBudget budget = new();
        int passed = 0;
        for (int i = 0; i < 100; i++)
        {
            passed += budget.TryTake(0, out _) ? 1 : 0;
        }

        Assert.Equal(EventBudget.Burst, passed);
        Assert.False(budget.TryTake(EventBudget.Period - 1, out _));
        Assert.True(budget.TryTake(EventBudget.Period, out long leftOut));
        Assert.Equal(100 - EventBudget.Burst + 1, leftOut);
        Assert.False(budget.TryTake(EventBudget.Period, out _));
        Assert.True(budget.TryTake(EventBudget.Period * 100, out _));
    }

    [Fact]
    public void A_partners_ring_is_followed_and_kept()
    {
        string path = folder.File("partner-ring.bin");
        PartnerRing copy = new(path, NullLogger.Instance);
        using FlightRecorder partner = new(1, TimeProvider.System, null);
        MemoryRegion page = new();
        partner.Attach(page);
        for (int i = 1; i <= 700; i++)
        {
            partner.Record(Told(i));
            if (i % 70 == 0)
            {
                Follow(copy, page);
                Assert.Equal(partner.Read().Events, copy.Read().Events);
            }
        }

        copy.Save();
        Assert.True(SpinWait.SpinUntil(() => File.Exists(path), TimeSpan.FromSeconds(20)));
        Assert.Equal(
            partner.Read().Events, new PartnerRing(path, NullLogger.Instance).Read().Events);
        Assert.Null(new PartnerRing(path, NullLogger.Instance).Next(700));
    }

    [Fact]
    public void A_slot_in_mid_write_is_read_again_and_a_damaged_one_passed_by()
    {
        PartnerRing copy = new(folder.File("partner-ring.bin"), NullLogger.Instance);
        using FlightRecorder partner = new(1, TimeProvider.System, null);
        MemoryRegion page = new();
        partner.Attach(page);
        partner.Record(Told(1));
        partner.Record(Told(2));
        partner.Record(Told(3));
        Span<byte> second = page.Ring.AsSpan(EventSlot.OffsetOf(2), EventSlot.Bytes);
        second[100] ^= 1;
        Follow(copy, page, rounds: 1);
        Assert.Equal([1ul], copy.Read().Events.Select(e => e.Sequence));
        second[100] ^= 1;
        Follow(copy, page, rounds: 1);
        Assert.Equal([1ul, 2ul, 3ul], copy.Read().Events.Select(e => e.Sequence));
        partner.Record(Told(4));
        partner.Record(Told(5));
        page.Ring[EventSlot.OffsetOf(4) + 9] ^= 1;
        Follow(copy, page, rounds: 200);
        Assert.Equal([1ul, 2ul, 3ul, 5ul], copy.Read().Events.Select(e => e.Sequence));
        Assert.Null(copy.Next(5));
    }

    [Fact]
    public void What_is_left_at_a_death_is_taken_and_damage_in_it_is_not()
    {
        PartnerRing copy = new(folder.File("partner-ring.bin"), NullLogger.Instance);
        using FlightRecorder partner = new(1, TimeProvider.System, null);
        MemoryRegion page = new();
        partner.Attach(page);
        partner.Record(Told(1));
        Follow(copy, page);
        partner.Record(Told(2));
        partner.Record(Told(3));
        page.Ring[EventSlot.OffsetOf(1) + 50] ^= 1; // Known already: the good copy stays.
        page.Ring[EventSlot.OffsetOf(2) + 50] ^= 1;
        copy.TakeAll(page.Ring);
        EventRing ring = copy.Read();
        Assert.Equal([1ul, 3ul], ring.Events.Select(e => e.Sequence));
        Assert.Equal(0, ring.Damaged);
    }

    [Fact]
    public void A_partner_that_lost_its_ring_is_followed_from_its_new_start()
    {
        string path = folder.File("partner-ring.bin");
        PartnerRing copy = new(path, NullLogger.Instance);
        using FlightRecorder before = new(1, TimeProvider.System, null);
        MemoryRegion page = new();
        before.Attach(page);
        before.Record(Told(1));
        before.Record(Told(2));
        Follow(copy, page);
        using FlightRecorder after = new(2, TimeProvider.System, null);
        MemoryRegion newPage = new();
        after.Attach(newPage);
        after.Record(Told(3));
        Follow(copy, newPage);
        Assert.Equal(["event 3"], copy.Read().Events.Select(e => e.Text));
        Assert.True(SpinWait.SpinUntil(
            () => File.Exists(path + ".before"), TimeSpan.FromSeconds(20)));
        Assert.Equal(2, EventRing.Read(File.ReadAllBytes(path + ".before")).Events.Count);
    }

    [Fact]
    public void Nothing_that_a_partner_says_of_its_ring_throws()
    {
        PartnerRing copy = new(folder.File("partner-ring.bin"), NullLogger.Instance);
        Random random = new(3);
        byte[] slots = new byte[PartnerRing.SlotsPerRead * EventSlot.Bytes];
        foreach (ulong said in new[] { 1ul, 5ul, 255ul, 256ul, 257ul, 1ul << 40, ulong.MaxValue })
        {
            for (int i = 0; i < 100 && copy.Next(said) is { } next; i++)
            {
                Assert.InRange(next.Count, 1, PartnerRing.SlotsPerRead);
                int at = EventSlot.OffsetOf(next.From);
                Assert.InRange(at + (next.Count * EventSlot.Bytes), 0, EventSlot.RingBytes);
                random.NextBytes(slots);
                copy.Take(next.From, slots.AsSpan(0, next.Count * EventSlot.Bytes));
            }
        }

        Assert.Empty(copy.Read().Events);
    }

    private static void Follow(PartnerRing copy, MemoryRegion page, int rounds = 1000)
    {
        for (int i = 0; i < rounds && copy.Next(page.Recorded) is { } next; i++)
        {
            copy.Take(next.From, page.Ring.AsSpan(
                EventSlot.OffsetOf(next.From), next.Count * EventSlot.Bytes));
        }
    }

    private static RecordedEvent Told(int number) => new()
    {
        Source = "test",
        Name = $"number-{number}",
        Text = $"event {number}",
    };

    private static void AssertWhole(RecordedEvent found)
    {
        string number = found.Text["event ".Length..];
        Assert.Equal($"number-{number}", found.Name);
    }

    private static byte[] Slot(RecordedEvent what)
    {
        byte[] slot = new byte[EventSlot.Bytes];
        EventSlot.Write(slot, what);
        return slot;
    }

    /// <summary>The memory of a status page, without a transport around it.</summary>
    private sealed class MemoryRegion : IRegion
    {
        private readonly byte[] bytes =
            GC.AllocateArray<byte>(StatusPage.PageBytes, pinned: true);

        public string Name => "status";

        public int Length => bytes.Length;

        public Span<byte> Bytes => bytes;

        public Memory<byte> Memory => bytes;

        public ulong Recorded => BitConverter.ToUInt64(bytes, StatusPage.RecordedOffset);

        public RingView Ring => new(bytes);

        public RemoteRegion Offer(RemoteAccess access) => throw new NotSupportedException();

        public void Revoke() => throw new NotSupportedException();

        public void Reclaim(ReadOnlySpan<ByteRange> live) => throw new NotSupportedException();

        public bool ProbeRevoked() => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }

    /// <summary>The part of a page that is the ring.</summary>
    private readonly struct RingView(byte[] page)
    {
        public ref byte this[int at] => ref page[StatusPage.RingOffset + at];

        public Span<byte> AsSpan(int at, int length) =>
            page.AsSpan(StatusPage.RingOffset + at, length);

        public static implicit operator ReadOnlySpan<byte>(RingView ring) =>
            ring.AsSpan(0, EventSlot.RingBytes);
    }
}
