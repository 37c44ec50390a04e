using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Hosting;
using StorageOs.Kernel.Hosting.Store;

namespace StorageOs.Kernel.Tests;

/// <summary>Bundles as they are packed, signed and read, good ones and hostile ones.</summary>
public sealed class BundleTests : IDisposable
{
    private readonly TestFolder folder = new();

    public BundleTests() =>
        PluginBuilder.Put(Sources, "acme.good", PluginBuilder.ClientPlugin("good"));

    private string Sources => folder.File("sources");

    private string Source => Path.Combine(Sources, "acme.good");

    public void Dispose() => folder.Dispose();

    [Fact]
    public void What_is_packed_can_be_loaded_and_is_the_same_each_time()
    {
        Directory.CreateDirectory(Path.Combine(Source, "native"));
        File.WriteAllText(Path.Combine(Source, "native", "more.txt"), "more");
        string first = Pack();
        byte[] bytes = File.ReadAllBytes(first);
        File.SetLastWriteTimeUtc(Path.Combine(Source, "acme.good.dll"), DateTime.UnixEpoch);
        Assert.Equal(bytes, File.ReadAllBytes(Pack()));
        Assert.EndsWith("acme.good.1.0.0.sosplugin", first, StringComparison.Ordinal);
        PluginInspection inspection = Inspect(first);
        Assert.Null(inspection.Error);
        Assert.Equal(
            ["acme.good.dll", "native/more.txt"],
            inspection.Manifest!.Files!.Keys.Order(StringComparer.Ordinal));
        Assert.Contains(
            inspection.Findings, finding => finding.Refusal.Actual == "no signature");
    }

    [Fact]
    public void A_signature_by_a_trusted_key_is_known_and_by_another_it_is_not()
    {
        string bundle = Pack();
        using ECDsa ours = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using ECDsa other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        BundleWriter.AddSignature(bundle, manifest => PluginSignature.Make(ours, manifest));
        PluginInspection good = Inspect(bundle, Trust(ours, required: true));
        Assert.Null(good.Error);
        Assert.Equal(SignatureState.Known, good.Manifest!.Signature);

        PluginInspection unknown = Inspect(bundle, Trust(other, required: true));
        Assert.Equal(FindingKind.Unsigned, unknown.Error!.Kind);
        Assert.Contains(
            $"the unknown key {PluginSignature.IdOf(ours)}", unknown.Error.Refusal.Actual,
            StringComparison.Ordinal);
        Assert.Null(Inspect(bundle, Trust(other, required: false)).Error);
    }

