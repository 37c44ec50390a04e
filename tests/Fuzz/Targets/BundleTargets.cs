using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Fuzz.Targets;

/// <summary>A plugin's bundle, as it comes from anybody.</summary>
internal sealed class BundleTarget : Target
{
    private const int EndBytes = 22;

    /// <inheritdoc/>
    public override string Name => "bundle";

    /// <inheritdoc/>
    public override int BytesMax => 2048;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
        ["StorageOs.Kernel.Hosting.Store.BundleReader", "StorageOs.Kernel.Hosting.PluginPath"];

    /// <summary>The runtime's reader of zips has buffers of its own, for each file.</summary>
    public override long AllocatedMax(int bytes) => 4_000_000 + (16_384L * bytes);

    /// <inheritdoc/>
    public override long StepsMax(int bytes) => 1_000_000 + (1_000L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() =>
    [
        Zip(CompressionLevel.NoCompression, "plugin.json", "plugin.dll"),
        Zip(CompressionLevel.Optimal, "plugin.json", "runtimes/linux-x64/native/a.so", "d/"),
        Zip(CompressionLevel.NoCompression, "../plugin.json", "plugin.json", "/etc/passwd", "a\\b"),
    ];

    /// <summary>Has the end of the zip say where its directory lies.</summary>
    public override void Repair(Span<byte> input)
    {
        int directory = input.IndexOf("PK\u0001\u0002"u8);
        if (input.Length < EndBytes || directory < 0 || directory > input.Length - EndBytes)
        {
            return;
        }

        Span<byte> end = input[^EndBytes..];
        "PK\u0005\u0006"u8.CopyTo(end);
        BinaryPrimitives.WriteInt32LittleEndian(end[12..], input.Length - EndBytes - directory);
        BinaryPrimitives.WriteInt32LittleEndian(end[16..], directory);
        BinaryPrimitives.WriteInt16LittleEndian(end[20..], 0);
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        HashSet<string> made = [];
        long unpacked = 0;
        using MemoryStream zip = new(input.ToArray());
        Refusal? refusal = BundleReader.TryRead(zip, "bundle", Create);
        Promise.Require(
            refusal is not null || made.Contains(ManifestReader.FileName),
            "what is no plugin is refused");
        Promise.Require(
            refusal is null || refusal.Expected.Length > 0, "what is refused is told why");

        Stream Create(string path)
        {
            Promise.Require(
                Path.GetFullPath(path, "/plugin").StartsWith("/plugin/", StringComparison.Ordinal),
                "a file lies in the plugin's folder");
            Promise.Require(made.Add(path), "a file is made once");
            return new CountedStream(count => Promise.Require(
                (unpacked += count) <= StorageOs.Kernel.Limits.BundleUnpackedBytesMax,
                "no more is written than the limit"));
        }
    }

    private static byte[] Zip(CompressionLevel level, params string[] names)
    {
        using MemoryStream zip = new();
        using (ZipArchive archive = new(zip, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (string name in names)
            {
                ZipArchiveEntry entry = archive.CreateEntry(name, level);
                entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
                if (!name.EndsWith('/'))
                {
                    using Stream into = entry.Open();
                    into.Write(Encoding.UTF8.GetBytes($"{name}{name}"));
                }
            }
        }

        return zip.ToArray();
    }

    private sealed class CountedStream(Action<int> count) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => count(buffer.Length);
    }
}

/// <summary>The signature beside a manifest.</summary>
internal sealed class SignatureTarget : Target
{
    /// <inheritdoc/>
    public override string Name => "signature";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
        ["StorageOs.Kernel.Hosting.Store.PluginSignature"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 64_000 + (256L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds() =>
    [
        new PluginSignature(new string('a', 64), [1, 2, 3]).ToFile(),
        """{"algorithm":"ecdsa-p256-sha256","keyId":5,"signature":""}"""u8.ToArray(),
    ];

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        Refusal? refusal = PluginSignature.TryParse(
            input.ToArray(), "plugin.sig", out PluginSignature? signature);
        Promise.Require(
            refusal is null == signature is not null, "what is refused is told why");
        if (signature is not null)
        {
            _ = PluginSignature.TryParse(signature.ToFile(), "again", out PluginSignature? again);
            Promise.Require(
                again?.KeyId == signature.KeyId
                    && again.Bytes.AsSpan().SequenceEqual(signature.Bytes),
                "what was read can be written and read again");
        }
    }
}

/// <summary>What a store keeps of a plugin.</summary>
internal sealed class StoreStateTarget : Target
{
    private const string Id = "v.n";

    /// <inheritdoc/>
    public override string Name => "store-state";

    /// <inheritdoc/>
    public override IReadOnlyList<string> Types =>
        ["StorageOs.Kernel.Hosting.Store.StoreEntry", "StorageOs.Kernel.Hosting.PluginPath"];

    /// <inheritdoc/>
    public override long AllocatedMax(int bytes) => 64_000 + (256L * bytes);

    /// <inheritdoc/>
    public override IEnumerable<byte[]> Seeds()
    {
        StoreEntry entry = StoreEntry.New(Id, DateTimeOffset.UnixEpoch)
            .Install("1.0", DateTimeOffset.UnixEpoch).Upgrade("1.1", DateTimeOffset.UnixEpoch);
        return
        [
            Encoding.UTF8.GetBytes(StoreEntryText.Of(entry)),
            Encoding.UTF8.GetBytes(StoreEntryText.Of(
                entry.Fail("a", DateTimeOffset.UnixEpoch).Fail("b", DateTimeOffset.UnixEpoch)
                    .Fail("c", DateTimeOffset.UnixEpoch))),
        ];
    }

    /// <inheritdoc/>
    public override void Run(ReadOnlySpan<byte> input)
    {
        Refusal? refusal = StoreEntryText.TryParse(
            input.ToArray(), Id, "state.json", out StoreEntry? entry);
        Promise.Require(refusal is null == entry is not null, "what is refused is told why");
        if (entry is not null)
        {
            Promise.Require(
                entry.Kept.All(static version => Path.GetFullPath(version, "/store/v.n")
                    == $"/store/v.n/{version}"),
                "a version's folder lies in its plugin's");
            _ = StoreEntryText.TryParse(
                Encoding.UTF8.GetBytes(StoreEntryText.Of(entry)), Id, "again",
                out StoreEntry? again);
            Promise.Require(
                again is not null && StoreEntryText.Of(again) == StoreEntryText.Of(entry),
                "what was read can be written and read again");
        }
    }
}
