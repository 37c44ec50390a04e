using System.Net;

namespace StorageOs.Transport.Verbs.Interop;

/// <summary>
/// Fields of librdmacm's structs, read through their pointers, and copies of events.
/// </summary>
internal static unsafe class Cm
{
    /// <summary>rdma_cm_id.verbs: the device an id is bound to; zero when to none.</summary>
    internal static nint Context(nint id) => *(nint*)((byte*)id + CmOffsets.IdVerbs);

    /// <summary>rdma_cm_id.port_num.</summary>
    internal static byte Port(nint id) => *((byte*)id + CmOffsets.IdPort);

    /// <summary>rdma_event_channel.fd.</summary>
    internal static int ChannelDescriptor(nint channel) =>
        *(int*)((byte*)channel + CmOffsets.ChannelFd);

    /// <summary>Copies what a later reader needs, so that the event can be acknowledged.</summary>
    internal static CmEvent Copy(nint happened)
    {
        byte* from = (byte*)happened;
        nint id = *(nint*)(from + CmOffsets.EventId);
        CmEventKind kind = *(CmEventKind*)(from + CmOffsets.EventKind);
        RdmaConnParam* parameters = (RdmaConnParam*)(from + CmOffsets.EventParameters);
        byte[] data = kind is CmEventKind.ConnectRequest or CmEventKind.ConnectResponse
            && parameters->PrivateData != 0
            ? new Span<byte>((void*)parameters->PrivateData, parameters->PrivateDataLength)
                .ToArray()
            : [];
        return new CmEvent(
            kind,
            *(int*)(from + CmOffsets.EventStatus),
            id,
            *(nint*)(from + CmOffsets.EventListenId),
            *(nint*)((byte*)id + CmOffsets.IdContext),
            data,
            kind == CmEventKind.ConnectRequest
                ? ((SocketAddress6*)((byte*)id + CmOffsets.IdDestination))->ToAddress()
                : null);
    }

    /// <summary>rdma_connect with private data.</summary>
    internal static int Connect(nint id, uint queuePair, byte depth, ReadOnlySpan<byte> data)
    {
        fixed (byte* bytes = data)
        {
            RdmaConnParam parameters = Parameters(queuePair, depth, bytes, data.Length);
            return RdmaCm.rdma_connect(id, ref parameters);
        }
    }

    /// <summary>rdma_accept with private data.</summary>
    internal static int Accept(nint id, uint queuePair, byte depth, ReadOnlySpan<byte> data)
    {
        fixed (byte* bytes = data)
        {
            RdmaConnParam parameters = Parameters(queuePair, depth, bytes, data.Length);
            return RdmaCm.rdma_accept(id, ref parameters);
        }
    }

    private static RdmaConnParam Parameters(uint queuePair, byte depth, byte* data, int length) =>
        new()
        {
            PrivateData = (nint)data,
            PrivateDataLength = (byte)length,
            ResponderResources = depth,
            InitiatorDepth = depth,
            RetryCount = 7,
            RnrRetryCount = 7,
            QpNumber = queuePair,
        };
}

/// <summary>An event of librdmacm, copied.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Status">An error number, or a reason of the connection manager.</param>
/// <param name="Id">The id it happened to; a new one for a connection request.</param>
/// <param name="ListenId">The id that listened, for a connection request.</param>
/// <param name="Owner">What the id was created with.</param>
/// <param name="Data">Private data that came with it.</param>
/// <param name="From">Who asks for a connection.</param>
internal sealed record CmEvent(
    CmEventKind Kind,
    int Status,
    nint Id,
    nint ListenId,
    nint Owner,
    byte[] Data,
    IPAddress? From);
