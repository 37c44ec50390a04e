namespace StorageOs.Volumes.Core;

/// <summary>
/// Which of the granules that were not copied are compared all the same: some, chosen anew for each
/// resync by its seed, so that what a record has lost is found sooner or later. Pure.
/// </summary>
internal readonly struct VerifySample
{
    /// <summary>At least so many, whatever the share.</summary>
    public const int GranulesMin = 32;

    private readonly ulong seed;
    private readonly ulong limit;

    /// <summary>Chooses a share of so many granules.</summary>
    /// <param name="seed">Another one chooses others.</param>
    /// <param name="granules">How many there are.</param>
    /// <param name="percent">The share.</param>
    public VerifySample(ulong seed, int granules, int percent)
    {
        this.seed = seed;
        double share = Math.Max(percent / 100.0, GranulesMin / (double)Math.Max(granules, 1));
        limit = share >= 1 ? ulong.MaxValue : (ulong)(share * ulong.MaxValue);
    }

    /// <summary>Whether a granule is in the sample.</summary>
    public bool Takes(int granule) => Mix(seed ^ Mix((ulong)granule)) <= limit;

    /// <summary>The finalizer of SplitMix64.</summary>
    private static ulong Mix(ulong x)
    {
        x += 0x9E37_79B9_7F4A_7C15;
        x = (x ^ (x >> 30)) * 0xBF58_476D_1CE4_E5B9;
        x = (x ^ (x >> 27)) * 0x94D0_49BB_1331_11EB;
        return x ^ (x >> 31);
    }
}
