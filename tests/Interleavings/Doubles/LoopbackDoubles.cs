using Microsoft.Coyote.Runtime;
using StorageOs.Interleavings;

namespace StorageOs.Transport.Loopback;

/// <summary>Few slots, so that one that comes back is the next that is given out.</summary>
internal static class Limits
{
    public const int BoardSlots = 2;
}

/// <summary>What a key grants; not looked at.</summary>
internal readonly record struct Grant;

/// <summary>The board that a partner finds grants on.</summary>
internal sealed class MappedBoard
{
    private readonly ulong[] slots = new ulong[Limits.BoardSlots];
    private static ulong given;

    public static int SlotOf(ulong key) => (int)(key % Limits.BoardSlots);

    public static ulong NewKey(int slot) => (++given * Limits.BoardSlots) + (ulong)slot;

    public bool Holds(ulong key) => slots[SlotOf(key)] == key;

    public void Publish(ulong key, Grant grant)
    {
        SchedulingPoint.Interleave();
        Together.Require(slots[SlotOf(key)] == 0, "a slot is given out that is in use");
        slots[SlotOf(key)] = key;
    }

    public void Clear(ulong key)
    {
        SchedulingPoint.Interleave();
        slots[SlotOf(key)] = 0;
    }
}
