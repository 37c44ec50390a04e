using System.Buffers.Binary;
using System.Net;
using System.Net.NetworkInformation;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>
/// What an Ethernet frame says of who holds an IPv4 address: the sender of an ARP packet (RFC 826),
/// in requests, replies and announcements alike.
/// </summary>
/// <param name="Address">The IPv4 address.</param>
/// <param name="Holder">Hardware address of who says that it holds it.</param>
internal sealed record Arp(IPAddress Address, PhysicalAddress Holder)
{
    private const int FrameBytes = 14 + 28;
    private const ushort EtherType = 0x0806;

    // Ethernet (1), IPv4, and the lengths of their addresses.
    private const ulong EthernetToIPv4 = 0x0001_0800_06_04;

    /// <summary>Reads a frame; null when it says nothing of the kind.</summary>
    internal static Arp? Read(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < FrameBytes
            || BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) != EtherType
            || BinaryPrimitives.ReadUInt64BigEndian(frame[14..]) >> 16 != EthernetToIPv4)
        {
            return null;
        }

        // Who has no address yet asks whether one is free, as 0.0.0.0 (RFC 5227, probe).
        IPAddress address = new(frame[28..32]);
        return address.Equals(IPAddress.Any)
            ? null
            : new Arp(address, new PhysicalAddress(frame[22..28].ToArray()));
    }
}
