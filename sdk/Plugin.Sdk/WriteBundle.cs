using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Build.Framework;

namespace StorageOs.Plugin.Sdk;

/// <summary>
/// Makes one file of a plugin's folder: an archive with the manifest at its root, in which
/// <c>files</c> has the checksum of every other file. One folder makes one and the same file, byte
/// for byte, wherever and whenever it is made.
/// </summary>
public sealed class WriteBundle : PluginTask
{
    /// <summary>Name of the manifest.</summary>
    internal const string ManifestName = "plugin.json";

    // A file that its owner may write and all may read, as Unix has it in the upper half.
    private const int Mode = 0x81A4 << 16;

    // The first that the format knows.
    private static readonly DateTimeOffset Time = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>The plugin's folder.</summary>
    [Required]
    public string Folder { get; set; } = "";

    /// <summary>The folder to put the bundle into.</summary>
    [Required]
    public string Into { get; set; } = "";

    /// <summary>The bundle that was made.</summary>
    [Output]
    public string Bundle { get; set; } = "";

    /// <inheritdoc/>
    protected override void Run()
    {
        string manifest = Path.Combine(Folder, ManifestName);
        if (!File.Exists(manifest))
        {
            Refuse("SOS002", manifest, 0, "expected a manifest, found nothing; build first");
            return;
        }

        SortedDictionary<string, byte[]> files = Files(Folder);
        JsonObject root = JsonNode.Parse(files[ManifestName])!.AsObject();
        files[ManifestName] = WithFiles(root, files);
        if (files[ManifestName].Length > ManifestCheck.BytesMax)
        {
            Refuse(
                "SOS002", manifest, 0, $"expected at most {ManifestCheck.BytesMax} bytes with its"
                + $" {files.Count - 1} files, found {files[ManifestName].Length}");
            return;
        }

        _ = Directory.CreateDirectory(Into);
        Bundle = Path.GetFullPath(
            Path.Combine(Into, $"{root["id"]}.{root["version"]}.sosplugin"));
        Write(Bundle, files);
    }

    /// <summary>Every file of a folder, by its path below it with slashes, in one order.</summary>
    internal static SortedDictionary<string, byte[]> Files(string folder)
    {
        SortedDictionary<string, byte[]> files = new(StringComparer.Ordinal);
        foreach (string file in Directory.EnumerateFiles(
            folder, "*", SearchOption.AllDirectories))
        {
            string path = Path.GetRelativePath(folder, file).Replace('\\', '/');
            files[path] = File.ReadAllBytes(file);
        }

        return files;
    }

    /// <summary>The manifest with the checksums of the other files.</summary>
    internal static byte[] WithFiles(
        JsonObject manifest, IReadOnlyDictionary<string, byte[]> files)
    {
        JsonObject sums = [];
        foreach ((string path, byte[] bytes) in files)
        {
            if (path != ManifestName)
            {
                sums[path] = Convert.ToHexStringLower(SHA256.HashData(bytes));
            }
        }

        manifest["files"] = sums;
        return Encoding.UTF8.GetBytes(manifest.ToJsonString(WriteManifest.Style) + "\n");
    }

    // Beside its place first: half a bundle never has the name of a whole one.
    private static void Write(string bundle, IReadOnlyDictionary<string, byte[]> files)
    {
        string half = bundle + ".half";
        using (ZipArchive archive = new(File.Create(half), ZipArchiveMode.Create))
        {
            foreach ((string path, byte[] bytes) in files)
            {
                ZipArchiveEntry entry = archive.CreateEntry(path, CompressionLevel.Optimal);
                entry.LastWriteTime = Time;
                entry.ExternalAttributes = Mode;
                using Stream stream = entry.Open();
                stream.Write(bytes);
            }
        }

        File.Move(half, bundle, overwrite: true);
    }
}
