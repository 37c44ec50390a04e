using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using StorageOs.Conformance;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Tcp;

namespace StorageOs.Transport.Tests;

/// <summary>Tcp through TLS does what every transport must do, and lets no stranger in.</summary>
public sealed class TcpTlsTests
{
    public static TheoryData<string> Cases => [.. TransportConformance.Cases.Keys];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Conforms(string name)
    {
        using TcpPair pair = new(tls: true);
        TransportConformance.Run(name, pair);
    }

    [Fact]
    public void Another_key_is_refused_on_both_sides_with_the_reason()
    {
        using TcpPair pair = new(tls: true, sameKey: false);
        using IRegion page = pair.First.Map(new RegionNeed("page", 1, RemoteAccess.Read));
        using IRegion inbox = pair.First.Map(new RegionNeed("inbox", 1, RemoteAccess.Write
            | RemoteAccess.Read));
        using IRegion secondPage = pair.Second.Map(new RegionNeed("page", 1, RemoteAccess.Read));
        using IRegion secondInbox = pair.Second.Map(new RegionNeed("inbox", 1, RemoteAccess.Write
            | RemoteAccess.Read));
        using IWellKnownPort first = pair.First.OpenWellKnown(new WellKnownNeed(
            pair.FirstPort, pair.SecondAddress, pair.SecondPort, 0, Connects: true, page, inbox));
        using IWellKnownPort second = pair.Second.OpenWellKnown(new WellKnownNeed(
            pair.SecondPort, pair.FirstAddress, pair.FirstPort, 0, Connects: false, secondPage,
            secondInbox));
        PeerProcess.Await(() =>
        {
            Assert.Equal(WellKnownState.Connecting, first.Poll());
            Assert.Equal(WellKnownState.Connecting, second.Poll());
            return first.Detail.Contains("same pair key", StringComparison.Ordinal)
                && second.Detail.Contains("same pair key", StringComparison.Ordinal);
        });
        Assert.Contains("another key", first.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void A_caller_without_tls_is_refused_with_the_reason()
    {
        using TcpPair pair = new(tls: true);
        using ConnectedPair nodes = new(pair);
        nodes.FirstWellKnown.Dispose();
        nodes.SecondWellKnown.Dispose();
        using IWellKnownPort second = nodes.Second.OpenWellKnown(nodes.SecondNeed);
        using Socket stranger = new(SocketType.Stream, ProtocolType.Tcp);
        stranger.Connect(IPAddress.Parse(pair.SecondAddress), (int)pair.SecondPort);
        stranger.Send(new Hello(HelloKind.Link, 1).Encode());
        PeerProcess.Await(() => second.Poll() == WellKnownState.Connecting
            && second.Detail.Contains("TLS", StringComparison.Ordinal));
    }

    /// <summary>
    /// A certificate may name an address where its issuer's is; whoever asks there lets a stranger
    /// hold up the thread that serves the partner.
    /// </summary>
    [Fact]
    public async Task No_address_that_a_strangers_certificate_names_is_asked()
    {
        using TcpPair pair = new(tls: true);
        using ConnectedPair nodes = new(pair);
        nodes.FirstWellKnown.Dispose();
        nodes.SecondWellKnown.Dispose();
        using IWellKnownPort second = nodes.Second.OpenWellKnown(nodes.SecondNeed);
        using TcpListener issuer = new(IPAddress.Loopback, 0);
        issuer.Start();
        using X509Certificate2 strange = Strange(
            $"http://127.0.0.1:{((IPEndPoint)issuer.LocalEndpoint).Port}/ca.cer");
        using TcpClient stranger = new();
        await stranger.ConnectAsync(IPAddress.Parse(pair.SecondAddress), (int)pair.SecondPort);
        await using SslStream stream = new(
            stranger.GetStream(), false, static (_, shown, _, _) => shown is not null);
        try
        {
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "storageos",
                ClientCertificateContext = SslStreamCertificateContext.Create(
                    strange, null, offline: true), // Not asked from here, either.
                EnabledSslProtocols = SslProtocols.Tls13,
            });
            Assert.Equal(0, await stream.ReadAsync(new byte[1])); // TLS 1.3 refuses late.
        }
        catch (Exception refused) when (refused is AuthenticationException or IOException)
        {
            Assert.NotEmpty(refused.Message);
        }

        PeerProcess.Await(() => second.Poll() == WellKnownState.Connecting
            && second.Detail.Contains("another key", StringComparison.Ordinal));
        Assert.False(issuer.Pending(), "the stranger's address was asked");
    }

