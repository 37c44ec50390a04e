using System.Net;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Cli;

/// <summary>
/// Where a node is managed: the path of a Unix socket, or <c>tcp:ADDRESS:PORT,KEYFILE</c>.
/// </summary>
/// <param name="Address">What to connect to.</param>
/// <param name="Key">The key to prove over TCP; null on a Unix socket.</param>
internal sealed record NodeEndpoint(EndPoint Address, ReadOnlyMemory<byte>? Key)
{
    private const string Tcp = "tcp:";

    /// <summary>The text for a node on TCP.</summary>
    internal static string Text(IPEndPoint address, string keyFile) => $"{Tcp}{address},{keyFile}";

    /// <summary>Reads the text.</summary>
    /// <exception cref="RefusedException">It is none, or the key cannot be read.</exception>
    internal static NodeEndpoint Parse(string text)
    {
        if (!text.StartsWith(Tcp, StringComparison.Ordinal))
        {
            return new NodeEndpoint(new UnixDomainSocketEndPoint(text), null);
        }

        string[] parts = text[Tcp.Length..].Split(',', 2);
        if (parts.Length != 2 || !IPEndPoint.TryParse(parts[0], out IPEndPoint? address))
        {
            throw new RefusedException(new Refusal(
                "node", "the path of a socket, or tcp:ADDRESS:PORT,KEYFILE", text));
        }

        return KeyFile.TryRead(parts[1], out ReadOnlyMemory<byte> key) is { } refusal
            ? throw new RefusedException(refusal)
            : new NodeEndpoint(address, key);
    }

    /// <summary>Connects to it.</summary>
    internal async Task<Socket> ConnectAsync(CancellationToken cancellation)
    {
        Socket connection = new(
            Address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await connection.ConnectAsync(Address, cancellation);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
