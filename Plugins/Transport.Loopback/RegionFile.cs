using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Loopback.Interop;

namespace StorageOs.Transport.Loopback;

/// <summary>
/// One inode behind a region: its mapping, and the name in the node's folder under which holders
/// of a key find it. With a backing path the inode lies beside that path (it may be another file
/// system than the fabric) and the name is a symbolic link.
/// </summary>
internal sealed class RegionFile : IDisposable
{
    private const string BesideInfix = ".map-";
    private readonly string fabricPath;
    private readonly string inodePath;

    private RegionFile(ulong number, string fabricPath, string inodePath, MappedFile map)
    {
        Number = number;
        this.fabricPath = fabricPath;
        this.inodePath = inodePath;
        Map = map;
    }

    /// <summary>Number in the node's folder.</summary>
    public ulong Number { get; }

    /// <summary>The mapping.</summary>
    public MappedFile Map { get; }

    /// <summary>Makes an inode of zeros, touched, under names of its own.</summary>
    public static RegionFile Create(string fabricPath, ulong number, string? backing, int length)
    {
        string inodePath = backing is null ? fabricPath : $"{backing}{BesideInfix}{number}";
        MappedFile map = MappedFile.Create(inodePath, length);
        try
        {
            if (backing is not null)
            {
                File.CreateSymbolicLink(fabricPath, inodePath);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            ((IDisposable)map).Dispose();
            Remove(inodePath);
            throw Native.Refused(fabricPath, "a new symbolic link", failure);
        }

        return new RegionFile(number, fabricPath, inodePath, map);
    }

    /// <summary>
    /// Removes what earlier processes left beside a backing path; the path itself stays.
    /// </summary>
    public static void RemoveStale(string backing)
    {
        try
        {
            string folder = Path.GetDirectoryName(backing) ?? "/";
            Directory.CreateDirectory(folder);
            foreach (string stale in Directory.EnumerateFiles(
                folder, Path.GetFileName(backing) + BesideInfix + "*"))
            {
                File.Delete(stale);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Native.Refused($"backing file {backing}", "a folder to write in", failure);
        }
    }

    /// <summary>Fills a new inode with what the backing path holds, if anything.</summary>
    public void Load(string backing)
    {
        try
        {
            if (!File.Exists(backing))
            {
                return;
            }

            using FileStream file = new(
                backing, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
            if (file.Length != Map.Length)
            {
                throw new RefusedException(new Refusal(
                    $"backing file {backing}",
                    $"{Map.Length} bytes",
                    $"{file.Length} bytes",
                    "restore the file or the configured size; removing it loses its contents"));
            }

            file.ReadExactly(Map.GetSpan());
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Native.Refused($"backing file {backing}", "a readable file", failure);
        }
    }

    /// <summary>Makes the backing path name this inode, atomically.</summary>
    public void Install(string backing)
    {
        string second = inodePath + ".link";
        if (Libc.link(inodePath, second) != 0)
        {
            throw Native.Refused($"link of {inodePath}", Marshal.GetLastPInvokeError());
        }

        try
        {
            File.Move(second, backing, overwrite: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Native.Refused($"backing file {backing}", "a name to move onto", failure);
        }
    }

    /// <summary>
    /// Unmaps and forgets the inode; one that a backing path names lives on there.
    /// </summary>
    public void Dispose()
    {
        ((IDisposable)Map).Dispose();
        Remove(fabricPath);
        Remove(inodePath);
    }

    /// <summary>
    /// Removes a name. One that cannot be (its folder went, say) costs only space, and goes at the
    /// next open or map: no reason to end a node from its background thread.
    /// </summary>
    private static bool Remove(string path)
    {
        try
        {
            File.Delete(path);
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
