using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>
/// A signature over the exact bytes of a manifest, and so over every file whose hash it lists.
/// Pure but for the arithmetic. In DER, so that openssl makes and checks the same.
/// </summary>
/// <param name="KeyId">The key, by <see cref="IdOf"/>.</param>
/// <param name="Bytes">The signature.</param>
internal sealed record PluginSignature(string KeyId, byte[] Bytes)
{
    /// <summary>Name of its file beside the manifest.</summary>
    internal const string FileName = "plugin.sig";

    private const string Algorithm = "ecdsa-p256-sha256";
    private const string P256 = "1.2.840.10045.3.1.7";
    private const DSASignatureFormat Form = DSASignatureFormat.Rfc3279DerSequence;

    private static readonly JsonDocumentOptions EachKeyOnce =
        new() { AllowDuplicateProperties = false };

    /// <summary>A key's id: the SHA-256 of its public half as it stands in a PEM file.</summary>
    internal static string IdOf(ECDsa key) =>
        Convert.ToHexStringLower(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));

    /// <summary>Whether a key is of the one curve that signs plugins.</summary>
    internal static bool IsP256(ECDsa key) =>
        key.ExportParameters(includePrivateParameters: false).Curve is { IsNamed: true } curve
        && curve.Oid.Value == P256; // One that is spelled out in numbers has no name.

    /// <summary>Signs a manifest.</summary>
    internal static PluginSignature Make(ECDsa key, ReadOnlySpan<byte> manifest) => new(
        IdOf(key), key.SignData(manifest, HashAlgorithmName.SHA256, Form));

    /// <summary>Whether a key has signed just these bytes.</summary>
    internal bool Verifies(ECDsa key, ReadOnlySpan<byte> manifest) =>
        key.VerifyData(manifest, Bytes, HashAlgorithmName.SHA256, Form);

    /// <summary>The text of its file.</summary>
    internal byte[] ToFile() => Encoding.UTF8.GetBytes(new JsonObject
    {
        ["algorithm"] = Algorithm,
        ["keyId"] = KeyId,
        ["signature"] = Convert.ToBase64String(Bytes),
    }.ToJsonString() + "\n");

    /// <summary>Reads the text of its file.</summary>
    internal static Refusal? TryParse(
        ReadOnlyMemory<byte> text, string file, out PluginSignature? signature)
    {
        signature = null;
        string subject = $"signature {file}";
        try
        {
            using JsonDocument document = JsonDocument.Parse(text, EachKeyOnce);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || root.EnumerateObject().Count() != 3)
            {
                return new Refusal(subject, "algorithm, keyId and signature", "something else");
            }

            if (TextOf(root, "algorithm") is var algorithm && algorithm != Algorithm)
            {
                return new Refusal(subject, $"the algorithm {Algorithm}", $"\"{algorithm}\"");
            }

            string id = TextOf(root, "keyId");
            byte[] bytes = new byte[128];
            bool good = Convert.TryFromBase64String(
                    TextOf(root, "signature"), bytes, out int length)
                && id.Length == 64 && id.All(char.IsAsciiHexDigitLower);
            signature = good ? new PluginSignature(id, bytes[..length]) : null;
            return good ? null : new Refusal(
                subject, "a keyId in 64 lower hex digits and a signature in base64", "others");
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            return new Refusal(subject, "JSON", wrong.Message);
        }
    }

    private static string TextOf(JsonElement root, string key) =>
        root.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()! : "";
}
