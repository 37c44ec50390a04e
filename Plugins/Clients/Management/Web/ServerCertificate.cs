using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Management.Web;

/// <summary>
/// What the server proves itself with: a certificate, what comes with it and its key, in PEM. Its
/// files are read again when they change, so that one that is renewed is used by whoever connects
/// next. Any thread.
/// </summary>
internal sealed class ServerCertificate
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);
    private readonly Lock gate = new();
    private readonly string file;
    private readonly string? keyFile;
    private string read;
    private string trouble = "";
    private long looked = Stopwatch.GetTimestamp();
    private SslStreamCertificateContext context;

    /// <summary>Reads it.</summary>
    /// <param name="file">The certificate, and what comes with it after it.</param>
    /// <param name="keyFile">Its key; null when that is in the same file.</param>
    /// <exception cref="RefusedException">It cannot be read, or the key is of another.</exception>
    public ServerCertificate(string file, string? keyFile)
    {
        (this.file, this.keyFile) = (file, keyFile);
        try
        {
            (read, context) = Read();
        }
        catch (Exception failure) when (IsBad(failure))
        {
            throw new RefusedException(
                new(
                    "management: certificate",
                    $"a certificate in {file} and its key in {keyFile ?? "it, too"}",
                    failure.Message, "correct it in plugins:settings:management"), failure);
        }
    }

    /// <summary>When nobody trusts it any more.</summary>
    public DateTimeOffset Ends
    {
        get
        {
            lock (gate)
            {
                return context.TargetCertificate.NotAfter;
            }
        }
    }

    /// <summary>What to prove oneself with to who connects now.</summary>
    public SslStreamCertificateContext Now(ILogger log)
    {
        lock (gate)
        {
            if (Stopwatch.GetElapsedTime(looked) >= LookAgain)
            {
                looked = Stopwatch.GetTimestamp();
                Renew(log);
            }

            return context;
        }
    }

    /// <summary>
    /// Files that do not belong together, as in the midst of being renewed, leave what was.
    /// </summary>
    private void Renew(ILogger log)
    {
        try
        {
            if (Texts() == read)
            {
                trouble = "";
                return;
            }

            (read, context) = Read();
            trouble = "";
            ManagementEvents.CertificateRenewed.Raise(
                log, file, context.TargetCertificate.NotAfter);
        }
        catch (Exception failure) when (IsBad(failure))
        {
            // Told once, not to each who connects.
            if (failure.Message != trouble)
            {
                trouble = failure.Message;
                ManagementEvents.CertificateUnread.Raise(log, file, failure.Message);
            }
        }
    }

    private (string Texts, SslStreamCertificateContext Context) Read()
    {
        string texts = Texts();
        X509Certificate2 own = X509Certificate2.CreateFromPemFile(file, keyFile);
        X509Certificate2Collection more = [];
        more.ImportFromPemFile(file);
        more.RemoveAt(0); // The certificate itself, which was read with its key.
        return (texts, SslStreamCertificateContext.Create(own, more, offline: true));
    }

    private string Texts() =>
        File.ReadAllText(file) + (keyFile is null ? "" : File.ReadAllText(keyFile));

    private static bool IsBad(Exception failure) => failure is IOException
        or CryptographicException or UnauthorizedAccessException or ArgumentException;
}
