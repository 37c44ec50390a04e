using System.Buffers.Binary;
using System.IO.Compression;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration.Interop;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// Reads a bundle, a zip of a plugin's folder, that may come from anybody. What it says of its own
/// sizes is not believed; what is written goes below one folder and nowhere else.
/// </summary>
internal static class BundleReader
{
    /// <summary>What names of bundles end with.</summary>
    internal const string Extension = ".sosplugin";

    // End of central directory record (APPNOTE 4.3.16), without a comment.
    private const int EndBytes = 22;
    private const uint EndMark = 0x06054b50;
    private const int UnixTypeMask = 0xF000;
    private const int UnixFile = 0x8000;
    private const int UnixFolder = 0x4000;

    /// <summary>Unpacks a bundle into an empty folder; flushed when this returns.</summary>
    internal static Refusal? TryExtract(string bundle, string folder)
    {
        string subject = $"bundle {bundle}";
        try
        {
            FileInfo info = new(bundle);
            if (!Statx.IsFile(bundle) || info.Length > Limits.BundleBytesMax)
            {
                return new Refusal(
                    subject, $"a file of at most {Limits.BundleBytesMax} bytes",
                    !info.Exists ? "nothing"
                        : Statx.IsFile(bundle) ? $"{info.Length} bytes" : "a pipe or device");
            }

            HashSet<string> made = [folder];
            using FileStream zip = info.OpenRead();
            Refusal? refusal = TryRead(zip, subject, path => Create(folder, path, made));
            foreach (string each in made)
            {
                StableFile.FlushName(Path.Combine(each, "any"));
            }

            return refusal;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return new Refusal(subject, "a bundle that can be unpacked", failure.Message);
        }
    }

    /// <summary>
    /// Reads a bundle's files, each into the stream that is made for its path. After a refusal
    /// some of them may have been.
    /// </summary>
    internal static Refusal? TryRead(Stream zip, string subject, Func<string, Stream> create)
    {
        if (CheckEnd(zip) is { } found)
        {
            return new Refusal(
                subject, $"a whole zip of at most {Limits.PluginFilesMax} files, without a comment",
                found);
        }

        try
        {
            using ZipArchive archive = new(zip, ZipArchiveMode.Read, leaveOpen: true);
            Refusal? refusal = CheckNames(archive, subject);
            if (refusal is not null)
            {
                return refusal;
            }

            byte[] buffer = new byte[64 * Size.KiB];
            long left = Limits.BundleUnpackedBytesMax;
            foreach (ZipArchiveEntry entry in archive.Entries.Where(IsFile))
            {
                using Stream from = entry.Open();
                using Stream to = create(entry.FullName);
                if (!TryCopy(from, to, buffer, ref left))
                {
                    return new Refusal(
                        $"{subject}, file {entry.FullName}",
                        $"at most {Limits.BundleUnpackedBytesMax} bytes of all files together",
                        "more");
                }
            }

            return null;
        }
        catch (Exception failure) when (failure is InvalidDataException or NotSupportedException
            or EndOfStreamException)
        {
            return new Refusal(subject, "a zip that can be read", failure.Message);
        }
    }

    /// <summary>
    /// What is wrong with the end of a zip, which says how many files there are. Looked at first,
    /// for what reads zips reads the whole directory into memory, however large.
    /// </summary>
    private static string? CheckEnd(Stream zip)
    {
        if (zip.Length < EndBytes)
        {
            return $"{zip.Length} bytes";
        }

        Span<byte> end = stackalloc byte[EndBytes];
        zip.Position = zip.Length - EndBytes;
        zip.ReadExactly(end);
        zip.Position = 0;
        if (BinaryPrimitives.ReadUInt32LittleEndian(end) != EndMark)
        {
            return "no end of a zip at its end";
        }

        if (end[4..8].IndexOfAnyExcept((byte)0) >= 0)
        {
            return "one of several parts"; // Or one whose true numbers are in another record.
        }

        int files = BinaryPrimitives.ReadUInt16LittleEndian(end[10..]);
        long bytes = BinaryPrimitives.ReadUInt32LittleEndian(end[12..]);
        long offset = BinaryPrimitives.ReadUInt32LittleEndian(end[16..]);
        bool whole = offset + bytes + EndBytes == zip.Length;
        return files > Limits.PluginFilesMax || bytes > Limits.BundleDirectoryBytesMax
            ? $"{files} files, their names in {bytes} bytes"
            : whole ? null : "a directory that does not end where the zip does";
    }

    private static Refusal? CheckNames(ZipArchive archive, string subject)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            int type = (entry.ExternalAttributes >> 16) & UnixTypeMask;
            string name = entry.FullName.EndsWith('/') ? entry.FullName[..^1] : entry.FullName;
            if (PluginPath.Problem(name) is { } problem)
            {
                return new Refusal($"{subject}, a file's name", PluginPath.Expected, problem);
            }

            if (type != 0 && type != (IsFile(entry) ? UnixFile : UnixFolder))
            {
                return new Refusal(
                    $"{subject}, file {name}", "a file", type == 0xA000 ? "a link" : "a device");
            }

            if (!names.Add(name))
            {
                return new Refusal($"{subject}, file {name}", "each file once", "twice");
            }
        }

        return names.Contains(ManifestReader.FileName) ? null : new Refusal(
            subject, $"{ManifestReader.FileName} at its root", "none");
    }

    private static bool IsFile(ZipArchiveEntry entry) => !entry.FullName.EndsWith('/');

    private static bool TryCopy(Stream from, Stream to, byte[] buffer, ref long left)
    {
        for (int read; (read = from.Read(buffer)) > 0;)
        {
            left -= read;
            if (left < 0)
            {
                return false;
            }

            to.Write(buffer.AsSpan(0, read));
        }

        (to as FileStream)?.Flush(flushToDisk: true);
        return true;
    }

    private static FileStream Create(string folder, string path, HashSet<string> made)
    {
        string file = Path.Combine(folder, path);
        string parent = Path.GetDirectoryName(file)!;
        for (string each = parent; made.Add(each); each = Path.GetDirectoryName(each)!)
        {
            Directory.CreateDirectory(each);
        }

        return new FileStream(file, FileMode.CreateNew, FileAccess.Write);
    }
}
