using System.Numerics;

namespace StorageOs.Volumes.Core;

/// <summary>
/// How a group's volumes are cut into granules: the unit in which changes are recorded, copied and
/// compared. Granules are numbered through all volumes. Pure.
/// </summary>
internal sealed class Granules
{
    /// <summary>Smallest granule: what one checksum of a comparison covers.</summary>
    public const int BytesMin = ExtentSums.BlockBytes;

    /// <summary>Most granules of a group: its record stays at 2 MiB, on disk, too.</summary>
    public const int CountMax = 8 << 20;

    private readonly long[] volumes;
    private readonly int[] first;

    /// <summary>Cuts volumes of these sizes.</summary>
    public Granules(IReadOnlyList<long> volumeBytes)
    {
        volumes = [.. volumeBytes];
        first = new int[volumes.Length + 1];
        long bytes = BytesMin;
        while (volumes.Sum(size => CountOf(size, bytes)) > CountMax)
        {
            bytes *= 2;
        }

        Bytes = bytes;
        for (int i = 0; i < volumes.Length; i++)
        {
            first[i + 1] = first[i] + (int)CountOf(volumes[i], bytes);
        }
    }

    /// <summary>Bytes of a granule; the last of a volume may be shorter.</summary>
    public long Bytes { get; }

    /// <summary>How many there are.</summary>
    public int Count => first[^1];

    /// <summary>Bytes of all volumes.</summary>
    public long TotalBytes => volumes.Sum();

    /// <summary>Sizes of the volumes.</summary>
    public IReadOnlyList<long> Volumes => volumes;

    /// <summary>The granule that a byte is in.</summary>
    public int At(int volume, long offset) => first[volume] + (int)(offset / Bytes);

    /// <summary>The end of a volume's granules.</summary>
    public int EndOf(int volume) => first[volume + 1];

    /// <summary>Where a granule starts.</summary>
    public (int Volume, long Offset) StartOf(int granule)
    {
        int found = Array.BinarySearch(first, granule);
        int volume = found >= 0 ? found : ~found - 1;
        while (first[volume + 1] == granule)
        {
            volume++; // A volume without granules before it.
        }

        return (volume, (granule - first[volume]) * Bytes);
    }

    /// <summary>Bytes of one granule.</summary>
    public long BytesOf(int granule)
    {
        (int volume, long offset) = StartOf(granule);
        return Math.Min(Bytes, volumes[volume] - offset);
    }

    private static long CountOf(long size, long granule) => (size + granule - 1) / granule;
}

/// <summary>A set of granules, as bits. Pure.</summary>
internal sealed class GranuleSet(int count)
{
    private readonly ulong[] words = new ulong[(count + 63) / 64];

    /// <summary>How many granules there are, in the set or not.</summary>
    public int Size => count;

    /// <summary>How many are in the set.</summary>
    public int Count { get; private set; }

    /// <summary>The bits, 64 granules a word.</summary>
    public ReadOnlySpan<ulong> Words => words;

    /// <summary>Whether a granule is in the set.</summary>
    public bool this[int granule] => (words[granule >> 6] >> (granule & 63) & 1) != 0;

    /// <summary>Puts a granule in.</summary>
    /// <returns>False when it was in already.</returns>
    public bool Add(int granule)
    {
        ref ulong word = ref words[granule >> 6];
        ulong bit = 1ul << (granule & 63);
        bool added = (word & bit) == 0;
        word |= bit;
        Count += added ? 1 : 0;
        return added;
    }

    /// <summary>Takes a granule out.</summary>
    /// <returns>False when it was not in.</returns>
    public bool Remove(int granule)
    {
        ref ulong word = ref words[granule >> 6];
        ulong bit = 1ul << (granule & 63);
        bool removed = (word & bit) != 0;
        word &= ~bit;
        Count -= removed ? 1 : 0;
        return removed;
    }

    /// <summary>Puts every granule in.</summary>
    public void AddAll()
    {
        Array.Fill(words, ulong.MaxValue);
        if ((count & 63) != 0)
        {
            words[^1] = (1ul << (count & 63)) - 1;
        }

        Count = count;
    }

    /// <summary>Takes every granule out.</summary>
    public void Clear()
    {
        Array.Clear(words);
        Count = 0;
    }

    /// <summary>Replaces 64 granules.</summary>
    public void SetWord(int index, ulong value)
    {
        Count += BitOperations.PopCount(value) - BitOperations.PopCount(words[index]);
        words[index] = value;
    }

    /// <summary>The first in the set at or after <paramref name="granule"/>; the size when there
    /// is none.</summary>
    public int Next(int granule)
    {
        for (int at = granule >> 6; granule < count && at < words.Length; at++)
        {
            ulong word = words[at];
            word &= at == granule >> 6 ? ulong.MaxValue << (granule & 63) : ulong.MaxValue;
            if (word != 0)
            {
                return (at << 6) + BitOperations.TrailingZeroCount(word);
            }
        }

        return count;
    }

    /// <summary>The first not in the set at or after <paramref name="granule"/>.</summary>
    public int NextAbsent(int granule)
    {
        while (granule < count && this[granule])
        {
            granule++;
        }

        return granule;
    }

    /// <summary>Whether any of a range is in the set.</summary>
    public bool Any(int from, int to) => Next(from) < to;
}
