// What a node did lately, kept where it outlives the node: every event goes into a ring in this
// process, into a file that is mapped (so the next boot tells what the last one did), and into the
// ring behind the status page (so the partner can read it once this process is dead). Whoever
// records takes a number and fills the slot of that number in each: no lock, no wait, no thread in
// between that a crash could cut off. Two writers meet in one slot only when one was held up while
// the ring went round; the checksum then tells, and that event is lost.
using System.Diagnostics;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Kernel.Recorder;

/// <summary>A node's flight recorder. Any thread.</summary>
internal sealed class FlightRecorder : IDisposable
{
    private readonly ulong epoch;
    private readonly TimeProvider clock;
    private readonly byte[] ring = new byte[EventSlot.RingBytes];
    private RingFile? file;
    private IRegion? page;
    private object? session;
    private ulong last;
    private int users;

    /// <summary>Goes on where the file ends; without a file nothing outlives the process.</summary>
    public FlightRecorder(ulong epoch, TimeProvider clock, RingFile? file)
    {
        (this.epoch, this.clock, this.file) = (epoch, clock, file);
        file?.Read(ring);
        foreach (RecordedEvent old in EventRing.Read(ring).Events)
        {
            last = Math.Max(last, old.Sequence);
        }
    }

    /// <summary>The session that stands; goes with every event that names no other.</summary>
    public SessionId? Session
    {
        get => (SessionId?)Volatile.Read(ref session);
        set => Volatile.Write(ref session, value);
    }

    /// <summary>How many events there have been, over all boots.</summary>
    public ulong Recorded => Volatile.Read(ref last);

    /// <summary>What it holds.</summary>
    public EventRing Read() => EventRing.Read(ring);

    /// <summary>
    /// Records an event under the next number, now, in this boot. Never blocks.
    /// </summary>
    public void Record(RecordedEvent what)
    {
        RecordedEvent whole = Now(what) with
        {
            Sequence = Interlocked.Increment(ref last),
            Session = what.Session ?? Session,
        };
        Span<byte> slot = stackalloc byte[EventSlot.Bytes];
        EventSlot.Write(slot, whole);
        int at = EventSlot.OffsetOf(whole.Sequence);
        slot.CopyTo(ring.AsSpan(at));
        _ = Interlocked.Increment(ref users);
        Volatile.Read(ref file)?.Write(slot, at);
        if (Volatile.Read(ref page) is { } shared)
        {
            slot.CopyTo(shared.Bytes[(StatusPage.RingOffset + at)..]);
            Publish(shared, whole.Sequence);
        }

        _ = Interlocked.Decrement(ref users);
    }

    /// <summary>An event of this boot and moment.</summary>
    public RecordedEvent Now(RecordedEvent what) => what with
    {
        Epoch = epoch,
        Monotonic = (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency)),
        Wall = (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
    };

    /// <summary>From now on the partner can read every event from behind the status page.</summary>
    public void Attach(IRegion statusPage)
    {
        // First those who record write there, then what was before them is copied: a slot that is
        // copied while it is filled is written once more by whoever fills it.
        Volatile.Write(ref page, statusPage);
        Interlocked.MemoryBarrier();
        ring.CopyTo(statusPage.Bytes[StatusPage.RingOffset..]);
        Publish(statusPage, Volatile.Read(ref last));
    }

    /// <summary>Before the status page goes: nobody writes there any more on return.</summary>
    public void Detach()
    {
        Volatile.Write(ref page, null);
        AwaitUsers();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Detach();
        RingFile? old = Interlocked.Exchange(ref file, null);
        AwaitUsers();
        old?.Dispose();
    }

    /// <summary>The number only grows, whoever of several writers comes last.</summary>
    private static void Publish(IRegion shared, ulong sequence)
    {
        ref ulong word = ref MemoryMarshal.AsRef<ulong>(
            shared.Bytes[StatusPage.RecordedOffset..]);
        ulong seen = Volatile.Read(ref word);
        while (seen < sequence)
        {
            ulong found = Interlocked.CompareExchange(ref word, sequence, seen);
            if (found == seen)
            {
                return;
            }

            seen = found;
        }
    }

    private void AwaitUsers()
    {
        Interlocked.MemoryBarrier();
        SpinWait wait = default;
        while (Volatile.Read(ref users) != 0)
        {
            wait.SpinOnce();
        }
    }
}
