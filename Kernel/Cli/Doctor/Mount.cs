namespace StorageOs.Kernel.Cli.Doctor;

/// <summary>The file system that a path is on (proc(5), mountinfo).</summary>
/// <param name="Device">Major and minor number, such as <c>8:1</c>.</param>
/// <param name="Point">Where it is mounted.</param>
/// <param name="Kind">Its type, such as <c>ext4</c>.</param>
internal sealed record Mount(string Device, string Point, string Kind)
{
    private const int PointField = 4;

    /// <summary>Whether it is gone with the power.</summary>
    internal bool IsMemory => Kind is "tmpfs" or "ramfs" or "hugetlbfs";

    /// <summary>The one that a path is on, whether or not the path exists yet.</summary>
    internal static Mount Of(string path) => Of(path, File.ReadLines("/proc/self/mountinfo"));

    /// <summary>The same, of lines of mountinfo; of several on a point the last.</summary>
    internal static Mount Of(string path, IEnumerable<string> lines) => lines
        .Select(Parse)
        .Where(mount => IsBelow(path, mount.Point))
        .Aggregate(static (best, next) => next.Point.Length >= best.Point.Length ? next : best);

    private static bool IsBelow(string path, string point) =>
        point == "/" || path == point || path.StartsWith(point + "/", StringComparison.Ordinal);

    // 36 35 98:0 /root /mnt rw,noatime master:1 - ext4 /dev/vda rw,dax
    private static Mount Parse(string line)
    {
        string[] halves = line.Split(" - ", 2);
        string[] mount = halves[0].Split(' ');
        string[] system = halves[1].Split(' ');
        return new(
            mount[2], mount[PointField].Replace(@"\040", " ", StringComparison.Ordinal), system[0]);
    }
}
