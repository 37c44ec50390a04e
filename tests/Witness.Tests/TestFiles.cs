using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace StorageOs.Witness.Tests;

/// <summary>Certificates, keys and secrets in a folder of the test's own.</summary>
internal sealed class TestFiles : IDisposable
{
    private static readonly DateTimeOffset From = DateTimeOffset.UtcNow.AddDays(-1);
    private readonly string folder = Directory.CreateTempSubdirectory("witness-tls-").FullName;

    /// <summary>A file that nobody but its owner may read, unless it is open to all.</summary>
    public string Put(string name, string text, bool open = false)
    {
        string path = Path.Combine(folder, name);
        System.IO.File.WriteAllText(path, text);
        System.IO.File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite
            | (open ? UnixFileMode.OtherRead : UnixFileMode.None));
        return path;
    }

    /// <summary>An authority, and the file that others trust it by.</summary>
    public (X509Certificate2 Authority, string File) Authority(string name)
    {
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.DigitalSignature, true));
        X509Certificate2 made = request.CreateSelfSigned(From, From.AddDays(30));
        return (made, Put($"{name}.pem", made.ExportCertificatePem(), open: true));
    }

    /// <summary>A certificate of an authority, for a host, and its key.</summary>
    public (string Certificate, string Key) Certificate(
        X509Certificate2 authority, string name, string host)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddIpAddress(System.Net.IPAddress.Parse(host));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(
            false, false, 0, false));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(
            [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        byte[] serial = [1, .. RandomNumberGenerator.GetBytes(8)];
        using X509Certificate2 made = request.Create(
            authority, From, From.AddDays(20), serial);
        return (
            Put($"{name}.pem", made.ExportCertificatePem(), open: true),
            Put($"{name}.key", key.ExportECPrivateKeyPem()));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
