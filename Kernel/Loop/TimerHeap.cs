using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Loop;

/// <summary>
/// Timers of one reactor, earliest first, and of those at one time the one put in first: a binary
/// heap in which each timer knows its place, so that disposing one is logarithmic and nothing is
/// allocated but the timer itself. Not thread-safe: the reactor's thread only.
/// </summary>
internal sealed class TimerHeap
{
    private Timer[] heap = new Timer[16];
    private Timer? taken; // In no heap while it runs.
    private int count;

    /// <summary>Number of the timer that was put in last; they are numbered in turn.</summary>
    internal ulong Newest { get; private set; }

    /// <summary>When the earliest timer is due; null when there is none.</summary>
    internal Instant? Next => count == 0 ? null : heap[0].Due;

    /// <summary>Puts a timer in that is in no heap.</summary>
    internal void Add(Timer timer)
    {
        Invariant.Require(timer.Index < 0);
        if (count == heap.Length)
        {
            Array.Resize(ref heap, count * 2);
        }

        timer.Number = ++Newest;
        Place(timer, count++);
        Up(timer.Index);
    }

    /// <summary>Takes a timer out; nothing happens when it is in no heap.</summary>
    internal void Remove(Timer timer)
    {
        int index = timer.Index;
        if (index < 0)
        {
            return;
        }

        timer.Index = -1;
        Timer last = heap[--count];
        heap[count] = null!;
        if (index < count)
        {
            Place(last, index);
            Up(index);
            Down(last.Index);
        }
    }

    /// <summary>
    /// Takes the earliest timer out when it is due and was put in no later than the one of the
    /// number <paramref name="newest"/>. One that is put in later is no earlier than what was due.
    /// </summary>
    internal Timer? TakeDue(Instant now, ulong newest)
    {
        if (count == 0 || heap[0].Due > now || heap[0].Number > newest)
        {
            return null;
        }

        taken = heap[0];
        Remove(taken);
        return taken;
    }

    /// <summary>
    /// Takes out every timer that belongs to an owner; one that runs is not put back.
    /// </summary>
    internal void RemoveAll(ModuleScope owner)
    {
        if (taken?.Owner == owner)
        {
            taken.Dispose();
        }

        foreach (Timer timer in heap[..count].Where(timer => timer.Owner == owner))
        {
            timer.Dispose();
        }
    }

    private void Place(Timer timer, int index)
    {
        heap[index] = timer;
        timer.Index = index;
    }

    private void Up(int index)
    {
        while (index > 0 && IsBefore(index, (index - 1) / 2))
        {
            Swap(index, (index - 1) / 2);
            index = (index - 1) / 2;
        }
    }

    private void Down(int index)
    {
        while (true)
        {
            int child = (2 * index) + 1;
            if (child >= count)
            {
                return;
            }

            if (child + 1 < count && IsBefore(child + 1, child))
            {
                child++;
            }

            if (IsBefore(index, child))
            {
                return;
            }

            Swap(index, child);
            index = child;
        }
    }

    private bool IsBefore(int left, int right)
    {
        (Timer one, Timer other) = (heap[left], heap[right]);
        return one.Due < other.Due || (one.Due == other.Due && one.Number < other.Number);
    }

    private void Swap(int left, int right)
    {
        Timer moved = heap[left];
        Place(heap[right], left);
        Place(moved, right);
    }

    /// <summary>One timer. Disposing it, on the reactor's thread, ends it.</summary>
    internal sealed class Timer(
        TimerHeap home, ModuleScope owner, Action callback, Instant due, TimeSpan? period)
        : IDisposable
    {
        /// <summary>Whose callback it is.</summary>
        internal ModuleScope Owner { get; } = owner;

        /// <summary>What to run.</summary>
        internal Action Callback { get; } = callback;

        /// <summary>When.</summary>
        internal Instant Due { get; private set; } = due;

        /// <summary>Which one it was to be put in.</summary>
        internal ulong Number { get; set; }

        /// <summary>Place in the heap; negative when in none.</summary>
        internal int Index { get; set; } = -1;

        /// <summary>Whether it was disposed.</summary>
        internal bool Ended { get; private set; }

        /// <summary>
        /// After it ran: puts a periodic timer back. A turn that came late is not made up for.
        /// </summary>
        internal void Renew(Instant now)
        {
            home.taken = null;
            if (period is not { } step || Ended)
            {
                return;
            }

            Instant next = Due + step;
            Due = next > now ? next : now + step;
            home.Add(this);
        }

        /// <inheritdoc/>
        public void Dispose()
        {
            Ended = true;
            home.Remove(this);
        }
    }
}
