using System.Globalization;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>Settings of the failover monitor.</summary>
/// <param name="AwayGrace">
/// How long a partner that nobody declared dead may stay away, after a boot for instance, before it
/// counts as gone (setting <c>awayGraceMs</c>).
/// </param>
/// <param name="NoWitness">
/// S13: the pair works without a witness (setting <c>witness</c>: <c>none</c>). Never because a
/// witness is merely missing: one that failed to load on one node must not give it other rules.
/// </param>
/// <param name="Witness">
/// Id of the witness plugin that has the register (the same setting); null for the only one.
/// </param>
/// <param name="NextWitness">
/// Id of the one that it may move to (setting <c>nextWitness</c>); null when nowhere.
/// </param>
/// <param name="PartnerRecord">
/// Directory with the partner's data, on this machine or on shared storage (setting
/// <c>partnerRecord</c>); null when there is none, and then this node never takes over by itself.
/// </param>
internal sealed record MonitorSettings(
    TimeSpan AwayGrace, bool NoWitness = false, string? PartnerRecord = null,
    string? Witness = null, string? NextWitness = null)
{
    /// <summary>When a group goes home by itself (section <c>giveback</c>).</summary>
    public GivebackSettings Giveback { get; init; } = GivebackSettings.Off;

    private const string None = "none";

    private const int AwayGraceMsDefault = 5000;
    private const int AwayGraceMsMax = 3_600_000;
    private const long GivebackSecondsMax = 31_536_000; // A year.

    /// <summary>Reads and checks them.</summary>
    public static MonitorSettings Read(IConfiguration configuration)
    {
        string? witness = configuration["witness"];
        string? next = configuration["nextWitness"];
        string? record = configuration["partnerRecord"];
        if (witness is "" || next is "" or None || (next is not null && next == witness))
        {
            throw Refused(
                "witness, nextWitness", "ids of two witness plugins, or `witness` none",
                $"\"{witness}\", \"{next}\"");
        }

        if (witness == None && next is not null)
        {
            throw Refused("nextWitness", "nothing beside `witness` none", $"\"{next}\"");
        }

        if (record is not null && (witness != None || !Path.IsPathFullyQualified(record)))
        {
            throw Refused(
                "partnerRecord", "a full path, and `witness` none beside it", $"\"{record}\"");
        }

        return new MonitorSettings(
            ReadGrace(configuration), witness == None, record, witness == None ? null : witness,
            next)
        {
            Giveback = ReadGiveback(configuration.GetSection("giveback")),
        };
    }

    /// <summary>
    /// On by default: a pair that is left with all its work on one node has to be noticed by a
    /// person, and ten minutes are enough to see that home stays up.
    /// </summary>
    private static GivebackSettings ReadGiveback(IConfiguration section)
    {
        GivebackSettings usual = GivebackSettings.Off;
        return new GivebackSettings(
            Seconds("afterSeconds", TimeSpan.FromMinutes(10), 0),
            Seconds("windowSeconds", usual.Window, 0),
            (int)ReadNumber(section, "giveback:rounds", "rounds", usual.RoundsMax, 1, 10),
            Seconds("latchSeconds", usual.Latch, 1));

        TimeSpan Seconds(string key, TimeSpan value, long least) => TimeSpan.FromSeconds(
            ReadNumber(
                section, $"giveback:{key}", key, (long)value.TotalSeconds, least,
                GivebackSecondsMax));
    }

    private static long ReadNumber(
        IConfiguration section, string name, string key, long value, long least, long most) =>
        section[key] is not { } text ? value
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long read)
            && read >= least && read <= most ? read
        : throw Refused(name, $"{least} to {most}", text);

    private static TimeSpan ReadGrace(IConfiguration configuration)
    {
        string? text = configuration["awayGraceMs"];
        if (text is null)
        {
            return TimeSpan.FromMilliseconds(AwayGraceMsDefault);
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            && value <= AwayGraceMsMax
            ? TimeSpan.FromMilliseconds(value)
            : throw Refused("awayGraceMs", $"0 to {AwayGraceMsMax} milliseconds", text);
    }

    private static RefusedException Refused(string key, string expected, string actual) =>
        new(new Refusal($"failover-monitor: {key}", expected, actual));
}
