using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration.Interop;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// Makes bundles: the same files make the same bytes, whoever packs them and when, with one version
/// of .NET (another may compress otherwise; what is signed are hashes of the files).
/// </summary>
internal static class BundleWriter
{
    // Zip knows no time before; a time of packing would make each bundle another one.
    private static readonly DateTimeOffset Epoch = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private const int OrdinaryFile = 0x81A4 << 16; // A file that all may read, 0644.

    /// <summary>Packs a plugin's folder, with the hashes of its files in the manifest.</summary>
    /// <param name="folder">The plugin's folder.</param>
    /// <param name="into">The folder for the bundle.</param>
    /// <param name="isGood">
    /// Looks at what was made before it takes the place of an older bundle; null: it is good.
    /// </param>
    /// <returns>Full path of the bundle.</returns>
    /// <exception cref="RefusedException">The folder holds none that can be packed.</exception>
    internal static string Pack(string folder, string into, Func<string, bool>? isGood = null)
    {
        if (ManifestReader.Read(folder, out PluginManifest? manifest, out byte[] text)
            .FirstOrDefault(static finding => finding.IsError) is { } wrong)
        {
            throw new RefusedException(wrong.Refusal);
        }

        if (!PluginPath.IsVersion(manifest!.Version))
        {
            throw new RefusedException(new Refusal(
                $"manifest of {manifest.Id}, key version",
                "a digit, then letters, digits, dots, dashes and plus", manifest.Version));
        }

        string target = Path.Combine(
            Path.GetFullPath(into), $"{manifest.Id}.{manifest.Version}{BundleReader.Extension}");
        SortedDictionary<string, byte[]> files = ReadFolder(folder, target);
        files[ManifestReader.FileName] = WithHashes(text, files);
        if (files[ManifestReader.FileName].Length > Limits.ManifestBytesMax)
        {
            throw new RefusedException(new Refusal(
                $"manifest of {manifest.Id}",
                $"at most {Limits.ManifestBytesMax} bytes with the hashes of all files",
                $"{files[ManifestReader.FileName].Length}"));
        }

        Write(target, files, isGood);
        return target;
    }

    /// <summary>Puts a signature into a bundle in place of any that is there.</summary>
    internal static void AddSignature(string bundle, Func<byte[], PluginSignature> sign)
    {
        SortedDictionary<string, MemoryStream> read = new(StringComparer.Ordinal);
        using (FileStream zip = File.OpenRead(bundle))
        {
            if (BundleReader.TryRead(zip, $"bundle {bundle}", Create) is { } refusal)
            {
                throw new RefusedException(refusal);
            }
        }

        SortedDictionary<string, byte[]> files = new(
            read.ToDictionary(pair => pair.Key, pair => pair.Value.ToArray()),
            StringComparer.Ordinal);
        files[PluginSignature.FileName] = sign(files[ManifestReader.FileName]).ToFile();
        Write(bundle, files);

        MemoryStream Create(string path) => read[path] = new MemoryStream();
    }

    private static SortedDictionary<string, byte[]> ReadFolder(string folder, string target)
    {
        SortedDictionary<string, byte[]> files = new(StringComparer.Ordinal);
        string root = Path.GetFullPath(folder).TrimEnd('/');
        if (target.StartsWith(root + '/', StringComparison.Ordinal))
        {
            throw new RefusedException(new Refusal(
                $"bundle {target}", "a place outside the plugin's folder", "one within it",
                "say where it goes with --into DIR"));
        }

        long bytes = 0;
        foreach (FileSystemInfo entry in new DirectoryInfo(root).EnumerateFileSystemInfos(
            "*", SearchOption.AllDirectories))
        {
            string path = Path.GetRelativePath(root, entry.FullName);
            string? problem = entry.LinkTarget is not null ? "a link"
                : entry is FileInfo && !Statx.IsFile(entry.FullName) ? "a pipe or device"
                : PluginPath.Problem(path);
            if (problem is not null)
            {
                throw new RefusedException(new Refusal(
                    $"file {path}", "a file, " + PluginPath.Expected, problem));
            }

            if (entry is FileInfo file && path is not PluginSignature.FileName)
            {
                bytes += file.Length;
                if (bytes > Limits.BundleUnpackedBytesMax || files.Count == Limits.PluginFilesMax)
                {
                    throw new RefusedException(new Refusal(
                        $"folder {root}",
                        $"at most {Limits.PluginFilesMax} files of together"
                        + $" {Limits.BundleUnpackedBytesMax} bytes", "more"));
                }

                files[path] = File.ReadAllBytes(file.FullName);
            }
        }

        return files;
    }

    private static byte[] WithHashes(byte[] manifest, SortedDictionary<string, byte[]> files)
    {
        JsonObject hashes = [];
        foreach ((string path, byte[] content) in files)
        {
            if (path is not ManifestReader.FileName)
            {
                hashes[path] = Convert.ToHexStringLower(
                    System.Security.Cryptography.SHA256.HashData(content));
            }
        }

        JsonObject document = JsonNode.Parse(manifest)!.AsObject();
        document[ManifestReader.FilesKey] = hashes;
        return Encoding.UTF8.GetBytes(document.ToJsonString(Indented) + "\n");
    }

    private static void Write(
        string target, SortedDictionary<string, byte[]> files, Func<string, bool>? isGood = null)
    {
        string made = target + ".new";
        using (FileStream zip = File.Create(made))
        {
            using (ZipArchive archive = new(zip, ZipArchiveMode.Create, leaveOpen: true))
            {
                foreach ((string path, byte[] content) in files)
                {
                    ZipArchiveEntry entry = archive.CreateEntry(path, CompressionLevel.Optimal);
                    entry.LastWriteTime = Epoch;
                    entry.ExternalAttributes = OrdinaryFile;
                    using Stream into = entry.Open();
                    into.Write(content);
                }
            }

            zip.Flush(flushToDisk: true);
        }

        if (isGood is not null && !isGood(made))
        {
            File.Delete(made); // Nobody could install it.
            return;
        }

        File.Move(made, target, overwrite: true);
        StableFile.FlushName(target);
    }
}