    [Fact]
    public void What_is_not_signed_is_refused_where_signatures_are_required()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        PluginInspection inspection = Inspect(Pack(), Trust(key, required: true));
        Assert.Equal(FindingKind.Unsigned, inspection.Error!.Kind);
        Assert.Equal("no signature", inspection.Error.Refusal.Actual);
    }

    [Fact]
    public void A_manifest_that_was_changed_after_it_was_signed_is_modified()
    {
        string bundle = Pack();
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        BundleWriter.AddSignature(bundle, manifest => PluginSignature.Make(key, manifest));
        Rewrite(bundle, "plugin.json", text => text.Replace("\"own\"", "\"storage\""));
        PluginInspection inspection = Inspect(bundle, Trust(key, required: false));
        Assert.Equal(FindingKind.Modified, inspection.Error!.Kind);
        Assert.Contains("the signature of key0", inspection.Error.Refusal.Expected);
    }

    [Fact]
    public void Openssl_says_the_same_of_a_signature()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] manifest = Encoding.UTF8.GetBytes("{}");
        PluginSignature made = PluginSignature.Make(key, manifest);
        Assert.Null(PluginSignature.TryParse(made.ToFile(), "s", out PluginSignature? read));
        Assert.Equal(made.KeyId, read!.KeyId);
        Assert.True(read.Verifies(key, manifest));
        Assert.False(read.Verifies(key, "{ }"u8));
        Assert.Equal(0x30, made.Bytes[0]); // A sequence of DER, which openssl dgst -verify takes.
    }

    [Theory]
    [InlineData("{}", "algorithm, keyId and signature")]
    [InlineData("[]", "algorithm, keyId and signature")]
    [InlineData("rubbish", "JSON")]
    [InlineData("""{"algorithm":"none","keyId":"","signature":""}""", "ecdsa-p256-sha256")]
    [InlineData(
        """{"algorithm":"ecdsa-p256-sha256","keyId":"x","signature":"-"}""", "64 lower hex digits")]
    public void A_signature_that_is_none_is_refused(string text, string expected)
    {
        Refusal? refusal = PluginSignature.TryParse(Encoding.UTF8.GetBytes(text), "s", out _);
        Assert.Contains(expected, refusal!.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void A_private_key_among_the_trusted_ones_is_told_and_not_trusted()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using ECDsa curve = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        Directory.CreateDirectory(folder.File("trust"));
        File.WriteAllText(folder.File("trust/a.pem"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(folder.File("trust/b.pem"), "rubbish");
        File.WriteAllText(folder.File("trust/c.pem"), curve.ExportSubjectPublicKeyInfoPem());
        File.WriteAllText(folder.File("trust/d.pem"), key.ExportSubjectPublicKeyInfoPem());
        TrustedKeys keys = TrustedKeys.Load(
            folder.File("trust"), out IReadOnlyList<Refusal> refusals);
        Assert.Equal(
            ["a private one", "another curve"],
            refusals.Select(refusal => refusal.Actual).Where(text => !text.Contains("PEM")));
        Assert.Equal(3, refusals.Count);
        Assert.Equal("d", keys.Find(PluginSignature.IdOf(key))!.Value.Name);
    }

    [Theory]
    [InlineData("acme.good.dll", "file acme.good.dll")]
    [InlineData("native/more.txt", "file native/more.txt")]
    public void A_file_that_differs_from_its_hash_is_named(string path, string named)
    {
        Directory.CreateDirectory(Path.Combine(Source, "native"));
        File.WriteAllText(Path.Combine(Source, "native", "more.txt"), "more");
        string bundle = Pack();
        Rewrite(bundle, path, static _ => "other");
        Finding error = Inspect(bundle).Error!;
        Assert.Equal(FindingKind.Modified, error.Kind);
        Assert.Contains(named, error.Refusal.Subject, StringComparison.Ordinal);
        Assert.Contains("the SHA-256 ", error.Refusal.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_too_many_and_one_too_few_are_named()
    {
        string bundle = Pack();
        Change(bundle, zip => zip.CreateEntry("extra.so"));
        Assert.Contains("file extra.so: expected only files", $"{Inspect(bundle).Error!.Refusal}");
        Change(bundle, zip => zip.GetEntry("extra.so")!.Delete());
        Assert.Null(Inspect(bundle).Error);
        Rewrite(bundle, "plugin.json", text => text.Replace(
            "\"files\": {", $"\"files\": {{ \"gone\": \"{new string('0', 64)}\","));
        Assert.Contains("file gone: expected to be there", $"{Inspect(bundle).Error!.Refusal}");
    }

    [Fact]
    public void A_bundle_without_hashes_is_refused_and_a_folder_without_them_is_not()
    {
        string bundle = Pack();
        Rewrite(bundle, "plugin.json", _ => File.ReadAllText(Path.Combine(Source, "plugin.json")));
        Assert.Contains("key files", Inspect(bundle).Error!.Refusal.Subject);
        Assert.Null(Validation.OfFolder(
            Source, PluginTrust.Anybody, PluginOrigin.Directory).Error);
    }

    [Theory]
    [InlineData("../evil", "\"../evil\"")]
    [InlineData("a/../../evil", "\"a/../../evil\"")]
    [InlineData("/etc/evil", "\"/etc/evil\"")]
    [InlineData("a//b", "\"a//b\"")]
    [InlineData("a\\..\\evil", "backslash")]
    [InlineData("c:evil", "colon")]
    [InlineData("evil\u0000.dll", "printable")]
    [InlineData("évil", "printable")]
    public void A_name_that_leads_out_of_the_folder_is_refused(string name, string found)
    {
        string bundle = Pack();
        Change(bundle, zip => zip.CreateEntry(name));
        Refusal refusal = Inspect(bundle).Error!.Refusal;
        Assert.Contains("a file's name", refusal.Subject, StringComparison.Ordinal);
        Assert.Contains(found, refusal.Actual, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("evil")));
    }

    [Theory]
    [InlineData(0xA1FF, "a link")]
    [InlineData(0x21B6, "a device")]
    [InlineData(0x41FF, "a device")]
    public void What_is_no_ordinary_file_is_refused(int mode, string found)
    {
        string bundle = Pack();
        Change(bundle, zip =>
        {
            ZipArchiveEntry link = zip.CreateEntry("link");
            link.ExternalAttributes = mode << 16;
            using StreamWriter to = new(link.Open());
            to.Write("/etc/passwd");
        });
        Refusal refusal = Inspect(bundle).Error!.Refusal;
        Assert.EndsWith("file link", refusal.Subject, StringComparison.Ordinal);
        Assert.Equal(found, refusal.Actual);
    }

    [Fact]
    public void A_name_that_comes_twice_is_refused()
    {
        string bundle = Pack();
        Change(bundle, zip => zip.CreateEntry("acme.good.dll"));
        Assert.Equal("twice", Inspect(bundle).Error!.Refusal.Actual);
    }

    [Fact]
    public void A_file_that_is_a_folder_as_well_is_refused()
    {
        string bundle = Pack();
        Change(bundle, zip => zip.CreateEntry("acme.good.dll/inner"));
        Assert.NotNull(Inspect(bundle).Error);
    }

    [Fact]
    public void A_few_bytes_that_become_a_great_many_are_refused_before_they_fill_the_disk()
    {
        string bundle = Pack();
        Change(bundle, zip =>
        {
            using Stream bomb = zip.CreateEntry("bomb", CompressionLevel.Fastest).Open();
            byte[] zeros = new byte[1 << 20];
            for (long left = Limits.BundleUnpackedBytesMax + 1; left > 0; left -= zeros.Length)
            {
                bomb.Write(zeros);
            }
        });
        Assert.True(new FileInfo(bundle).Length < 8 << 20);
        long unpacked = 0;
        using FileStream file = File.OpenRead(bundle);
        Refusal? refusal = BundleReader.TryRead(
            file, "bundle", _ => new CountingStream(count => unpacked += count));
        Assert.Contains("bomb", refusal!.Subject, StringComparison.Ordinal);
        Assert.Equal("more", refusal.Actual);
        Assert.True(unpacked <= Limits.BundleUnpackedBytesMax);
    }

    [Fact]
    public void Too_many_files_are_refused_by_their_number_alone()
    {
        string bundle = Pack();
        Change(bundle, zip =>
        {
            for (int index = 0; index < Limits.PluginFilesMax; index++)
            {
                zip.CreateEntry($"file{index}");
            }
        });
        Refusal refusal = Inspect(bundle).Error!.Refusal;
        Assert.Contains($"{Limits.PluginFilesMax + 2} files", refusal.Actual);
    }

    [Fact]
    public void A_zip_whose_true_number_of_files_is_elsewhere_is_refused()
    {
        string bundle = Pack();
        byte[] whole = File.ReadAllBytes(bundle);
        whole.AsSpan(whole.Length - 18, 4).Fill(0xFF);
        File.WriteAllBytes(bundle, whole);
        Assert.Equal("one of several parts", Inspect(bundle).Error!.Refusal.Actual);
    }

    [Fact]
    public void A_bundle_that_is_too_large_is_refused_unread()
    {
        string bundle = folder.File("large.sosplugin");
        using (FileStream file = File.Create(bundle))
        {
            file.SetLength(Limits.BundleBytesMax + 1);
        }

        Assert.Equal(
            $"a file of at most {Limits.BundleBytesMax} bytes",
            Inspect(bundle).Error!.Refusal.Expected);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(22)]
    [InlineData(300)]
    [InlineData(1000)]
    public void A_bundle_that_was_cut_short_is_refused(int bytes)
    {
        string bundle = Pack();
        byte[] whole = File.ReadAllBytes(bundle);
        File.WriteAllBytes(bundle, whole[..^bytes]);
        Refusal refusal = Inspect(bundle).Error!.Refusal;
        Assert.Contains("a whole zip", refusal.Expected, StringComparison.Ordinal);
        Assert.Contains("no end of a zip", refusal.Actual, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bundle_whose_middle_is_missing_is_refused()
    {
        string bundle = Pack();
        byte[] whole = File.ReadAllBytes(bundle);
        File.WriteAllBytes(bundle, [.. whole[..100], .. whole[200..]]);
        Assert.Contains("a directory that does not end", Inspect(bundle).Error!.Refusal.Actual);
    }

    [Fact]
    public void A_bundle_of_something_else_is_refused()
    {
        string bundle = Pack();
        Change(bundle, zip => zip.GetEntry("plugin.json")!.Delete());
        Assert.Equal("plugin.json at its root", Inspect(bundle).Error!.Refusal.Expected);
    }

    [Fact]
    public void A_version_that_names_no_folder_is_not_packed()
    {
        PluginBuilder.Put(Sources, "acme.odd", PluginBuilder.ClientPlugin("odd"), version: "../1");
        RefusedException refused = Assert.Throws<RefusedException>(() => BundleWriter.Pack(
            Path.Combine(Sources, "acme.odd"), folder.Path));
        Assert.Contains("key version", refused.Refusal.Subject, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_with_a_link_is_not_packed_and_does_not_pass_for_what_it_leads_to()
    {
        string outside = folder.File("outside.txt");
        File.WriteAllText(outside, "text");
        string inside = Path.Combine(Source, "inside.txt");
        File.CreateSymbolicLink(inside, outside);
        RefusedException refused = Assert.Throws<RefusedException>(() => Pack());
        Assert.Equal("a link", refused.Refusal.Actual);

        JsonNode manifest = JsonNode.Parse(File.ReadAllText(Path.Combine(Source, "plugin.json")))!;
        manifest["files"] = new JsonObject
        {
            ["acme.good.dll"] = PluginInspection.HashOf(Path.Combine(Source, "acme.good.dll")),
            ["inside.txt"] = PluginInspection.HashOf(outside),
        };
        File.WriteAllText(Path.Combine(Source, "plugin.json"), manifest.ToJsonString());
        Finding error = PluginInspection.Of(
            Source, PluginTrust.Anybody, PluginOrigin.Directory).Error!;
        Assert.Equal(FindingKind.Modified, error.Kind);
        Assert.Equal("a link", error.Refusal.Actual);
    }

    [Theory]
    [InlineData("\"Entry\"", "\"Gone\"", "no such type", "refused")]
    [InlineData("\"0.1\", \"max\"", "\"0.2\", \"max\"", "0.2 to 0.1", "not supported")]
    public void What_loading_would_refuse_is_seen_without_loading(
        string text, string replacement, string found, string standing)
    {
        string file = Path.Combine(Source, "plugin.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace(text, replacement));
        Finding error = Validation.OfFolder(
            Source, PluginTrust.Anybody, PluginOrigin.Directory).Error!;
        Assert.Contains(found, error.Refusal.Actual, StringComparison.Ordinal);
        Assert.Equal(standing, PluginStanding.Of(error.Kind));
    }

    [Fact]
    public void All_that_is_wrong_is_told_at_once()
    {
        File.WriteAllText(Path.Combine(Source, "plugin.json"), """
            {
              "id": "..", "kind": "sausage", "colour": "red", "assembly": "a/b",
              "contracts": { "min": "9.0", "max": "9.1" }, "limits": { "threads": 1 },
              "files": { "../x": "y" }, "maturity": "ripe"
            }
            """);
        PluginInspection inspection = Validation.OfFolder(
            Source, PluginTrust.Anybody, PluginOrigin.Directory);
        string[] keys =
        [
            "colour", "id", "version", "kind", "contracts", "assembly", "type", "limits:threads",
            "files", "files:../x", "maturity",
        ];
        Assert.All(keys, key => Assert.Contains(
            inspection.Findings, finding => finding.Refusal.Subject.EndsWith($"key {key}")));
        Assert.Equal(
            FindingKind.NotSupported,
            inspection.Findings.Single(f => f.Refusal.Subject.EndsWith("contracts")).Kind);
    }

    private string Pack() => BundleWriter.Pack(Source, folder.Path);

    private PluginInspection Inspect(string bundle, PluginTrust? trust = null)
    {
        string into = Directory.CreateDirectory(folder.File(Path.GetRandomFileName())).FullName;
        return Validation.OfBundle(bundle, into, trust ?? PluginTrust.Anybody);
    }

    private PluginTrust Trust(ECDsa key, bool required)
    {
        string directory = Directory.CreateDirectory(
            folder.File(Path.GetRandomFileName())).FullName;
        File.WriteAllText(
            Path.Combine(directory, "key0.pem"), key.ExportSubjectPublicKeyInfoPem());
        TrustedKeys keys = TrustedKeys.Load(directory, out IReadOnlyList<Refusal> refusals);
        Assert.Empty(refusals);
        return new PluginTrust(keys, required);
    }

    private static void Change(string bundle, Action<ZipArchive> change)
    {
        using ZipArchive zip = ZipFile.Open(bundle, ZipArchiveMode.Update);
        change(zip);
    }

    private static void Rewrite(string bundle, string path, Func<string, string> change) =>
        Change(bundle, zip =>
        {
            ZipArchiveEntry entry = zip.GetEntry(path)!;
            string text;
            using (StreamReader reader = new(entry.Open()))
            {
                text = reader.ReadToEnd();
            }

            entry.Delete();
            using StreamWriter writer = new(zip.CreateEntry(path).Open());
            writer.Write(change(text));
        });

    /// <summary>Counts what is written and keeps nothing.</summary>
    private sealed class CountingStream(Action<int> count) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => count(buffer.Length);
    }
}