    private static X509Certificate2 Strange(string issuerAt)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using ECDsa issuerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=stranger", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(
            null, [issuerAt]));
        using X509Certificate2 signed = request.Create(
            new X500DistinguishedName("CN=nobody"),
            X509SignatureGenerator.CreateForECDsa(issuerKey), DateTimeOffset.UtcNow.AddDays(-1),
            DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(8));
        using X509Certificate2 whole = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>By somebody between the nodes, who finds the text only where there is no TLS.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_travels_can_be_read_without_tls_alone(bool tls)
    {
        byte[] text = "nobody on the way is to see this"u8.ToArray();
        using TcpPair pair = new(tls);
        using Relay relay = new(pair);
        using IRegion page = Map(pair.First), inbox = Map(pair.First);
        using IRegion secondPage = Map(pair.Second), secondInbox = Map(pair.Second);
        using IWellKnownPort first = pair.First.OpenWellKnown(new WellKnownNeed(
            pair.FirstPort, Relay.Address, relay.Port, 0, Connects: true, page, inbox));
        using IWellKnownPort second = pair.Second.OpenWellKnown(new WellKnownNeed(
            pair.SecondPort, pair.FirstAddress, pair.FirstPort, 0, Connects: false, secondPage,
            secondInbox));
        PeerProcess.Await(() => first.Poll() == WellKnownState.Connected
            & second.Poll() == WellKnownState.Connected);
        text.CopyTo(page.Bytes);
        Assert.True(first.Port.TryPostWrite(1, page, 0, first.PartnerInbox, 0, text.Length));
        Assert.Equal(CompletionStatus.Success, ConnectedPair.Complete(first.Port, 1));
        Assert.True(secondInbox.Bytes[..text.Length].SequenceEqual(text));
        Assert.Equal(!tls, relay.Saw(text));

        static IRegion Map(ITransport transport) => transport.Map(
            new RegionNeed("region", 1, RemoteAccess.Read | RemoteAccess.Write));
    }

    [Fact]
    public void Options_that_do_not_fit_are_refused()
    {
        string folder = TestFolder.Make();
        string key = Path.Combine(folder, "key");
        File.WriteAllBytes(key, RandomNumberGenerator.GetBytes(32));
        const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        File.SetUnixFileMode(key, Owner | UnixFileMode.GroupRead);
        Assert.Contains("chmod 600", Refused(TcpPair.Tls(key)).Remedy, StringComparison.Ordinal);
        File.SetUnixFileMode(key, Owner);
        Assert.Contains("pair-key", Refused(new() { ["tls"] = "yes" }).Expected,
            StringComparison.Ordinal);
        Refused(new() { ["tls"] = "pair-key" });
        Refused(new() { ["keyFile"] = key });
        Refused(TcpPair.Tls("relative"));
        Refused(TcpPair.Tls(Path.Combine(folder, "none")));
        File.WriteAllBytes(key, new byte[31]);
        Assert.Contains("32 to 4096", Refused(TcpPair.Tls(key)).Expected, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);

        static Refusal Refused(Dictionary<string, string> options) =>
            Assert.Throws<RefusedException>(() => new TcpProvider().Open(
                new TransportSettings("127.0.0.1", options), () => { })).Refusal;
    }
}
