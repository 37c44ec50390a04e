using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// The connection manager's channel: makes ids, and gives each event, copied and acknowledged, to
/// whoever owns the id. Events are taken by the transport's watching thread alone.
/// </summary>
internal sealed class CmChannel : IDisposable
{
    private readonly nint channel;
    private readonly Lock gate = new();
    private readonly Dictionary<nint, Action<CmEvent>> owners = [];
    private nint lastOwner;

    /// <summary>Opens rdma_cm.</summary>
    public CmChannel()
    {
        channel = RdmaCm.rdma_create_event_channel();
        if (channel == 0)
        {
            throw Native.Refused(
                "rdma_create_event_channel",
                System.Runtime.InteropServices.Marshal.GetLastPInvokeError(),
                "load the module rdma_ucm and a driver ('rdma link' must name a device)");
        }

        Descriptor = Cm.ChannelDescriptor(channel);
        int flags = Native.Success("fcntl", Libc.fcntl(Descriptor, Libc.F_GETFL, 0));
        Native.Success("fcntl", Libc.fcntl(Descriptor, Libc.F_SETFL, flags | Libc.O_NONBLOCK));
    }

    /// <summary>Readable when there are events.</summary>
    public int Descriptor { get; }

    /// <summary>From now on events of ids made with the returned number come here.</summary>
    public nint Register(Action<CmEvent> handler)
    {
        lock (gate)
        {
            owners[++lastOwner] = handler;
            return lastOwner;
        }
    }

    /// <summary>When it returns, no event comes any more.</summary>
    public void Unregister(nint owner)
    {
        lock (gate)
        {
            owners.Remove(owner);
        }
    }

    /// <summary>rdma_create_id.</summary>
    public nint Create(nint owner)
    {
        Native.Success(
            "rdma_create_id",
            RdmaCm.rdma_create_id(channel, out nint id, owner, RdmaCm.RDMA_PS_TCP));
        return id;
    }

    /// <summary>rdma_bind_addr.</summary>
    public static void Bind(nint id, HardwareAddress local, ushort port)
    {
        Invariant.Require(id != 0);
        SocketAddress6 address = SocketAddress6.Of(local.Address, port);
        Native.Success(
            $"rdma_bind_addr to {local.Address} port {port}",
            RdmaCm.rdma_bind_addr(id, ref address));
    }

    /// <summary>rdma_destroy_id.</summary>
    public static void Destroy(nint id)
    {
        Invariant.Require(id != 0);
        Native.Success("rdma_destroy_id", RdmaCm.rdma_destroy_id(id));
    }

    /// <summary>Takes all events there are. The watching thread's.</summary>
    public void Drain()
    {
        while (RdmaCm.rdma_get_cm_event(channel, out nint happened) == 0)
        {
            CmEvent copy = Cm.Copy(happened);
            Native.Success("rdma_ack_cm_event", RdmaCm.rdma_ack_cm_event(happened));
            bool taken;
            lock (gate)
            {
                taken = owners.TryGetValue(copy.Owner, out Action<CmEvent>? handler);
                handler?.Invoke(copy);
            }

            if (!taken && copy.Kind == CmEventKind.ConnectRequest)
            {
                Destroy(copy.Id); // Nobody listens any more; this refuses it.
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => RdmaCm.rdma_destroy_event_channel(channel);
}
