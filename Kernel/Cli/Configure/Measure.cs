using System.Globalization;

namespace StorageOs.Kernel.Cli.Configure;

/// <summary>Numbers of a configuration with their units, and large ones in larger units.</summary>
internal static class Measure
{
    private const string Bytes = "bytes";

    private static readonly (string End, string Unit)[] Units =
    [
        ("bytesPerSecond", "bytes/s"), ("bytesPerSecondWithClients", "bytes/s"),
        ("requestsPerSecond", "requests/s"), ("Bytes", Bytes), ("Ms", "ms"), ("Seconds", "s"),
        ("Hours", "h"), ("Percent", "%"), ("mtu", Bytes),
    ];

    /// <summary>The unit that a key's name says, as all names of keys do; empty for none.</summary>
    internal static string UnitOf(string key) =>
        Units.FirstOrDefault(one => key.EndsWith(one.End, StringComparison.Ordinal)).Unit ?? "";

    /// <summary>A range in words.</summary>
    internal static string Range(decimal least, decimal most, string unit)
    {
        string first = With(least, unit);
        string last = With(most, unit);
        return first == $"{Plain(least)} {unit}" && last == $"{Plain(most)} {unit}"
            ? $"{Plain(least)} to {last}" : $"{first} to {last}";
    }

    /// <summary>A number in words, and any other text as it is.</summary>
    internal static string? Shown(string? text, string unit) =>
        decimal.TryParse(
            text, NumberStyles.None, CultureInfo.InvariantCulture, out decimal number)
            ? With(number, unit) : text;

    private static string With(decimal number, string unit) => unit.Length == 0
        ? Plain(number) : $"{Plain(number)} {unit}{Larger(number, unit)}";

    private static string Plain(decimal number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Larger(decimal number, string unit)
    {
        (decimal Size, string Name)[] larger = unit switch
        {
            Bytes or "bytes/s" =>
            [
                (1L << 40, "TiB"), (1L << 30, "GiB"), (1L << 20, "MiB"), (1L << 10, "KiB"),
            ],
            "ms" => [(3_600_000, "h"), (60_000, "min"), (1000, "s")],
            "s" => [(86_400, "d"), (3600, "h"), (60, "min")],
            _ => [],
        };
        foreach ((decimal size, string name) in larger)
        {
            if (number >= size && number % size == 0)
            {
                return $" ({Plain(number / size)} {name})";
            }
        }

        return "";
    }
}
