using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

/// <summary>What this machine has for RDMA, as a person would look for it.</summary>
internal static class Inspection
{
    /// <summary>What to do when the libraries are not there.</summary>
    public const string InstallLibraries =
        "install them: apt install rdma-core ibverbs-providers librdmacm1";

    private const string NoDevice = "install an RDMA card and its driver; without one, "
        + "'modprobe rdma_rxe; rdma link add rxe0 type rxe netdev IF' makes a device of software";

    /// <summary>Looks, and opens nothing for good.</summary>
    public static IReadOnlyList<TransportFact> Run()
    {
        List<TransportFact> facts = [];
        try
        {
            AddDevices(facts);
            AddConnectionManager(facts);
        }
        catch (Exception missing) when (missing is DllNotFoundException
            or EntryPointNotFoundException)
        {
            facts.Add(new TransportFact(
                "libibverbs.so.1 and librdmacm.so.1", missing.Message, false, InstallLibraries));
        }

        AddMemlock(facts);
        AddHugePages(facts);
        return facts;
    }

    /// <summary>
    /// The address to try a transport on where none is configured: that of the first active port,
    /// an IPv4 one rather than another; null when there is none.
    /// </summary>
    public static IPAddress? FirstAddress()
    {
        nint[] devices = InlineVerbs.Devices(out nint list);
        if (list == 0)
        {
            return null;
        }

        IPAddress? first = null;
        foreach (nint device in devices)
        {
            nint context = Ibv.ibv_open_device(device);
            if (context != 0)
            {
                IPAddress[] found = [.. Addresses(context)];
                first = Array.Find(found, a => a.AddressFamily == AddressFamily.InterNetwork)
                    ?? found.FirstOrDefault(a => !a.IsIPv6LinkLocal);
                _ = Ibv.ibv_close_device(context);
            }

            if (first is not null)
            {
                break;
            }
        }

        InlineVerbs.FreeDevices(list);
        return first;
    }

    private static List<IPAddress> Addresses(nint context)
    {
        List<IPAddress> found = [];
        IbvDeviceAttr device = default;
        _ = Ibv.ibv_query_device(context, ref device); // Zero ports when it fails.
        for (byte port = 1; port <= device.PhysicalPortCount; port++)
        {
            IbvPortAttr attributes = default;
            if (Ibv.ibv_query_port(context, port, ref attributes) == 0
                && attributes.State == IbvConstants.IBV_PORT_ACTIVE)
            {
                found.AddRange(Gids(context, port, attributes.GidTableLength)
                    .Select(g => Gid.ToAddress(g.Entry.Gid)));
            }
        }

        return found;
    }

    private static IEnumerable<(uint Index, IbvGidEntry Entry)> Gids(
        nint context, byte port, int count)
    {
        for (uint index = 0; index < (uint)count; index++)
        {
            IbvGidEntry entry = default;
            if (Ibv._ibv_query_gid_ex(
                context, port, index, ref entry, 0, (nuint)Marshal.SizeOf<IbvGidEntry>()) == 0)
            {
                yield return (index, entry);
            }
        }
    }

    private static void AddDevices(List<TransportFact> facts)
    {
        nint[] devices = InlineVerbs.Devices(out nint list);
        if (list == 0)
        {
            facts.Add(new TransportFact(
                "devices", Error("ibv_get_device_list", Marshal.GetLastPInvokeError()), false,
                "load the module ib_uverbs"));
            return;
        }

        if (devices.Length == 0)
        {
            facts.Add(new TransportFact("devices", "none", false, NoDevice));
        }

        foreach (nint device in devices)
        {
            AddDevice(facts, device);
        }

        InlineVerbs.FreeDevices(list);
    }

