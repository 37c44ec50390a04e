// What the clients saw, and whether one order of all operations explains it. Every write carries a
// value of its own, so a block is a register with unique values, and the order can be decided from
// zones (Gibbons and Korach, "Testing Shared Memories", SIAM J. Comput. 26:4, 1997): a value with
// its reads spans from the first end to the last start among them. Where the first end comes before
// the last start the value must have stood in between (forward): two of those must not overlap.
// Else it stood for some moment of its span (backward): that must not lie within a forward one.
using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace StorageOs.Simulator.Whole;

/// <summary>One operation on one block, as its client saw it.</summary>
internal sealed record Seen(ulong Value, bool IsWrite, long Begun)
{
    /// <summary>When its answer came; never, when none did.</summary>
    public long Ended { get; set; } = long.MaxValue;

    /// <summary>Value of a block that was never written.</summary>
    public const ulong Nothing = 0;
}

/// <summary>The operations on every block of the pair's volumes.</summary>
internal sealed class History
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 4096;

    private const ulong Spread = 0x9E3779B97F4A7C15;
    private readonly Dictionary<(int Volume, int Block), List<Seen>> blocks = [];
    private ulong lastValue;
    private long clock;

    /// <summary>Operations recorded.</summary>
    public long Count { get; private set; }

    /// <summary>A point in the order of beginnings and ends.</summary>
    public long Tick() => ++clock;

    /// <summary>A value that no write had before.</summary>
    public ulong NewValue() => ++lastValue;

    /// <summary>Fills a block so that every word of it tells its value and its place.</summary>
    public static void Fill(Span<byte> block, ulong value)
    {
        Span<ulong> words = MemoryMarshal.Cast<byte, ulong>(block);
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = value == Seen.Nothing ? 0 : value * Spread + (ulong)i;
        }
    }

    /// <summary>Reads a block's value; null when it is not one write's block.</summary>
    public static ulong? ValueOf(ReadOnlySpan<byte> block)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(block);
        ulong first = words[0];
        for (int i = 0; i < words.Length; i++)
        {
            if (words[i] != (first == 0 ? 0 : first + (ulong)i))
            {
                return null;
            }
        }

        return first * Inverse;
    }

    /// <summary>Adds an operation that begins now.</summary>
    public Seen Add(int volume, int block, ulong value, bool isWrite)
    {
        Seen seen = new(value, isWrite, Tick());
        Of(volume, block).Add(seen);
        Count++;
        return seen;
    }

    /// <summary>Adds a read that has ended.</summary>
    public void AddRead(int volume, int block, ulong value, long begun)
    {
        Of(volume, block).Add(new(value, false, begun) { Ended = Tick() });
        Count++;
    }

    /// <summary>Why no order explains what was seen; null when one does.</summary>
    public string? Refute()
    {
        foreach (((int volume, int block), List<Seen> seen) in blocks)
        {
            if (Refute(seen) is { } why)
            {
                return $"volume {volume} block {block}: {why}";
            }
        }

        return null;
    }

    // The inverse of Spread modulo 2^64.
    private const ulong Inverse = 0xF1DE83E19937733D;

    private static string? Refute(List<Seen> seen)
    {
        Dictionary<ulong, Zone> zones = new()
        {
            [Seen.Nothing] = new(Seen.Nothing) { Written = 0, FirstEnd = 0, LastStart = 0 },
        };
        foreach (Seen write in seen.Where(static one => one.IsWrite))
        {
            zones[write.Value] = new(write.Value)
            {
                Written = write.Begun,
                FirstEnd = write.Ended,
                LastStart = write.Begun,
            };
        }

        foreach (Seen read in seen.Where(static one => !one.IsWrite))
        {
            if (!zones.TryGetValue(read.Value, out Zone? zone) || read.Ended < zone.Written)
            {
                return $"a read saw {read.Value}, which nobody had written there by then";
            }

            zone.FirstEnd = Math.Min(zone.FirstEnd, read.Ended);
            zone.LastStart = Math.Max(zone.LastStart, read.Begun);
        }

        return Refute([.. zones.Values.Where(static zone => zone.FirstEnd != long.MaxValue)]);
    }

    private static string? Refute(Zone[] zones)
    {
        Zone[] forward = [.. zones.Where(static zone => zone.IsForward)
            .OrderBy(static zone => zone.FirstEnd)];
        for (int i = 1; i < forward.Length; i++)
        {
            if (forward[i].FirstEnd < forward[i - 1].LastStart)
            {
                return $"{forward[i - 1]} and {forward[i]} overlap";
            }
        }

        foreach (Zone backward in zones.Where(static zone => !zone.IsForward))
        {
            foreach (Zone around in forward)
            {
                if (around.FirstEnd < backward.LastStart && backward.FirstEnd < around.LastStart)
                {
                    return $"{backward} lies within {around}";
                }
            }
        }

        return null;
    }

    private List<Seen> Of(int volume, int block)
    {
        if (!blocks.TryGetValue((volume, block), out List<Seen>? seen))
        {
            blocks[(volume, block)] = seen = [];
        }

        return seen;
    }

    private sealed record Zone(ulong Value)
    {
        public long Written { get; init; }

        public long FirstEnd { get; set; }

        public long LastStart { get; set; }

        public bool IsForward => FirstEnd < LastStart;

        public override string ToString() => $"value {Value} ({FirstEnd} to {LastStart})";
    }
}
