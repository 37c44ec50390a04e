using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace StorageOs.Transport.Verbs.Interop;

/// <summary>
/// The verbs that are inline functions of verbs.h and therefore not exported: called through the
/// operation table of the context, as a C program's inlined code calls them. And the fields that
/// such a program reads through a pointer.
/// </summary>
internal static unsafe class InlineVerbs
{
    /// <summary>ibv_post_send of a chain. Returns the error number.</summary>
    internal static int PostSend(nint pair, IbvSendWr* first)
    {
        IbvSendWr* bad;
        nint context = Field<nint>(pair, IbvOffsets.QpContext);
        var post = (delegate* unmanaged<nint, IbvSendWr*, IbvSendWr**, int>)
            Field<nint>(context, IbvOffsets.ContextPostSend);
        return post(pair, first, &bad);
    }

    /// <summary>ibv_poll_cq. Negative when the queue is broken.</summary>
    internal static int Poll(nint queue, Span<IbvWc> completions)
    {
        nint context = Field<nint>(queue, IbvOffsets.CqContext);
        var poll = (delegate* unmanaged<nint, int, IbvWc*, int>)
            Field<nint>(context, IbvOffsets.ContextPollCq);
        fixed (IbvWc* first = completions)
        {
            return poll(queue, completions.Length, first);
        }
    }

    /// <summary>ibv_req_notify_cq for the next completion. Returns the error number.</summary>
    internal static int RequestNotify(nint queue)
    {
        nint context = Field<nint>(queue, IbvOffsets.CqContext);
        var notify = (delegate* unmanaged<nint, int, int>)
            Field<nint>(context, IbvOffsets.ContextReqNotifyCq);
        return notify(queue, 0);
    }

    /// <summary>Whether the operation table holds what is called through it.</summary>
    internal static bool HasOperations(nint context) =>
        Field<nint>(context, IbvOffsets.ContextPostSend) != 0
        && Field<nint>(context, IbvOffsets.ContextPollCq) != 0
        && Field<nint>(context, IbvOffsets.ContextReqNotifyCq) != 0;

    /// <summary>ibv_context.device.</summary>
    internal static nint Device(nint context) => Field<nint>(context, IbvOffsets.ContextDevice);

    /// <summary>ibv_context.async_fd.</summary>
    internal static int AsyncDescriptor(nint context) =>
        Field<int>(context, IbvOffsets.ContextAsyncFd);

    /// <summary>ibv_qp.qp_num.</summary>
    internal static uint QueuePairNumber(nint pair) => Field<uint>(pair, IbvOffsets.QpNumber);

    /// <summary>ibv_mr.lkey.</summary>
    internal static uint LocalKey(nint registration) =>
        Field<uint>(registration, IbvOffsets.MrLkey);

    /// <summary>ibv_mr.rkey.</summary>
    internal static uint RemoteKey(nint registration) =>
        Field<uint>(registration, IbvOffsets.MrRkey);

    /// <summary>ibv_comp_channel.fd.</summary>
    internal static int ChannelDescriptor(nint channel) =>
        Field<int>(channel, IbvOffsets.CompChannelFd);

    /// <summary>ibv_get_device_name as text.</summary>
    internal static string DeviceName(nint device) =>
        Marshal.PtrToStringUTF8(Ibv.ibv_get_device_name(device)) ?? "";

    /// <summary>ibv_get_device_list, copied; freed by the caller with the list itself.</summary>
    internal static nint[] Devices(out nint list)
    {
        int count = 0;
        nint* devices = Ibv.ibv_get_device_list(&count);
        list = (nint)devices;
        return devices == null ? [] : new Span<nint>(devices, count).ToArray();
    }

    /// <summary>ibv_free_device_list.</summary>
    internal static void FreeDevices(nint list) => Ibv.ibv_free_device_list((nint*)list);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Field<T>(nint pointer, int offset)
        where T : unmanaged => *(T*)((byte*)pointer + offset);
}

/// <summary>One one-sided operation as it is posted.</summary>
internal readonly record struct WorkRequest(
    ulong Id,
    uint Opcode,
    uint Flags,
    ulong LocalAddress,
    uint Lkey,
    uint Length,
    ulong RemoteAddress,
    uint Rkey);
