// Who has writes traced, and what came of it. A trace is taken from what was made when the order
// came, so a traced write allocates nothing either; nobody is called when one ends, but its slot is
// looked at before it is used again, and by the timer. An order has slots of its own: whoever still
// holds one of an earlier order adds to something that nobody looks at any more.
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes.Traces;

/// <summary>The writes of this node that are traced. Reactor thread only.</summary>
internal sealed class WriteTraces(TimeProvider clock)
{
    private const int InFlightMax = 256;
    private readonly List<TracedWrite> kept = new(TraceOrder.WritesMax);
    private TracedWrite[] slots = [];
    private TraceOrder? order;
    private long armedAt;
    private DateTimeOffset armedTime;
    private long seen;
    private long missed;
    private long unanswered;
    private long slowest;
    private int next;

    /// <summary>Whether writes are traced now. Nothing else costs a write anything.</summary>
    public bool Armed { get; private set; }

    /// <summary>Whether somebody waits, or has not taken what they waited for.</summary>
    public bool IsTaken => order is not null;

    /// <summary>The session that stands; null without one.</summary>
    public SessionId? Session { get; set; }

    /// <summary>Whether all that was ordered is there.</summary>
    public bool Complete => order is not null && kept.Count == order.Writes;

    /// <summary>Begins to trace.</summary>
    public void Arm(TraceOrder wanted)
    {
        order = wanted;
        slots = [.. Enumerable.Range(0, InFlightMax + wanted.Writes)
            .Select(slot => new TracedWrite(slot, clock))];
        kept.Clear();
        seen = missed = unanswered = slowest = next = 0;
        (armedAt, armedTime) = (clock.GetTimestamp(), clock.GetUtcNow());
        Armed = true;
    }

    /// <summary>Ends it, and says what was seen.</summary>
    public TraceReport Disarm()
    {
        foreach (TracedWrite write in slots)
        {
            Judge(write);
        }

        TraceReport report = new(clock, armedAt, armedTime, order!, [.. kept])
        {
            Seen = seen,
            Missed = missed,
            Unanswered = unanswered,
            SlowestTicks = slowest,
        };
        Armed = false;
        order = null;
        slots = [];
        kept.Clear();
        return report;
    }

    /// <summary>Begins a trace; null when this write is not to be traced.</summary>
    public WriteTrace? Begin(string volume, long began, bool isVolumes)
    {
        if (!Armed || (order!.Volume is { } only && only != volume))
        {
            return null;
        }

        for (int tries = 0; tries < slots.Length && Armed; tries++)
        {
            TracedWrite write = slots[next];
            next = (next + 1) % slots.Length;
            Judge(write);
            if (write.State == TraceState.Free && Armed)
            {
                write.Begin(volume, began, isVolumes);
                return write.Trace;
            }
        }

        missed += Armed ? 1 : 0;
        return null;
    }

    /// <summary>What is known of it beside; null when its order is over.</summary>
    public TracedWrite? Of(WriteTrace trace) =>
        trace.Slot < slots.Length && ReferenceEquals(slots[trace.Slot].Trace, trace)
            ? slots[trace.Slot] : null;

    /// <summary>Looks for writes that have ended.</summary>
    public void Look()
    {
        foreach (TracedWrite write in slots)
        {
            Judge(write);
        }
    }

    /// <summary>Counts a write that has ended, once, and keeps it when it was ordered.</summary>
    private void Judge(TracedWrite write)
    {
        if (write.State != TraceState.UnderWay || !write.Trace.Ended)
        {
            return;
        }

        write.State = TraceState.Free;
        if (write.Trace.Dropped)
        {
            unanswered++;
            return;
        }

        seen++;
        slowest = Math.Max(slowest, write.Ticks);
        if (Armed && clock.GetElapsedTime(0, write.Ticks) >= order!.SlowerThan)
        {
            write.State = TraceState.Kept;
            kept.Add(write);
            Armed = kept.Count < order.Writes;
        }
    }
}
