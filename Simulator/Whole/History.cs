// What the clients saw. Every write carries a value of its own, so that a block is a register whose
// writes are all different, and BlockHistory can say whether one order explains it all.
using System.Runtime.InteropServices;
using StorageOs.Kernel.Cli.Chaos;

namespace StorageOs.Simulator.Whole;

/// <summary>One operation on one block, as its client saw it.</summary>
internal sealed record Seen(ulong Value, bool IsWrite, long Begun)
{
    /// <summary>When its answer came; never, when none did.</summary>
    public long Ended { get; set; } = BlockHistory.Never;

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
            if (BlockHistory.Check(seen.Select(Operation), Seen.Nothing) is { } why)
            {
                return $"volume {volume} block {block}: {why}";
            }
        }

        return null;
    }

    // The inverse of Spread modulo 2^64.
    private const ulong Inverse = 0xF1DE83E19937733D;

    private static BlockOperation Operation(Seen seen) =>
        new(0, seen.IsWrite, seen.Value, seen.Begun, seen.Ended)
        {
            MayBeMissing = seen.IsWrite && seen.Ended == BlockHistory.Never,
        };

    private List<Seen> Of(int volume, int block)
    {
        if (!blocks.TryGetValue((volume, block), out List<Seen>? seen))
        {
            blocks[(volume, block)] = seen = [];
        }

        return seen;
    }
}
