using System.Globalization;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>Settings of the failover monitor.</summary>
/// <param name="AwayGrace">
/// How long a partner that nobody declared dead may stay away, after a boot for instance, before it
/// counts as gone (setting <c>awayGraceMs</c>).
/// </param>
internal sealed record MonitorSettings(TimeSpan AwayGrace)
{
    private const int AwayGraceMsDefault = 5000;
    private const int AwayGraceMsMax = 3_600_000;

    /// <summary>Reads and checks them.</summary>
    public static MonitorSettings Read(IConfiguration configuration)
    {
        string? text = configuration["awayGraceMs"];
        if (text is null)
        {
            return new MonitorSettings(TimeSpan.FromMilliseconds(AwayGraceMsDefault));
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            && value <= AwayGraceMsMax
            ? new MonitorSettings(TimeSpan.FromMilliseconds(value))
            : throw new RefusedException(new Refusal(
                "failover-monitor: awayGraceMs", $"0 to {AwayGraceMsMax} milliseconds", text));
    }
}
