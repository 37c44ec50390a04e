using Microsoft.Coyote.Runtime;

namespace StorageOs.Interleavings.Doubles;

/// <summary>
/// An eventfd of Linux: writing adds, reading takes all there is and does not wait, and somebody
/// may wait until there is something. Any number of them, by descriptors that the system has not.
/// </summary>
internal sealed class EventCounter
{
    private const int First = 1 << 30;
    private static readonly List<EventCounter> All = [];
    private ulong count;
    private bool closed;

    /// <summary>Forgets those of the run before.</summary>
    public static void Reset() => All.Clear();

    /// <summary>Makes one.</summary>
    public static int Open()
    {
        All.Add(new EventCounter());
        return First + All.Count - 1;
    }

    /// <summary>The one of that descriptor.</summary>
    public static EventCounter Of(int descriptor) => All[descriptor - First];

    /// <summary>Whether a read would take anything.</summary>
    public bool Readable => count > 0;

    /// <summary>Closes it: its descriptor may be another's from now on.</summary>
    public void Close()
    {
        Together.Require(!closed, "a descriptor is closed twice");
        closed = true;
    }

    /// <summary>Adds; wakes whoever waits.</summary>
    public nint Write(ulong value)
    {
        SchedulingPoint.Interleave();
        Together.Require(!closed, "a descriptor is written that is closed");
        count += value;
        return sizeof(ulong);
    }

    /// <summary>Takes all there is; -1 when that is nothing.</summary>
    public nint Read(ref ulong value)
    {
        SchedulingPoint.Interleave();
        if (count == 0)
        {
            return -1;
        }

        (value, count) = (count, 0);
        return sizeof(ulong);
    }

    /// <summary>
    /// Waits until there is something, however long that takes: whoever is not woken is found.
    /// </summary>
    /// <remarks>
    /// The scheduler asks while it chooses, so there must be no point to choose at in what it asks;
    /// Coyote puts none into a property.
    /// </remarks>
    public void Await() => Operation.PauseUntil(() => Readable);
}