    private static void AddDevice(List<TransportFact> facts, nint device)
    {
        string name = InlineVerbs.DeviceName(device);
        nint context = Ibv.ibv_open_device(device);
        if (context == 0)
        {
            facts.Add(new TransportFact(
                $"device {name}", Error("ibv_open_device", Marshal.GetLastPInvokeError()), false,
                "run as root, or give the user rights to /dev/infiniband"));
            return;
        }

        IbvDeviceAttr attributes = default;
        int error = Ibv.ibv_query_device(context, ref attributes);
        facts.Add(error != 0
            ? new TransportFact(
                $"device {name}", Error("ibv_query_device", error), false, "check its driver")
            : new TransportFact(
                $"device {name}",
                $"{attributes.PhysicalPortCount} port(s), {attributes.MaxQp} queue pairs of "
                    + $"{attributes.MaxQpWr} posts"));
        for (byte port = 1; error == 0 && port <= attributes.PhysicalPortCount; port++)
        {
            AddPort(facts, name, context, port);
        }

        _ = Ibv.ibv_close_device(context);
    }

    private static void AddPort(List<TransportFact> facts, string name, nint context, byte port)
    {
        string subject = $"{name} port {port}";
        IbvPortAttr attributes = default;
        int error = Ibv.ibv_query_port(context, port, ref attributes);
        if (error != 0)
        {
            facts.Add(new TransportFact(
                subject, Error("ibv_query_port", error), false, "check its driver"));
            return;
        }

        bool active = attributes.State == IbvConstants.IBV_PORT_ACTIVE;
        string layer = attributes.LinkLayer == IbvConstants.IBV_LINK_LAYER_ETHERNET
            ? "Ethernet" : "InfiniBand";
        facts.Add(new TransportFact(
            subject,
            $"{(active ? "active" : $"down (state {attributes.State})")}, {layer}, "
                + $"MTU {128 << (int)attributes.ActiveMtu}",
            active,
            active ? "" : "bring its interface up ('ip link set IF up'); check cable and switch"));
        foreach ((uint index, IbvGidEntry entry) in Gids(
            context, port, attributes.GidTableLength))
        {
            facts.Add(GidFact(subject, index, entry));
        }
    }

    private static TransportFact GidFact(string port, uint index, IbvGidEntry entry)
    {
        string kind = entry.GidType switch
        {
            0 => "InfiniBand",
            1 => "RoCE v1, not routable",
            _ => "RoCE v2",
        };
        return new TransportFact($"{port} GID {index}", $"{Gid.ToAddress(entry.Gid)}, {kind}");
    }

    private static void AddConnectionManager(List<TransportFact> facts)
    {
        nint channel = RdmaCm.rdma_create_event_channel();
        int error = Marshal.GetLastPInvokeError();
        facts.Add(channel != 0
            ? new TransportFact("connection manager", "rdma_cm answers")
            : new TransportFact(
                "connection manager", Error("rdma_create_event_channel", error), false,
                "load the module rdma_ucm"));
        if (channel != 0)
        {
            RdmaCm.rdma_destroy_event_channel(channel);
        }
    }

    private static void AddMemlock(List<TransportFact> facts)
    {
        const string Subject = "memlock limit";
        if (Libc.getrlimit(Libc.RLIMIT_MEMLOCK, out ResourceLimit limit) != 0)
        {
            facts.Add(new TransportFact(
                Subject, Error("getrlimit", Marshal.GetLastPInvokeError())));
        }
        else if (limit.Soft == ResourceLimit.Infinity)
        {
            facts.Add(new TransportFact(Subject, "unlimited"));
        }
        else
        {
            bool ignored = Environment.IsPrivilegedProcess;
            facts.Add(new TransportFact(
                Subject,
                $"{limit.Soft / 1024} KiB{(ignored ? ", which root may exceed" : "")}",
                ignored,
                ignored ? "" : "set LimitMEMLOCK=infinity in the unit, or ulimit -l unlimited"));
        }
    }

    private static void AddHugePages(List<TransportFact> facts)
    {
        foreach (string line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("HugePages_Free:", StringComparison.Ordinal))
            {
                string free = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
                facts.Add(new TransportFact(
                    "huge pages",
                    int.Parse(free, CultureInfo.InvariantCulture) > 0
                        ? $"{free} free"
                        : "none free; regions use plain pages"));
            }
        }
    }

    private static string Error(string call, int error) =>
        $"{call}: error {error} ({Marshal.GetPInvokeErrorMessage(error)})";
}
