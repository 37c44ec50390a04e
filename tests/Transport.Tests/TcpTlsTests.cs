using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
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
