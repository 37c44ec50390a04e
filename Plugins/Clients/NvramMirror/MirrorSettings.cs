using System.Globalization;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;

namespace StorageOs.NvramMirror;

/// <summary>The plugin's own settings.</summary>
/// <param name="LogBytes">Bytes of each group's copy, header included.</param>
internal sealed record MirrorSettings(int LogBytes)
{
    /// <summary>When the configuration says nothing.</summary>
    public const int LogBytesDefault = 64 * Size.MiB;

    /// <summary>Room for eight records of a useful size.</summary>
    public const int LogBytesMin = Size.MiB;

    /// <summary>What a region can be.</summary>
    public const int LogBytesMax = 1024 * Size.MiB;

    /// <summary>Reads and checks them.</summary>
    public static MirrorSettings From(IConfiguration section)
    {
        string? text = section["logBytes"];
        if (text is null)
        {
            return new(LogBytesDefault);
        }

        bool good = int.TryParse(
            text, NumberStyles.None, CultureInfo.InvariantCulture, out int bytes);
        return good && bytes is >= LogBytesMin and <= LogBytesMax && bytes % Size.Page == 0
            ? new(bytes)
            : throw new RefusedException(new Refusal(
                "nvram-mirror: logBytes",
                $"a multiple of {Size.Page} from {LogBytesMin} to {LogBytesMax}",
                text));
    }
}
