using System.Globalization;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Cli;

/// <summary>Sizes as people write them: 4096, 512M, 1G.</summary>
internal static class ByteSize
{
    /// <summary>Reads a size; a multiple of a page, at least 1 MiB, at most 16 TiB.</summary>
    internal static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        if (string.IsNullOrEmpty(text))
        {
            return false;
        }

        long unit = char.ToUpperInvariant(text[^1]) switch
        {
            'K' => Size.KiB,
            'M' => Size.MiB,
            'G' => Size.GiB,
            'T' => 1024 * Size.GiB,
            _ => 1,
        };
        string digits = unit == 1 ? text : text[..^1];
        bool good = long.TryParse(
            digits, NumberStyles.None, CultureInfo.InvariantCulture, out long count);
        if (!good || count > 16 * 1024 * Size.GiB / unit)
        {
            return false;
        }

        bytes = count * unit;
        return bytes >= Size.MiB && bytes % Size.Page == 0;
    }

    /// <summary>A size for people: three digits at least, in the largest unit for it.</summary>
    internal static string Of(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        int unit = 0;
        double size = bytes;
        for (; size >= 1024 && unit < units.Length - 1; unit++)
        {
            size /= 1024;
        }

        string digits = unit == 0 || size >= 100 ? "F0" : size >= 10 ? "F1" : "F2";
        return $"{size.ToString(digits, CultureInfo.InvariantCulture)} {units[unit]}";
    }
}
