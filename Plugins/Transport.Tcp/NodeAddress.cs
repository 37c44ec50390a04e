using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Tcp.Interop;

namespace StorageOs.Transport.Tcp;

/// <summary>An IPv4 or IPv6 address as people write it and as the C library takes it.</summary>
internal static class NodeAddress
{
    /// <summary>Bytes of the longest socket address.</summary>
    public const int SocketBytesMax = 28;

    /// <summary>Reads an address.</summary>
    /// <exception cref="RefusedException">It is anything else.</exception>
    public static IPAddress Parse(string subject, string? text)
    {
        // An address with dots left out or written as a number is more likely a mistake.
        if (IPAddress.TryParse(text, out IPAddress? address)
            && (address.AddressFamily == AddressFamily.InterNetworkV6
                || address.ToString() == text))
        {
            address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
            if (!address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any))
            {
                return address;
            }
        }

        throw new RefusedException(new Refusal(
            subject,
            "one IPv4 or IPv6 address of that node, such as 192.0.2.1 or fd00::1",
            text is null ? "nothing" : $"'{text}'",
            "set the address in the configuration's transport section"));
    }

    /// <summary>Checks a port number.</summary>
    public static ushort Port(string subject, uint number) => number is > 0 and <= Limits.PortMax
        ? (ushort)number
        : throw new RefusedException(new Refusal(
            subject, $"a TCP port, 1 to {Limits.PortMax}", $"{number}"));

    /// <summary>AF_INET or AF_INET6.</summary>
    public static int Family(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetwork ? Libc.AF_INET : Libc.AF_INET6;

    /// <summary>Writes a struct sockaddr_in or sockaddr_in6; its length.</summary>
    public static int Encode(IPAddress address, ushort port, Span<byte> into)
    {
        into.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(into, (ushort)Family(address));
        BinaryPrimitives.WriteUInt16BigEndian(into[2..], port);
        if (address.AddressFamily == AddressFamily.InterNetwork)
        {
            _ = address.TryWriteBytes(into[4..], out int _);
            return 16;
        }

        _ = address.TryWriteBytes(into[8..], out int _);
        BinaryPrimitives.WriteUInt32LittleEndian(into[24..], (uint)address.ScopeId);
        return SocketBytesMax;
    }

    /// <summary>The address in a struct sockaddr that the operating system wrote.</summary>
    public static IPAddress Decode(ReadOnlySpan<byte> from)
    {
        if (BinaryPrimitives.ReadUInt16LittleEndian(from) == Libc.AF_INET)
        {
            return new IPAddress(from.Slice(4, 4));
        }

        IPAddress address = new(
            from.Slice(8, 16), BinaryPrimitives.ReadUInt32LittleEndian(from[24..]));
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }
}
