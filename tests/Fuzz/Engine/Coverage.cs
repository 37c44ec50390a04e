using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace StorageOs.Fuzz;

/// <summary>
/// Where the instrumented copy counts what runs: one byte for each probe, and the steps left
/// before an execution counts as one that does not end. Public, for the copy calls it.
/// </summary>
public static unsafe class Coverage
{
    /// <summary>Most probes of all instrumented assemblies together.</summary>
    public const int ProbesMax = 1 << 16;

    private static readonly byte* Hits = (byte*)NativeMemory.AllocZeroed(ProbesMax);
    private static readonly byte[] Bits = [.. Enumerable.Range(0, 256).Select(BitOf)];
    private static long stepsLeft = long.MaxValue;

    /// <summary>Steps taken since <see cref="Begin"/> when the limit was so many.</summary>
    public static long StepsLeft => stepsLeft;

    /// <summary>A probe was passed.</summary>
    public static void Hit(int probe)
    {
        Hits[probe]++;
        if (--stepsLeft < 0)
        {
            throw new BrokenPromiseException("it takes more steps than its input can explain");
        }
    }

    /// <summary>An execution begins and may take so many steps.</summary>
    public static void Begin(long stepsMax) => stepsLeft = stepsMax;

    /// <summary>What the harness does itself is not counted.</summary>
    public static void End() => stepsLeft = long.MaxValue;

    /// <summary>
    /// Adds what was passed to what has been seen, and forgets it. How often counts in steps of
    /// about a power of two: a loop that ran once more is no news, one that ran twice as often is.
    /// </summary>
    /// <returns>Whether anything was not seen before.</returns>
    public static bool Merge(Span<byte> seen)
    {
        bool news = false;
        for (int at = 0; at < seen.Length; at += Vector256<byte>.Count)
        {
            if (Vector256.Load(Hits + at) == Vector256<byte>.Zero)
            {
                continue;
            }

            for (int i = at; i < at + Vector256<byte>.Count; i++)
            {
                byte bit = Bits[Hits[i]];
                news |= (seen[i] | bit) != seen[i];
                seen[i] |= bit;
                Hits[i] = 0;
            }
        }

        return news;
    }

    /// <summary>Forgets what was passed.</summary>
    public static void Clear() => new Span<byte>(Hits, ProbesMax).Clear();

    private static byte BitOf(int count) => count == 0 ? (byte)0
        : count <= 3 ? (byte)(1 << (count - 1))
        : (byte)(1 << Math.Min(7, BitOperations.Log2((uint)count) + 1));
}

/// <summary>A target does not keep what it promises about its input.</summary>
public sealed class BrokenPromiseException(string message) : Exception(message);

/// <summary>Checks of what a parser promises.</summary>
internal static class Promise
{
    /// <summary>Throws when it is not kept.</summary>
    public static void Require(bool kept, string promise)
    {
        if (!kept)
        {
            throw new BrokenPromiseException(promise);
        }
    }
}
