using System.Globalization;

namespace StorageOs.Kernel.Cli.Trace;

/// <summary>Short times as people write them: 500us, 2ms, 10s. Pure.</summary>
internal static class ShortTime
{
    private const int CountMax = 60_000_000;

    /// <summary>Reads a time of at most a minute; null when it is none.</summary>
    internal static TimeSpan? Parse(string? text)
    {
        if (text is null)
        {
            return null;
        }

        string digits = text.TrimEnd('u', 'µ', 'm', 's');
        long unit = text[digits.Length..] switch
        {
            "us" or "µs" => 1,
            "ms" => 1000,
            "s" => 1_000_000,
            _ => 0,
        };
        bool good = int.TryParse(
            digits, NumberStyles.None, CultureInfo.InvariantCulture, out int count);
        return good && unit > 0 && count * unit is > 0 and <= CountMax
            ? TimeSpan.FromMicroseconds(count * unit) : null;
    }
}
