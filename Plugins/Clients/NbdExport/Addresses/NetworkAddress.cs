using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.NbdExport.Interop;

namespace StorageOs.NbdExport.Addresses;

/// <summary>
/// A service address that moves between two machines: added to an interface of whichever node
/// holds it, announced to the neighbours by gratuitous ARP (RFC 5227 §3), taken off by who holds
/// it no more. Needs CAP_NET_ADMIN and CAP_NET_RAW.
/// </summary>
/// <param name="host">The IPv4 address.</param>
/// <param name="name">The interface.</param>
internal sealed class NetworkAddress(IPAddress host, string name)
{
    private const int PrefixBits = 32; // No route comes with it; the interface has its own.

    /// <summary>Adds the address and announces it; that it is there already is fine.</summary>
    /// <exception cref="RefusedException">The interface or the rights are not there.</exception>
    public void Take()
    {
        Change(
            Constants.RTM_NEWADDR, Constants.NLM_F_CREATE | Constants.NLM_F_REPLACE,
            tolerated: Constants.EEXIST);
        Announce();
    }

    /// <summary>Takes the address off; that it is gone already is fine.</summary>
    /// <exception cref="RefusedException">The rights are not there.</exception>
    public void Drop() => Change(Constants.RTM_DELADDR, 0, tolerated: Constants.EADDRNOTAVAIL);

    /// <summary>Tells the neighbours once more; one such packet may get lost.</summary>
    /// <exception cref="RefusedException">The interface or the rights are not there.</exception>
    public void Announce()
    {
        using Descriptor socket = Open(
            Constants.AF_PACKET, Constants.SOCK_DGRAM, BinaryPrimitives.ReverseEndianness(
                Constants.ETH_P_ARP));
        byte[] to = ArpMessage.Broadcast(Index());
        byte[] message = ArpMessage.Gratuitous(host, HardwareAddress());
        if (Libc.sendto(
            socket, ref message[0], message.Length, 0, ref to[0], to.Length) != message.Length)
        {
            throw Refused("to send an ARP packet");
        }
    }

    private void Change(ushort what, ushort flags, int tolerated)
    {
        using Descriptor socket = Open(Constants.AF_NETLINK, Constants.SOCK_DGRAM, 0);
        byte[] request = RouteMessage.Address(what, flags, host, PrefixBits, Index());
        byte[] reply = new byte[4096];
        if (Libc.send(socket, ref request[0], request.Length, 0) != request.Length
            || Libc.recv(socket, ref reply[0], reply.Length, 0) <= 0)
        {
            throw Refused("an answer from rtnetlink");
        }

        int error = RouteMessage.Error(reply);
        if (error != 0 && error != tolerated)
        {
            throw Refused(
                "the address to be changed", Marshal.GetPInvokeErrorMessage(error));
        }
    }

    private static Descriptor Open(int domain, int type, int protocol)
    {
        Descriptor socket = new(
            Libc.socket(domain, type | Constants.SOCK_CLOEXEC, protocol));
        if (!socket.IsInvalid)
        {
            return socket;
        }

        string found = Marshal.GetLastPInvokeErrorMessage();
        socket.Dispose();
        throw new RefusedException(new Refusal(
            "service address", "a socket to change it by", found,
            "give the node CAP_NET_ADMIN and CAP_NET_RAW"));
    }

    private int Index() => int.Parse(Attribute("ifindex"), CultureInfo.InvariantCulture);

    private byte[] HardwareAddress() =>
        Convert.FromHexString(Attribute("address").Replace(":", "", StringComparison.Ordinal));

    private string Attribute(string attribute)
    {
        try
        {
            return File.ReadAllText($"/sys/class/net/{name}/{attribute}").Trim();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw Refused($"an interface named {name}", failure.Message);
        }
    }

    private RefusedException Refused(string expected, string? found = null) => new(new Refusal(
        $"service address {host} on {name}", expected,
        found ?? Marshal.GetLastPInvokeErrorMessage(),
        "check the interface in nbd-export's addresses, and CAP_NET_ADMIN and CAP_NET_RAW"));
}

/// <summary>A gratuitous ARP request and where it goes.</summary>
internal static class ArpMessage
{
    private static readonly byte[] Everybody = [255, 255, 255, 255, 255, 255];

    /// <summary>The packet of RFC 826 that names one address as sender and target.</summary>
    public static byte[] Gratuitous(IPAddress host, ReadOnlySpan<byte> hardware)
    {
        Invariant.Require(host.AddressFamily == AddressFamily.InterNetwork);
        Invariant.Require(hardware.Length == Everybody.Length);
        byte[] four = host.GetAddressBytes();
        return [0, 1, 8, 0, 6, 4, 0, 1, .. hardware, .. four, .. Everybody, .. four];
    }

    /// <summary>struct sockaddr_ll of all neighbours on an interface.</summary>
    public static byte[] Broadcast(int index)
    {
        byte[] address = new byte[20];
        BitConverter.TryWriteBytes(address, (ushort)Constants.AF_PACKET);
        BinaryPrimitives.WriteUInt16BigEndian(address.AsSpan(2), Constants.ETH_P_ARP);
        BitConverter.TryWriteBytes(address.AsSpan(4), index);
        address[11] = (byte)Everybody.Length;
        Everybody.CopyTo(address, 12);
        return address;
    }
}

/// <summary>Messages of rtnetlink(7) about an interface's IPv4 address.</summary>
internal static class RouteMessage
{
    private const int HeaderBytes = 16;
    private const int AddressBytes = 8;
    private const int AttributeBytes = 8;

    /// <summary>A request: nlmsghdr, ifaddrmsg, and the address as local and peer.</summary>
    public static byte[] Address(
        ushort what, ushort flags, IPAddress host, byte prefixBits, int index)
    {
        byte[] message = new byte[HeaderBytes + AddressBytes + (2 * AttributeBytes)];
        Span<byte> rest = message;
        BitConverter.TryWriteBytes(rest, message.Length);
        BitConverter.TryWriteBytes(rest[4..], what);
        BitConverter.TryWriteBytes(
            rest[6..], (ushort)(Constants.NLM_F_REQUEST | Constants.NLM_F_ACK | flags));
        rest = rest[HeaderBytes..];
        rest[0] = Constants.AF_INET;
        rest[1] = prefixBits;
        BitConverter.TryWriteBytes(rest[4..], index);
        rest = rest[AddressBytes..];
        foreach (ushort kind in new[] { Constants.IFA_LOCAL, Constants.IFA_ADDRESS })
        {
            BitConverter.TryWriteBytes(rest, (ushort)AttributeBytes);
            BitConverter.TryWriteBytes(rest[2..], kind);
            host.GetAddressBytes().CopyTo(rest[4..]);
            rest = rest[AttributeBytes..];
        }

        return message;
    }

    /// <summary>The errno in an acknowledgement (struct nlmsgerr); 0 for success.</summary>
    public static int Error(ReadOnlySpan<byte> reply) =>
        -BitConverter.ToInt32(reply[HeaderBytes..]);
}
