using System.Globalization;

namespace StorageOs.Kernel.Cli.Image;

/// <summary>
/// The networks between two guests: one from node to node, and one for management and clients that
/// this machine reaches. Ethernet frames travel in Unix datagrams, so either end can come and go.
/// </summary>
/// <param name="directory">The pair's directory.</param>
internal sealed class GuestNetwork(string directory)
{
    /// <summary>Ports within the guests.</summary>
    internal const int NbdPort = 10809;

    /// <summary>Port of a guest's management.</summary>
    internal const int ManagementPort = 7800;

    private const string LanPrefix = "10.0.9.";
    private const string InterconnectPrefix = "10.9.0.";

    /// <summary>A guest's address on the network between the nodes.</summary>
    internal static string Interconnect(string name) => InterconnectPrefix + Number(name);

    /// <summary>A guest's address for management.</summary>
    internal static string Lan(string name) => LanPrefix + Number(name);

    /// <summary>The address of a group's exports, wherever they are.</summary>
    internal static string Service(int group) =>
        LanPrefix + (100 + group).ToString(CultureInfo.InvariantCulture);

    /// <summary>Path of the socket that gets every frame of the clients' network.</summary>
    internal string Frames => Socket("frames");

    /// <summary>QEMU's arguments for a guest's two network devices.</summary>
    internal IEnumerable<string> Devices(string name, string other)
    {
        string mac = $"52:54:00:05:06:{Number(name)}";
        return
        [
            "-netdev", Datagrams("interconnect", Socket($"{name}-nodes"), Socket($"{other}-nodes")),
            "-device", $"virtio-net-pci,netdev=interconnect,mac={mac}0,addr=0x10",
            "-netdev", Datagrams("lan", Socket($"{name}-lan"), Socket($"{name}-hub")),
            "-device", $"virtio-net-pci,netdev=lan,mac={mac}1,addr=0x11",
        ];
    }

    /// <summary>
    /// QEMU's arguments for the process between this machine and the guests: a hub without a
    /// machine, with QEMU's own TCP/IP at one end, and at another the socket of
    /// <see cref="GuestForwarder"/>, which sees every frame. What it forwards goes to whoever holds
    /// the address on the guests' network.
    /// </summary>
    /// <param name="guests">The pair.</param>
    /// <param name="exports">
    /// This machine's port that leads to the first service address; the next to the second.
    /// </param>
    internal IEnumerable<string> Hub(GuestSettings guests, int exports)
    {
        List<string> forwards = [];
        for (int i = 0; i < PairLayout.Names.Count; i++)
        {
            forwards.Add(Forward(exports + i, Service(i), NbdPort + i));
            forwards.Add(Forward(
                guests.ManagementPort + i, Lan(PairLayout.Names[i]), ManagementPort));
        }

        List<string> arguments =
        [
            "-machine", "none", "-nodefaults", "-display", "none",
            "-netdev", $"user,id=host,net={LanPrefix}0/24,host={LanPrefix}254,"
                + $"dns={LanPrefix}253,dhcpstart={LanPrefix}200,{string.Join(',', forwards)}",
            "-netdev", "hubport,id=host-port,hubid=0,netdev=host",
            "-netdev", Datagrams("watch", Socket("watch-hub"), Frames),
            "-netdev", "hubport,id=watch-port,hubid=0,netdev=watch",
        ];
        foreach (string name in PairLayout.Names)
        {
            arguments.AddRange(
            [
                "-netdev", Datagrams(name, Socket($"{name}-hub"), Socket($"{name}-lan")),
                "-netdev", $"hubport,id={name}-port,hubid=0,netdev={name}",
            ]);
        }

        return arguments;
    }

    private static string Forward(int here, string address, int port) =>
        string.Create(
            CultureInfo.InvariantCulture, $"hostfwd=tcp:127.0.0.1:{here}-{address}:{port}");

    private static string Datagrams(string id, string local, string remote) =>
        $"dgram,id={id},local.type=unix,local.path={local},remote.type=unix,remote.path={remote}";

    private static int Number(string name) => name == PairLayout.Names[0] ? 1 : 2;

    private string Socket(string name) => Path.Combine(directory, "net", name);
}
