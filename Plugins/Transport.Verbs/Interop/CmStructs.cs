using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace StorageOs.Transport.Verbs.Interop;

/// <summary>Offsets in struct rdma_cm_id and rdma_cm_event of rdma/rdma_cma.h.</summary>
internal static class CmOffsets
{
    internal const int IdVerbs = 0;
    internal const int IdContext = 16;
    internal const int IdDestination = 160;
    internal const int IdPort = 348;
    internal const int EventId = 0;
    internal const int EventListenId = 8;
    internal const int EventKind = 16;
    internal const int EventStatus = 20;
    internal const int EventParameters = 24;
    internal const int ChannelFd = 0;
}

/// <summary>enum rdma_cm_event_type.</summary>
internal enum CmEventKind
{
    AddressResolved,
    AddressError,
    RouteResolved,
    RouteError,
    ConnectRequest,
    ConnectResponse,
    ConnectError,
    Unreachable,
    Rejected,
    Established,
    Disconnected,
    DeviceRemoval,
    MulticastJoin,
    MulticastError,
    AddressChange,
    TimewaitExit,
}

/// <summary>struct rdma_conn_param.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RdmaConnParam
{
    internal nint PrivateData;
    internal byte PrivateDataLength;
    internal byte ResponderResources;
    internal byte InitiatorDepth;
    internal byte FlowControl;
    internal byte RetryCount;
    internal byte RnrRetryCount;
    internal byte Srq;
    internal uint QpNumber;
}

/// <summary>A sockaddr_in or sockaddr_in6 in the room of the larger.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SocketAddress6
{
    private const ushort InterNetwork = 2;
    private const ushort InterNetwork6 = 10;

    private ushort family;
    private ushort port;
    private Bytes24 rest;

    /// <summary>An address and port as the C library writes them.</summary>
    internal static SocketAddress6 Of(IPAddress address, ushort port)
    {
        SocketAddress6 made = default;
        bool six = address.AddressFamily == AddressFamily.InterNetworkV6;
        made.family = six ? InterNetwork6 : InterNetwork;
        made.port = (ushort)IPAddress.HostToNetworkOrder((short)port);
        Span<byte> rest = made.rest;
        address.TryWriteBytes(six ? rest[4..] : rest, out int _);
        if (six)
        {
            MemoryMarshal.Write(rest[20..], (uint)address.ScopeId);
        }

        return made;
    }

    /// <summary>The address in it; null when it is of neither family.</summary>
    internal readonly IPAddress? ToAddress()
    {
        ReadOnlySpan<byte> rest = this.rest;
        return family switch
        {
            InterNetwork => new IPAddress(rest[..4]),
            InterNetwork6 => new IPAddress(rest[4..20], MemoryMarshal.Read<uint>(rest[20..])),
            _ => null,
        };
    }

    [InlineArray(24)]
    private struct Bytes24
    {
        private byte first;
    }
}
