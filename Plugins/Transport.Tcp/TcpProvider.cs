using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Transport.Tcp;

/// <summary>Opens the transport from the configuration.</summary>
public sealed class TcpProvider : ITransportProvider
{
    /// <inheritdoc/>
    public ITransport Open(TransportSettings settings, Action changed)
    {
        foreach (string name in settings.Options.Keys)
        {
            throw new RefusedException(new Refusal(
                $"transport option {name}", "no option", name, "remove it"));
        }

        return new TcpTransport(
            NodeAddress.Parse("this node's address", settings.LocalAddress), changed);
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

    private static uint FreePort(string address)
    {
        using TcpListener listener = new(IPAddress.Parse(address), 0);
        listener.Start();
        return (uint)((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
