using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace StorageOs.Witness.Etcd;

/// <summary>TLS to etcd, of the files that the settings name.</summary>
internal static class TlsFiles
{
    /// <summary>
    /// Members must show a certificate of the authority (without one, of any that this machine
    /// trusts) that names the host they are reached by; this node shows its own when asked.
    /// </summary>
    public static SslClientAuthenticationOptions Options(
        string? authority, string? certificate, string? key)
    {
        SslClientAuthenticationOptions options = new();
        if (authority is not null)
        {
            options.CertificateChainPolicy = Trust(authority);
        }

        if (certificate is not null)
        {
            string chain = SecretFile.PublicText("clientCertificate", certificate);
            string secret = SecretFile.Text("clientKey", key!);
            options.ClientCertificates = [Parsed(
                "clientCertificate", $"PEM, with the key of clientKey: {certificate}",
                () => X509Certificate2.CreateFromPem(chain, secret))];
        }

        return options;
    }

    private static X509ChainPolicy Trust(string authority)
    {
        string text = SecretFile.PublicText("ca", authority);
        X509ChainPolicy policy = new()
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck, // A private authority has no list of them.
        };
        string expected = $"PEM with one certificate or several: {authority}";
        _ = Parsed("ca", expected, () =>
        {
            policy.CustomTrustStore.ImportFromPem(text);
            return policy;
        });
        return policy.CustomTrustStore.Count > 0
            ? policy
            : throw EtcdSettings.Refused("ca", expected, "none");
    }

    private static T Parsed<T>(string key, string expected, Func<T> parse)
    {
        try
        {
            return parse();
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException)
        {
            throw EtcdSettings.Refused(key, expected, failure.Message, failure);
        }
    }
}
