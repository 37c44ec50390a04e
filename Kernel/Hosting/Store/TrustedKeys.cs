using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting.Store;

/// <summary>The public keys of those whose plugins are trusted, by id.</summary>
internal sealed class TrustedKeys
{
    private readonly Dictionary<string, (string Name, byte[] Key)> keys = [];

    /// <summary>Nobody.</summary>
    internal static TrustedKeys None { get; } = new();

    /// <summary>
    /// Reads every <c>*.pem</c> of a directory. A file that is no such key is passed over with a
    /// refusal: it must not keep those of others from being trusted.
    /// </summary>
    internal static TrustedKeys Load(string directory, out IReadOnlyList<Refusal> refusals)
    {
        TrustedKeys trusted = new();
        List<Refusal> refused = [];
        refusals = refused;
        try
        {
            foreach (string file in Directory.EnumerateFiles(directory, "*.pem")
                .Order(StringComparer.Ordinal).Take(Limits.TrustedKeysMax))
            {
                if (Read(file, out ECDsa? key) is { } refusal)
                {
                    refused.Add(refusal);
                    continue;
                }

                using (key)
                {
                    trusted.keys[PluginSignature.IdOf(key!)] =
                        (Path.GetFileNameWithoutExtension(file), key!.ExportSubjectPublicKeyInfo());
                }
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            refused.Add(new Refusal(
                $"trust directory {directory}", "a folder of public keys", failure.Message,
                "correct plugins.trust, or make the folder"));
        }

        return trusted;
    }

    /// <summary>A key's name and itself, to be disposed; null when it is not trusted.</summary>
    internal (string Name, ECDsa Key)? Find(string id)
    {
        if (!keys.TryGetValue(id, out (string Name, byte[] Key) found))
        {
            return null;
        }

        ECDsa key = ECDsa.Create();
        key.ImportSubjectPublicKeyInfo(found.Key, out _);
        return (found.Name, key);
    }

    /// <summary>Reads a private key, to sign with.</summary>
    /// <exception cref="RefusedException">There is none.</exception>
    internal static ECDsa ReadPrivate(string file)
    {
        ECDsa key = ECDsa.Create();
        try
        {
            key.ImportFromPem(Text(file));
            _ = key.ExportParameters(includePrivateParameters: true);
            if (PluginSignature.IsP256(key))
            {
                return key;
            }
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException
            or NotSupportedException)
        {
            key.Dispose();
            throw new RefusedException(
                new Refusal($"key {file}", "a private key in PEM", failure.Message), failure);
        }

        key.Dispose();
        throw new RefusedException(
            new Refusal($"key {file}", "a key of the curve P-256", "another curve"));
    }

    private static Refusal? Read(string file, out ECDsa? key)
    {
        key = null;
        string subject = $"trusted key {file}";
        ECDsa read = ECDsa.Create();
        try
        {
            string text = Text(file);
            if (text.Contains("PRIVATE", StringComparison.Ordinal))
            {
                read.Dispose();
                return new Refusal(
                    subject, "a public key", "a private one",
                    "take it away at once: whoever has read it can sign");
            }

            read.ImportFromPem(text);
            if (PluginSignature.IsP256(read))
            {
                key = read;
                return null;
            }

            read.Dispose();
            return new Refusal(subject, "a key of the curve P-256", "another curve");
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException
            or NotSupportedException or IOException or UnauthorizedAccessException)
        {
            read.Dispose();
            return new Refusal(subject, "a public key in PEM", failure.Message);
        }
    }

    private static string Text(string file)
    {
        FileInfo info = new(file);
        return info.Exists && info.Length <= Limits.SignatureBytesMax
            ? File.ReadAllText(file)
            : throw new IOException(info.Exists
                ? $"{file} has {info.Length} bytes, at most {Limits.SignatureBytesMax} are read"
                : $"there is no {file}");
    }
}
