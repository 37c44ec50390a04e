using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using StorageOs.Contracts.Runtime;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>
/// A card as this transport has opened it: one context with its asynchronous events, one
/// protection domain for the one partner. Any thread.
/// </summary>
internal sealed class Adapter : IDisposable
{
    private readonly IbvDeviceAttr device;
    private readonly Lock keysLock = new();
    private readonly HashSet<uint> retired = [];
    private readonly Queue<uint> retiredOrder = new();

    private Adapter(nint context, byte port, IPAddress local)
    {
        Context = context;
        Port = port;
        Name = InlineVerbs.DeviceName(InlineVerbs.Device(context));
        Native.Zero("ibv_query_device", Ibv.ibv_query_device(context, ref device));
        if (!InlineVerbs.HasOperations(context))
        {
            throw new RefusedException(new Refusal(
                $"device {Name}",
                "a library with the operation table of libibverbs.so.1",
                "one without post_send, poll_cq or req_notify_cq",
                "install the libibverbs1 of your distribution"));
        }

        Domain = Native.Pointer("ibv_alloc_pd", Ibv.ibv_alloc_pd(context));
        SelfPath = FindSelf(local);
        int descriptor = InlineVerbs.AsyncDescriptor(context);
        int flags = Native.Success("fcntl", Libc.fcntl(descriptor, Libc.F_GETFL, 0));
        Native.Success("fcntl", Libc.fcntl(descriptor, Libc.F_SETFL, flags | Libc.O_NONBLOCK));
        AsyncDescriptor = descriptor;
    }

    /// <summary>The device's name, such as rxe0.</summary>
    public string Name { get; }

    /// <summary>ibv_context.</summary>
    public nint Context { get; }

    /// <summary>ibv_pd.</summary>
    public nint Domain { get; }

    /// <summary>Number of the port that the local address belongs to.</summary>
    public byte Port { get; }

    /// <summary>Where asynchronous events show.</summary>
    public int AsyncDescriptor { get; }

    /// <summary>How the device reaches itself.</summary>
    public IbvQpAttr SelfPath { get; }

    /// <summary>Reads that a queue pair may have in flight, here and at the partner.</summary>
    public byte ReadsMax => (byte)Math.Clamp(
        Math.Min(device.MaxQpRdAtom, device.MaxQpInitRdAtom), 1, Limits.ReadsMax);

    /// <summary>Opens the device that has the address.</summary>
    public static Adapter Open(CmChannel cm, HardwareAddress local)
    {
        nint id = cm.Create(0);
        try
        {
            CmChannel.Bind(id, local, 0);
            nint bound = Cm.Context(id);
            if (bound == 0)
            {
                throw new RefusedException(new Refusal(
                    $"this node's address {local}",
                    "an address of an RDMA device",
                    "one that belongs to none in particular",
                    "give the address of one interface (see 'rdma link' and 'ip address')"));
            }

            nint context = Native.Pointer(
                "ibv_open_device", Ibv.ibv_open_device(InlineVerbs.Device(bound)));
            try
            {
                return new Adapter(context, Cm.Port(id), local.Address);
            }
            catch (RefusedException)
            {
                _ = Ibv.ibv_close_device(context);
                throw;
            }
        }
        finally
        {
            CmChannel.Destroy(id);
        }
    }

    /// <summary>Refuses more posts than a queue pair of the device can hold.</summary>
    public void RequirePosts(string name, int posts)
    {
        if (posts > device.MaxQpWr || posts > device.MaxCqe)
        {
            throw new RefusedException(new Refusal(
                $"port {name}",
                $"at most {Math.Min(device.MaxQpWr, device.MaxCqe)} posts in flight, "
                    + $"the limit of {Name}",
                $"{posts}"));
        }
    }

