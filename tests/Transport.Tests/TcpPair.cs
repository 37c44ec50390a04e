using System.Net;
using System.Net.Sockets;
using StorageOs.Conformance;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Tcp;

namespace StorageOs.Transport.Tests;

/// <summary>Two Tcp transports on two addresses of this machine.</summary>
internal sealed class TcpPair : ITransportPair
{
    public TcpPair()
    {
        FirstPort = FreePort(FirstAddress);
        SecondPort = FreePort(SecondAddress);
        First = Open(FirstAddress);
        Second = Open(SecondAddress);
    }

    public ITransport First { get; }

    public ITransport Second { get; }

    public string FirstAddress => "127.0.0.1";

    public string SecondAddress => "127.0.0.2";

    public string UnknownAddress => "127.0.0.99";

    public uint FirstPort { get; }

    public uint SecondPort { get; }

    public bool TryBreakSecond()
    {
        ((TcpTransport)Second).CurrentLink!.Break();
        return true;
    }

    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
    }

    public static uint FreePort(string address)
    {
        using TcpListener listener = new(IPAddress.Parse(address), 0);
        listener.Start();
        return (uint)((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static ITransport Open(string address) => new TcpProvider().Open(
        new TransportSettings(address, new Dictionary<string, string>()), static () => { });
}
