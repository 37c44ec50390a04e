using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Win32.SafeHandles;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Transport.Tcp;

// SslStream without a thread of its own: it is given a stream whose reads stand until bytes are
// fed, and is driven by whoever uses the wire, from one receive or send to the next. It allocates,
// and a handshake takes a millisecond or two of the thread that drives it.

/// <summary>A connection through TLS 1.3, both ends proven by the pair key.</summary>
internal sealed class TlsWire : Wire
{
    private const int RecordBytes = 16 * Size.KiB;
    private readonly TlsIdentity identity;
    private readonly bool answers;
    private readonly CipherPipe pipe;
    private readonly SslStream ssl;
    private readonly byte[] plain = new byte[RecordBytes];
    private readonly byte[] scratch = new byte[RecordBytes];
    private Task? handshake;
    private Task<int>? reading;
    private int plainStart;
    private int plainEnd;
    private bool strange;
    private bool disposed;

    /// <summary>Begins as the end that was called, or that calls.</summary>
    public TlsWire(SafeFileHandle socket, TlsIdentity identity, bool answers)
        : base(socket)
    {
        this.identity = identity;
        this.answers = answers;
        pipe = new CipherPipe(socket);
        ssl = new SslStream(pipe, leaveInnerStreamOpen: true);
    }

    /// <inheritdoc/>
    public override bool HasUnsent => pipe.Unsent > 0;

    /// <inheritdoc/>
    public override bool AcceptsBytes => handshake is { IsCompletedSuccessfully: true };

    /// <inheritdoc/>
    public override bool ShortMeansEmpty => false;

    /// <inheritdoc/>
    public override int Receive(Span<byte> into) => Drive(into, static (wire, into) =>
        wire.ReceiveDriven(into));

    /// <inheritdoc/>
    public override int Send(ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        if (Failure is not null || !AcceptsBytes || pipe.Unsent > Limits.BufferBytes)
        {
            return Failure is null ? 0 : Ended;
        }

        int fromHead = Math.Min(head.Length, RecordBytes);
        int fromBody = Math.Min(body.Length, RecordBytes - fromHead);
        head[..fromHead].CopyTo(scratch);
        body[..fromBody].CopyTo(scratch.AsSpan(fromHead));
        int sent = Drive(scratch.AsSpan(0, fromHead + fromBody), static (wire, bytes) =>
        {
            wire.ssl.Write(bytes);
            return bytes.Length;
        });
        return sent != Ended && Flush() ? sent : Ended;
    }

    /// <inheritdoc/>
    public override bool Flush() => pipe.Drain();

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (!disposed)
        {
            disposed = true;
            base.Dispose();
            ssl.Dispose();
        }
    }

    private delegate int Driven(TlsWire wire, Span<byte> bytes);

    /// <summary>
    /// Runs a part of it here and now: without a context that would take what goes on elsewhere.
    /// </summary>
    private int Drive(Span<byte> bytes, Driven part)
    {
        if (Failure is not null)
        {
            return Ended;
        }

        SynchronizationContext? context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        pipe.Thread = Environment.CurrentManagedThreadId;
        try
        {
            return part(this, bytes);
        }
        catch (Exception failure) when (failure is not InvariantException)
        {
            // A stranger's bytes can make anything of it.
            string found = (failure.InnerException ?? failure).Message;
            Failure = new Refusal(
                "TLS",
                "a partner with the same pair key, through TLS 1.3",
                strange ? "a certificate of another key" : found,
                "give both nodes the same transport options and the same key file");
            _ = pipe.Drain(); // Perhaps the partner still hears why.
            return Ended;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    private int ReceiveDriven(Span<byte> into)
    {
        handshake ??= Begin();
        while (true)
        {
            if (plainStart != plainEnd)
            {
                int count = Math.Min(into.Length, plainEnd - plainStart);
                plain.AsSpan(plainStart, count).CopyTo(into);
                plainStart += count;
                return count;
            }

            if (handshake.IsCompleted)
            {
                handshake.GetAwaiter().GetResult(); // For what it threw.
                reading ??= ssl.ReadAsync(plain).AsTask();
                if (reading.IsCompleted)
                {
                    (plainStart, plainEnd) = (0, reading.GetAwaiter().GetResult());
                    reading = null;
                    if (plainEnd == 0)
                    {
                        return Ended;
                    }

                    continue;
                }
            }

            if (!pipe.Feed())
            {
                return pipe.Drain() ? 0 : Ended;
            }
        }
    }

    private Task Begin() => answers
        ? ssl.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificate = identity.Certificate,
            ClientCertificateRequired = true,
            EnabledSslProtocols = SslProtocols.Tls13,
            CertificateChainPolicy = NothingElse(),
            RemoteCertificateValidationCallback = IsPartner,
            AllowTlsResume = false,
        })
        : ssl.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "storageos",
            ClientCertificates = [identity.Certificate],
            EnabledSslProtocols = SslProtocols.Tls13,
            CertificateChainPolicy = NothingElse(),
            RemoteCertificateValidationCallback = IsPartner,
            AllowTlsResume = false,
        });

    /// <summary>
    /// Nothing but the key that is shown counts: no store is read, and no address that a stranger's
    /// certificate names is asked, which would hold up the thread that serves the partner.
    /// </summary>
    private static X509ChainPolicy NothingElse() => new()
    {
        DisableCertificateDownloads = true,
        RevocationMode = X509RevocationMode.NoCheck,
        TrustMode = X509ChainTrustMode.CustomRootTrust,
    };

    private bool IsPartner(
        object sender, X509Certificate? shown, X509Chain? chain, SslPolicyErrors errors)
    {
        strange = !identity.IsPartner(shown);
        return !strange;
    }
}
