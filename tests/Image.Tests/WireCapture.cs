using System.Buffers.Binary;
using System.Net;
using System.Text.Json.Nodes;
using StorageOs.Kernel.Cli;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Image.Tests;

/// <summary>What a packet of RoCE v2 asks for, in its base transport header.</summary>
internal enum WireOpcode
{
    /// <summary>RC RDMA WRITE First, which brings the address.</summary>
    WriteFirst = 0x06,

    /// <summary>RC RDMA WRITE Only.</summary>
    WriteOnly = 0x0A,

    /// <summary>RC RDMA READ Request.</summary>
    ReadRequest = 0x0C,

    /// <summary>A datagram of the connection manager's protocol: its reply to a request.</summary>
    ConnectReply,
}

/// <summary>One packet that asks for something.</summary>
/// <param name="From">IPv4 address of the sender.</param>
/// <param name="Opcode">What it asks for.</param>
/// <param name="Address">Address in the partner's memory; 0 of a datagram.</param>
internal sealed record WireOperation(string From, WireOpcode Opcode, ulong Address);

/// <summary>
/// Captures what goes between two guests, outside of both (libpcap's file format), and reads RoCE
/// v2 from it: InfiniBand Architecture Specification, volume 1, chapter 9 for headers, 12 for the
/// connection manager's datagrams, annex A17 for the way in UDP.
/// </summary>
internal static class WireCapture
{
    private const int FileHeaderBytes = 24;
    private const int PacketHeaderBytes = 16;
    private const int EthernetBytes = 14;
    private const int IPv4Bytes = 20;
    private const int UdpBytes = 8;
    private const int BaseHeaderBytes = 12;
    private const int DatagramHeaderBytes = 8;
    private const int HeadersBytes = 128;
    private const ushort RocePort = 4791;
    private const byte UnreliableSend = 0x64;
    private const int AttributeOffset = 16;
    private const ushort ConnectReplyAttribute = 0x0013;

    /// <summary>Captures the headers of what a guest sends and gets, until disposed.</summary>
    internal static async Task<IAsyncDisposable> BeginAsync(
        PairLayout pair, string guest, string file)
    {
        await GuestMonitor.RunAsync(pair, guest, "object-add", new JsonObject
        {
            ["qom-type"] = "filter-dump",
            ["id"] = "capture",
            ["netdev"] = "interconnect",
            ["file"] = file,
            ["maxlen"] = HeadersBytes,
        }, CancellationToken.None);
        return new Ending(pair, guest);
    }

    /// <summary>Every request of a file, oldest first.</summary>
    internal static IEnumerable<WireOperation> Operations(string file)
    {
        ReadOnlyMemory<byte> left = File.ReadAllBytes(file).AsMemory(FileHeaderBytes);
        while (left.Length >= PacketHeaderBytes)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(left.Span[8..]);
            if (Read(left.Span.Slice(PacketHeaderBytes, length)) is { } operation)
            {
                yield return operation;
            }

            left = left[(PacketHeaderBytes + length)..];
        }
    }

    private static WireOperation? Read(ReadOnlySpan<byte> frame)
    {
        const int Udp = EthernetBytes + IPv4Bytes;
        const int Base = Udp + UdpBytes;
        if (frame.Length < Base + BaseHeaderBytes + DatagramHeaderBytes
            || BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) != 0x0800
            || BinaryPrimitives.ReadUInt16BigEndian(frame[(Udp + 2)..]) != RocePort)
        {
            return null;
        }

        string from = $"{new IPAddress(frame.Slice(EthernetBytes + 12, 4))}";
        ReadOnlySpan<byte> extended = frame[(Base + BaseHeaderBytes)..];
        switch (frame[Base])
        {
            case (byte)WireOpcode.WriteFirst or (byte)WireOpcode.WriteOnly
                or (byte)WireOpcode.ReadRequest:
                return new WireOperation(
                    from, (WireOpcode)frame[Base], BinaryPrimitives.ReadUInt64BigEndian(extended));
            case UnreliableSend when BinaryPrimitives.ReadUInt16BigEndian(
                extended[(DatagramHeaderBytes + AttributeOffset)..]) == ConnectReplyAttribute:
                return new WireOperation(from, WireOpcode.ConnectReply, 0);
            default:
                return null;
        }
    }

    private sealed class Ending(PairLayout pair, string guest) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await GuestMonitor.RunAsync(
            pair, guest, "object-del", new JsonObject { ["id"] = "capture" },
            CancellationToken.None);
    }
}
