using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;

namespace StorageOs.Volumes;

/// <summary>One volume as configured; the same on both nodes.</summary>
internal sealed partial record VolumeSettings(string Name, GroupId Group, long SizeBytes)
{
    /// <summary>Most volumes of a pair.</summary>
    public const int CountMax = 1024;

    /// <summary>
    /// Full path of the block device that is this node's copy; null when the copy is a file.
    /// </summary>
    public string? Device { get; init; }

    /// <summary>Largest volume: tables of its overlay stay small.</summary>
    public const long SizeBytesMax = 64L * 1024 * Size.GiB;

    /// <summary>
    /// Folder of the volumes' files: what the section says, such as a mounted disk of the volumes'
    /// own, else one below the data directory.
    /// </summary>
    public static string Directory(IConfiguration section, string dataDirectory)
    {
        string? given = section["directory"];
        return given is null || Path.IsPathFullyQualified(given)
            ? given ?? Path.Combine(dataDirectory, "volumes")
            : throw new RefusedException(
                new Refusal("volumes:directory", "the full path of a folder", $"'{given}'"));
    }

    /// <summary>Reads and checks the section "volumes".</summary>
    public static IReadOnlyList<VolumeSettings> From(IConfiguration section)
    {
        List<VolumeSettings> all = [];
        foreach (IConfigurationSection entry in section.GetSection("volumes").GetChildren())
        {
            VolumeSettings one = new(NameOf(entry), GroupOf(entry), SizeOf(entry))
            {
                Device = DeviceOf(entry),
            };
            bool unique = all.TrueForAll(v => v.Name != one.Name);
            Check(unique, entry, "name", "a unique name", one.Name);
            unique = one.Device is null || all.TrueForAll(v => v.Device != one.Device);
            Check(unique, entry, "device", "a device of its own", one.Device);
            all.Add(one);
            Check(all.Count <= CountMax, entry, "count", $"at most {CountMax}", $"{all.Count}");
        }

        return all;
    }

    private static string NameOf(IConfigurationSection entry)
    {
        string name = entry["name"] ?? "";
        const string Expected = "1 to 63 of a-z A-Z 0-9 . _ -, starting with a letter or digit";
        Check(NamePattern().IsMatch(name), entry, "name", Expected, name);
        return name;
    }

    private static GroupId GroupOf(IConfigurationSection entry)
    {
        string text = entry["group"] ?? "";
        Check(text is "0" or "1", entry, "group", "0 or 1", text);
        return new GroupId(text == "0" ? (byte)0 : (byte)1);
    }

    private static string? DeviceOf(IConfigurationSection entry)
    {
        string? path = entry["device"];
        Check(path is null || Path.IsPathFullyQualified(path), entry, "device",
            "the full path of a block device", path);
        return path;
    }

    private static long SizeOf(IConfigurationSection entry)
    {
        string text = entry["sizeBytes"] ?? "";
        bool good = long.TryParse(
            text, NumberStyles.None, CultureInfo.InvariantCulture, out long bytes)
            && bytes is >= Size.Page and <= SizeBytesMax && bytes % Size.Page == 0;
        Check(good, entry, "sizeBytes",
            $"a multiple of {Size.Page} up to {SizeBytesMax}", text);
        return bytes;
    }

    private static void Check(
        bool good, IConfigurationSection entry, string key, string expected, string? actual)
    {
        if (!good)
        {
            throw new RefusedException(
                new Refusal($"volumes: {entry.Path}:{key}", expected, $"'{actual}'"));
        }
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]{0,62}\z")]
    private static partial Regex NamePattern();
}
