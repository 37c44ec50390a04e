using System.Numerics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Tcp;

/// <summary>
/// Who this pair is, to TLS: a P-256 key that both nodes derive from the pair key, and a
/// certificate that each signs itself with it. Whoever shows a certificate of that key, and proves
/// to have it as TLS makes it, has the pair key; names and dates in it mean nothing.
/// </summary>
internal sealed class TlsIdentity : IDisposable
{
    private const int SeedBytes = 48; // 128 bits more than the group's order, against bias.
    private const int ScalarBytes = 32;

    private static readonly BigInteger Order = new(
        Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"),
        isUnsigned: true,
        isBigEndian: true);

    private readonly byte[] publicKey;

    private TlsIdentity(X509Certificate2 certificate)
    {
        Certificate = certificate;
        publicKey = certificate.PublicKey.ExportSubjectPublicKeyInfo();
    }

    /// <summary>What this node shows.</summary>
    public X509Certificate2 Certificate { get; }

    /// <summary>Reads the pair key's file and derives the rest.</summary>
    /// <exception cref="RefusedException">The file is not as a key's has to be.</exception>
    public static TlsIdentity OfKeyFile(string path)
    {
        byte[] key = Read(path);
        byte[] seed = HKDF.DeriveKey(
            HashAlgorithmName.SHA256, key, SeedBytes, info: "storageos tcp tls p-256 v1"u8.ToArray());
        BigInteger scalar = (new BigInteger(seed, isUnsigned: true, isBigEndian: true)
            % (Order - BigInteger.One)) + BigInteger.One;
        byte[] digits = scalar.ToByteArray(isUnsigned: true, isBigEndian: true);
        byte[] padded = new byte[ScalarBytes];
        digits.CopyTo(padded, ScalarBytes - digits.Length);
        using ECDsa pair = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            D = padded,
        });
        CertificateRequest request = new(
            "CN=storageos pair", pair, HashAlgorithmName.SHA256);
        TlsIdentity made = new(request.CreateSelfSigned(
            DateTimeOffset.UnixEpoch, new DateTimeOffset(9999, 1, 1, 0, 0, 0, TimeSpan.Zero)));
        CryptographicOperations.ZeroMemory(key);
        CryptographicOperations.ZeroMemory(seed);
        CryptographicOperations.ZeroMemory(padded);
        return made;
    }

    /// <summary>Whether a certificate is of the same key.</summary>
    public bool IsPartner(X509Certificate? shown) => shown is X509Certificate2 certificate
        && CryptographicOperations.FixedTimeEquals(
            certificate.PublicKey.ExportSubjectPublicKeyInfo(), publicKey);

    /// <inheritdoc/>
    public void Dispose() => Certificate.Dispose();

    private static byte[] Read(string path)
    {
        const UnixFileMode Owner =
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        string subject = $"key file {path}";
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.Read);
            UnixFileMode mode = File.GetUnixFileMode(file.SafeFileHandle);
            if ((mode & ~Owner) != 0)
            {
                throw new RefusedException(new Refusal(
                    subject, "rights for its owner only", $"{mode}", $"chmod 600 {path}"));
            }

            if (file.Length is < Limits.KeyBytesMin or > Limits.KeyBytesMax)
            {
                throw new RefusedException(new Refusal(
                    subject,
                    $"{Limits.KeyBytesMin} to {Limits.KeyBytesMax} bytes",
                    $"{file.Length}"));
            }

            byte[] bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            return bytes;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Native.Refused(subject, "a file that can be read", failure);
        }
    }
}
