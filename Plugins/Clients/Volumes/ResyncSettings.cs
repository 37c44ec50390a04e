using System.Globalization;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;
using StorageOs.Volumes.Core;

namespace StorageOs.Volumes;

/// <summary>How fast a stale partner is made equal, and how much of the rest is compared.</summary>
/// <param name="BytesPerSecond">While no client is at work.</param>
/// <param name="BytesPerSecondWithClients">While clients are.</param>
/// <param name="SamplePercent">Share of what was not copied that is compared all the same.</param>
internal sealed record ResyncSettings(
    long BytesPerSecond, long BytesPerSecondWithClients, int SamplePercent)
{
    private const string Section = "resync";
    private const long BytesPerSecondMin = Size.MiB;
    private const long BytesPerSecondMax = 1024 * Size.GiB;

    /// <summary>What holds without any settings.</summary>
    public static ResyncSettings Default { get; } = new(512L * Size.MiB, 64L * Size.MiB, 1);

    /// <summary>Reads and checks the section "resync".</summary>
    public static ResyncSettings From(IConfiguration section)
    {
        IConfigurationSection own = section.GetSection(Section);
        ResyncSettings read = new(
            Read(own, "bytesPerSecond", Default.BytesPerSecond, BytesPerSecondMin,
                BytesPerSecondMax),
            Read(own, "bytesPerSecondWithClients", Default.BytesPerSecondWithClients,
                BytesPerSecondMin, BytesPerSecondMax),
            (int)Read(own, "samplePercent", Default.SamplePercent, 0, 100));
        return read.BytesPerSecondWithClients <= read.BytesPerSecond ? read
            : throw new RefusedException(new Refusal(
                $"volumes: {Section}:bytesPerSecondWithClients",
                $"at most bytesPerSecond, {read.BytesPerSecond}",
                $"{read.BytesPerSecondWithClients}"));
    }

    /// <summary>The pace of one copy after the other.</summary>
    public CopyPace Pace() => new(BytesPerSecond, BytesPerSecondWithClients);

    /// <summary>Reads a whole number within limits.</summary>
    internal static long Read(
        IConfigurationSection section, string key, long otherwise, long least, long most)
    {
        string? text = section[key];
        if (text is null)
        {
            return otherwise;
        }

        bool good = long.TryParse(
            text, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            && value >= least && value <= most;
        return good ? value : throw new RefusedException(new Refusal(
            $"volumes: {section.Path}:{key}", $"{least} to {most}", $"'{text}'"));
    }
}
