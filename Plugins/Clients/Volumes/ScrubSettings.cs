using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;
using StorageOs.Volumes.Core;

namespace StorageOs.Volumes;

/// <summary>How often, and how fast, two copies that should be equal are compared.</summary>
/// <param name="BytesPerSecond">Compared a second; 0 for never but when asked for.</param>
/// <param name="Every">From the start of a pass to that of the next.</param>
internal sealed record ScrubSettings(long BytesPerSecond, TimeSpan Every)
{
    private const string Section = "scrub";
    private const int BytesPerSecondDefault = 4 * Size.MiB;
    private const long BytesPerSecondMax = 64 * Size.GiB;
    private const long HoursDefault = 24;
    private const long HoursMax = 10_000;

    /// <summary>The first pass of a boot waits so long: what has just started has enough to
    /// do.</summary>
    public static TimeSpan First { get; } = TimeSpan.FromMinutes(10);

    /// <summary>Reads and checks the section "scrub".</summary>
    public static ScrubSettings From(IConfiguration section)
    {
        IConfigurationSection own = section.GetSection(Section);
        return new ScrubSettings(
            ResyncSettings.Read(
                own, "bytesPerSecond", BytesPerSecondDefault, 0, BytesPerSecondMax),
            TimeSpan.FromHours(ResyncSettings.Read(own, "everyHours", HoursDefault, 1, HoursMax)));
    }

    /// <summary>Its pace, the same with clients and without; never 0, for it may be asked
    /// for.</summary>
    public CopyPace Pace() => new(Pacing, Pacing);

    /// <summary>Bytes a second that a pass has.</summary>
    public long Pacing => BytesPerSecond == 0 ? BytesPerSecondDefault : BytesPerSecond;
}
