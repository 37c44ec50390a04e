using System.Runtime.InteropServices;

namespace StorageOs.Transport.Verbs.Interop;

/// <summary>libibverbs by its own names. No logic here.</summary>
internal static partial class Ibv
{
    internal const string Library = "libibverbs.so.1";

    [LibraryImport(Library, SetLastError = true)]
    internal static unsafe partial nint* ibv_get_device_list(int* count);

    [LibraryImport(Library)]
    internal static unsafe partial void ibv_free_device_list(nint* list);

    [LibraryImport(Library)]
    internal static partial nint ibv_get_device_name(nint device);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint ibv_open_device(nint device);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int ibv_close_device(nint context);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int ibv_query_device(nint context, ref IbvDeviceAttr attributes);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int ibv_query_port(
        nint context, byte port, ref IbvPortAttr attributes);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int _ibv_query_gid_ex(
        nint context, uint port, uint index, ref IbvGidEntry entry, uint flags, nuint entrySize);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint ibv_alloc_pd(nint context);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int ibv_dealloc_pd(nint domain);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint ibv_reg_mr_iova2(
        nint domain, nint address, nuint length, ulong iova, uint access);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int ibv_dereg_mr(nint registration);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint ibv_create_comp_channel(nint context);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int ibv_destroy_comp_channel(nint channel);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint ibv_create_cq(
        nint context, int entries, nint cqContext, nint channel, int vector);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int ibv_destroy_cq(nint queue);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int ibv_get_cq_event(
        nint channel, out nint queue, out nint queueContext);

    [LibraryImport(Library)]
    internal static partial void ibv_ack_cq_events(nint queue, uint count);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial nint ibv_create_qp(nint domain, ref IbvQpInitAttr attributes);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int ibv_modify_qp(nint pair, ref IbvQpAttr attributes, int mask);

    /// <summary>Returns the error number.</summary>
    [LibraryImport(Library)]
    internal static partial int ibv_destroy_qp(nint pair);

    [LibraryImport(Library, SetLastError = true)]
    internal static partial int ibv_get_async_event(nint context, out IbvAsyncEvent happened);

    [LibraryImport(Library)]
    internal static partial void ibv_ack_async_event(ref IbvAsyncEvent happened);
}
