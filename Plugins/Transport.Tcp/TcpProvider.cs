using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

/// <summary>Opens the transport from the configuration.</summary>
public sealed class TcpProvider : ITransportProvider
{
    private const string TlsOption = "tls";
    private const string KeyFileOption = "keyFile";
    private const string PairKey = "pair-key";
    private const string None = "none";

    /// <inheritdoc/>
    public ITransport Open(TransportSettings settings, Action changed)
    {
        IPAddress address = NodeAddress.Parse("this node's address", settings.LocalAddress);
        foreach (string name in settings.Options.Keys)
        {
            if (name is not TlsOption and not KeyFileOption)
            {
                throw new RefusedException(new Refusal(
                    $"transport option {name}",
                    $"the options {TlsOption} and {KeyFileOption} only",
                    name,
                    "remove it"));
            }
        }

        return new TcpTransport(address, Identity(settings.Options), changed);
    }

    /// <inheritdoc/>
    public IReadOnlyList<TransportFact> Inspect()
    {
        List<TransportFact> facts = [];
        foreach (NetworkInterface device in NetworkInterface.GetAllNetworkInterfaces())
        {
            string[] addresses =
            [
                .. device.GetIPProperties().UnicastAddresses
                    .Select(a => a.Address)
                    .Where(a => !a.IsIPv6LinkLocal)
                    .Select(a => a.ToString()),
            ];
            if (device.OperationalStatus != OperationalStatus.Down && addresses.Length > 0)
            {
                facts.Add(new TransportFact(
                    $"interface {device.Name}", string.Join(", ", addresses)));
            }
        }

        return facts.Count > 0 ? facts :
        [
            new TransportFact(
                "addresses", "none", Usable: false, "give an interface an address and set it up"),
        ];
    }

    /// <summary>Two addresses of this machine's own loopback interface; IPv4 has many.</summary>
    public TransportSelfTest? SelfTest(TransportSettings settings) => new(
        settings with { LocalAddress = "127.0.0.1" },
        FreePort("127.0.0.1"),
        settings with { LocalAddress = "127.0.0.2" },
        FreePort("127.0.0.2"),
        "127.0.0.99");

    /// <summary>What TLS is to prove; null without TLS.</summary>
    private static TlsIdentity? Identity(IReadOnlyDictionary<string, string> options)
    {
        string tls = options.GetValueOrDefault(TlsOption) ?? None;
        string? keyFile = options.GetValueOrDefault(KeyFileOption);
        return (tls, keyFile) switch
        {
            (None, null) => null,
            (PairKey, not null) when Path.IsPathFullyQualified(keyFile) =>
                TlsIdentity.OfKeyFile(keyFile),
            (PairKey, _) => throw Refused(
                KeyFileOption, "the full path of the pair's key file", keyFile ?? "nothing"),
            (None, _) => throw Refused(
                TlsOption, $"{PairKey} where there is a {KeyFileOption}", None),
            _ => throw Refused(TlsOption, $"{PairKey} or {None}", tls),
        };
    }

    private static RefusedException Refused(string option, string expected, string actual) =>
        new(new Refusal(
            $"transport option {option}", expected, actual,
            "correct it in the configuration's transport section, on both nodes"));

    private static uint FreePort(string address)
    {
        using TcpListener listener = new(IPAddress.Parse(address), 0);
        listener.Start();
        return (uint)((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
