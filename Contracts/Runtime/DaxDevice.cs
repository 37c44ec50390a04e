using System.Globalization;
using System.Runtime.Versioning;

namespace StorageOs.Contracts.Runtime;

/// <summary>
/// Persistent memory as a character device (device DAX): what sysfs says of it. It has no size that
/// <c>stat</c> knows, and is mapped without a page cache between (Linux, Documentation/ABI/testing/
/// sysfs-bus-dax and sysfs-bus-nd).
/// </summary>
/// <param name="Length">Bytes.</param>
/// <param name="PersistenceDomain">
/// Where stores are safe from a loss of power: <c>cpu_cache</c> as soon as they are visible,
/// <c>memory_controller</c> once they are flushed from the caches, else unknown.
/// </param>
public sealed record DaxDevice(long Length, string PersistenceDomain)
{
    /// <summary>The device that a path names, through links; null when it is none.</summary>
    [SupportedOSPlatform("linux")]
    public static DaxDevice? Find(string path)
    {
        string real = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        string device = Path.Combine("/sys/bus/dax/devices", Path.GetFileName(real));
        if (!real.StartsWith("/dev/dax", StringComparison.Ordinal)
            || !File.Exists(Path.Combine(device, "size")))
        {
            return null;
        }

        string bytes = File.ReadAllText(Path.Combine(device, "size"));
        return new DaxDevice(long.Parse(bytes, CultureInfo.InvariantCulture), DomainOf(device));
    }

    // The domain is an attribute of the region that the device lies in.
    private static string DomainOf(string device)
    {
        string? folder = new DirectoryInfo(device)
            .ResolveLinkTarget(returnFinalTarget: true)?.FullName;
        for (; folder is { Length: > 4 }; folder = Path.GetDirectoryName(folder))
        {
            string domain = Path.Combine(folder, "persistence_domain");
            if (File.Exists(domain))
            {
                return File.ReadAllText(domain).Trim();
            }
        }

        return "unknown";
    }
}
