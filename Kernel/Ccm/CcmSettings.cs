using StorageOs.Contracts.Plugins;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

/// <summary>What the core is made with: preset values only.</summary>
internal sealed record CcmSettings
{
    /// <summary>Configured name.</summary>
    public required string Name { get; init; }

    /// <summary>This node's id, boot and pair.</summary>
    public required Identity Self { get; init; }

    /// <summary>The partner's configured id.</summary>
    public required ulong PartnerSystemId { get; init; }

    /// <summary>The pair key, as the file held it.</summary>
    public required byte[] PairKey { get; init; }

    /// <summary>Level told to the partner.</summary>
    public PersistenceLevel Persistence { get; init; }

    /// <summary>Build told to the partner.</summary>
    public string Build { get; init; } = "";

    /// <summary>Protocol versions this build speaks.</summary>
    public ushort VersionMin { get; init; } = (ushort)ProtocolVersion.V1;

    /// <summary>Protocol versions this build speaks.</summary>
    public ushort VersionMax { get; init; } = (ushort)ProtocolVersion.V1;

    /// <summary>Terms of the beat detector.</summary>
    public BeatLimits Beat { get; init; } = BeatLimits.Default;

    /// <summary>Which end this node is.</summary>
    public PairRole Role => Self.SystemId < PartnerSystemId ? PairRole.Low : PairRole.High;
}

/// <summary>Where the core's random choices come from: the machine, or a seed.</summary>
internal interface IRandomSource
{
    /// <summary>Fills a span.</summary>
    void Fill(Span<byte> bytes);

    /// <summary>A number in [0, 1).</summary>
    double NextDouble();
}

/// <summary>
/// Delays between attempts: doubling up to a cap, each with jitter so that two nodes never keep
/// step.
/// </summary>
internal sealed class Backoff(TimeSpan first, TimeSpan cap, IRandomSource random)
{
    private int failures;

    /// <summary>The delay before the next attempt.</summary>
    public TimeSpan Next()
    {
        double full = Math.Min(
            cap.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, Math.Min(failures++, 20)));
        return TimeSpan.FromMilliseconds(full * (0.5 + (random.NextDouble() / 2)));
    }

    /// <summary>An attempt succeeded.</summary>
    public void Reset() => failures = 0;
}
