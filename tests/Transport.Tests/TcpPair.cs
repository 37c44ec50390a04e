using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using StorageOs.Conformance;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Tcp;

namespace StorageOs.Transport.Tests;

/// <summary>Two Tcp transports on two addresses of this machine.</summary>
internal sealed class TcpPair : ITransportPair
{
    private readonly string folder = TestFolder.Make();

    /// <summary>Makes both.</summary>
    /// <param name="tls">Whether through TLS.</param>
    /// <param name="sameKey">Whether they have the same pair key.</param>
    public TcpPair(bool tls = false, bool sameKey = true)
    {
        string key = tls ? KeyFile("first") : "";
        string other = tls && !sameKey ? KeyFile("second") : key;
        FirstPort = FreePort(FirstAddress);
        SecondPort = FreePort(SecondAddress);
        First = Open(FirstAddress, key);
        Second = Open(SecondAddress, other);
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
        Directory.Delete(folder, recursive: true);
    }

    public static uint FreePort(string address)
    {
        using TcpListener listener = new(IPAddress.Parse(address), 0);
        listener.Start();
        return (uint)((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Options of a transport through TLS.</summary>
    public static Dictionary<string, string> Tls(string keyFile) =>
        new() { ["tls"] = "pair-key", ["keyFile"] = keyFile };

    private static ITransport Open(string address, string keyFile) => new TcpProvider().Open(
        new TransportSettings(address, keyFile.Length > 0 ? Tls(keyFile) : []), static () => { });

    private string KeyFile(string name)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllBytes(path, RandomNumberGenerator.GetBytes(32));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return path;
    }
}
