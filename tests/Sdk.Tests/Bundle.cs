using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace StorageOs.Sdk.Tests;

/// <summary>What is in a bundle.</summary>
internal sealed class Bundle
{
    private Bundle(SortedDictionary<string, byte[]> files, JsonObject manifest) =>
        (Files, Manifest) = (files, manifest);

    /// <summary>Files by path.</summary>
    public SortedDictionary<string, byte[]> Files { get; }

    /// <summary>The manifest.</summary>
    public JsonObject Manifest { get; }

    /// <summary>Reads one, and checks what is so of every bundle.</summary>
    public static Bundle Read(string path)
    {
        SortedDictionary<string, byte[]> files = new(StringComparer.Ordinal);
        using ZipArchive archive = ZipFile.OpenRead(path);
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            using MemoryStream bytes = new();
            using Stream stream = entry.Open();
            stream.CopyTo(bytes);
            files[entry.FullName] = bytes.ToArray();
            Assert.Equal(1980, entry.LastWriteTime.Year);
        }

        Assert.Equal(files.Keys, archive.Entries.Select(static entry => entry.FullName));
        JsonObject manifest = JsonNode.Parse(files["plugin.json"])!.AsObject();
        JsonObject sums = manifest["files"]!.AsObject();
        Assert.Equal(
            files.Keys.Where(static name => name != "plugin.json"),
            sums.Select(static sum => sum.Key).Order(StringComparer.Ordinal));
        Assert.All(sums, sum => Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(files[sum.Key])), $"{sum.Value}"));
        return new(files, manifest);
    }
}