    /// <summary>
    /// Shows memory to the card; remote rights ask for a key that never was before.
    /// </summary>
    public Registration Register(nint address, int length, ulong remoteAddress, uint access)
    {
        const uint Remote =
            IbvConstants.IBV_ACCESS_REMOTE_READ | IbvConstants.IBV_ACCESS_REMOTE_WRITE;
        if ((access & Remote) == 0)
        {
            return RegisterOnce(address, length, remoteAddress, access);
        }

        // Cards hand keys out in sequence: some are taken and thrown away, so that the next one is
        // not known from the last; and a card may hand out one of before.
        List<Registration> spare = [];
        try
        {
            for (int skip = RandomNumberGenerator.GetInt32(Limits.KeysSkippedMax); skip > 0; skip--)
            {
                spare.Add(RegisterOnce(address, Size.Page, remoteAddress, 0));
            }

            for (int tries = 0; tries < Limits.RegistrationTriesMax; tries++)
            {
                Registration made = RegisterOnce(address, length, remoteAddress, access);
                if (!IsRetired(made.RemoteKey))
                {
                    return made;
                }

                spare.Add(made);
            }
        }
        finally
        {
            foreach (Registration unused in spare)
            {
                unused.End();
            }
        }

        throw new RefusedException(new Refusal(
            $"ibv_reg_mr_iova2 on {Name}",
            "a remote key that was not given out before",
            $"known ones only, {Limits.RegistrationTriesMax} times"));
    }

    /// <summary>A key that must never be offered again.</summary>
    public void Retire(uint key)
    {
        lock (keysLock)
        {
            if (retired.Add(key))
            {
                retiredOrder.Enqueue(key);
                if (retiredOrder.Count > Limits.RetiredKeysMax)
                {
                    retired.Remove(retiredOrder.Dequeue());
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Native.Zero("ibv_dealloc_pd", Ibv.ibv_dealloc_pd(Domain));
        Native.Zero("ibv_close_device", Ibv.ibv_close_device(Context));
    }

    private bool IsRetired(uint key)
    {
        lock (keysLock)
        {
            return retired.Contains(key);
        }
    }

    private Registration RegisterOnce(nint address, int length, ulong remoteAddress, uint access) =>
        new(
            Native.Pointer(
                $"ibv_reg_mr_iova2 of {length} bytes on {Name}",
                Ibv.ibv_reg_mr_iova2(Domain, address, (nuint)length, remoteAddress, access)),
            this);

    /// <summary>
    /// The address vector to oneself: the GID that is the local address, of the routable kind
    /// where there are two.
    /// </summary>
    private IbvQpAttr FindSelf(IPAddress local)
    {
        IbvPortAttr port = default;
        Native.Zero("ibv_query_port", Ibv.ibv_query_port(Context, Port, ref port));
        if (port.State != IbvConstants.IBV_PORT_ACTIVE)
        {
            throw new RefusedException(new Refusal(
                $"port {Port} of {Name}",
                "an active link",
                $"state {port.State}",
                "bring the interface up and check cable and switch"));
        }

        IbvQpAttr path = new()
        {
            PathMtu = port.ActiveMtu,
            AhAttr = new IbvAhAttr
            {
                Dlid = port.Lid,
                PortNumber = Port,
                HopLimit = 64,
                IsGlobal = (byte)(port.LinkLayer == IbvConstants.IBV_LINK_LAYER_ETHERNET ? 1 : 0),
            },
        };
        if (path.AhAttr.IsGlobal == 0)
        {
            return path;
        }

        IbvGidEntry? found = null;
        for (uint index = 0; index < (uint)port.GidTableLength; index++)
        {
            IbvGidEntry entry = default;
            int error = Ibv._ibv_query_gid_ex(
                Context, Port, index, ref entry, 0, (nuint)Marshal.SizeOf<IbvGidEntry>());
            if (error == 0
                && Gid.ToAddress(entry.Gid).Equals(Gid.WithoutScope(local))
                && (found is null || entry.GidType == IbvConstants.IBV_GID_TYPE_ROCE_V2))
            {
                found = entry;
            }
        }

        if (found is not { } self)
        {
            throw new RefusedException(new Refusal(
                $"GID table of {Name} port {Port}",
                $"an entry for {local}",
                "none",
                "check the address of the interface; 'rdma link' names the device's interface"));
        }

        path.AhAttr.DestinationGid = self.Gid;
        path.AhAttr.SourceGidIndex = (byte)self.GidIndex;
        return path;
    }
}
