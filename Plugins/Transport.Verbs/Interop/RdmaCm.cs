using System.Runtime.InteropServices;

namespace StorageOs.Transport.Verbs.Interop;

/// <summary>librdmacm by its own names. No logic here.</summary>
internal static partial class RdmaCm
{
    internal const string Library = "librdmacm.so.1";

    internal const uint RDMA_PS_TCP = 0x0106;

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint rdma_create_event_channel();

    [LibraryImport(Library)]
    internal static partial void rdma_destroy_event_channel(nint channel);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_create_id(
        nint channel, out nint id, nint context, uint portSpace);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_destroy_id(nint id);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_bind_addr(nint id, ref SocketAddress6 address);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_listen(nint id, int backlog);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_resolve_addr(
        nint id, ref SocketAddress6 source, ref SocketAddress6 destination, int timeoutMs);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_resolve_route(nint id, int timeoutMs);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_connect(nint id, ref RdmaConnParam parameters);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_accept(nint id, ref RdmaConnParam parameters);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_establish(nint id);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_reject(nint id, nint privateData, byte length);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_disconnect(nint id);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_init_qp_attr(
        nint id, ref IbvQpAttr attributes, ref int mask);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_get_cm_event(nint channel, out nint happened);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int rdma_ack_cm_event(nint happened);
}
