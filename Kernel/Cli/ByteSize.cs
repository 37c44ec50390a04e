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
}
