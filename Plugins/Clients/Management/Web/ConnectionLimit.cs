using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace StorageOs.Management.Web;

/// <summary>
/// So many connections at once of each address, for one that takes all there are would keep
/// everybody else out. Any thread.
/// </summary>
internal sealed class ConnectionLimit(int most)
{
    private readonly Lock gate = new();
    private readonly Dictionary<IPAddress, int> open = [];

    /// <summary>
    /// Who counts as one: who has one address of IPv6 has 2^64 of them.
    /// </summary>
    public static IPAddress NetOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6 || address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }

        byte[] bytes = address.GetAddressBytes();
        bytes.AsSpan(bytes.Length / 2).Clear();
        return new IPAddress(bytes);
    }

    /// <summary>Lets a connection in for as long as it lasts, or ends it.</summary>
    public async Task PassAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        IPAddress net = NetOf(((IPEndPoint)connection.RemoteEndPoint!).Address);
        if (!TryEnter(net))
        {
            connection.Abort(new ConnectionAbortedException(
                $"at most {most} connections at once from {net}"));
            return;
        }

        try
        {
            await next(connection);
        }
        finally
        {
            Leave(net);
        }
    }

    private bool TryEnter(IPAddress net)
    {
        lock (gate)
        {
            int those = open.GetValueOrDefault(net);
            if (those < most)
            {
                open[net] = those + 1;
            }

            return those < most;
        }
    }

    private void Leave(IPAddress net)
    {
        lock (gate)
        {
            if (--open[net] == 0)
            {
                open.Remove(net);
            }
        }
    }
}
