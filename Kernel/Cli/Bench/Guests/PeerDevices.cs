using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Cli.Image;

namespace StorageOs.Kernel.Cli.Bench.Guests;

/// <summary>
/// The block devices in guest a that writes are measured on: ours by nbd-client, and the peers' on
/// partitions of the same disks and of the same size. DRBD has one on each side and mirrors; NVMe
/// has one on the other side and does not. All use the one link between the guests.
/// </summary>
internal sealed record PeerDevices(string Ours, string Drbd, string NvmeTcp, string NvmeRdma)
{
    private const string Nbd = "/dev/nbd0";
    private const int ConnectTriesMax = 4;

    /// <summary>Partitions that the peers need, as image/bench-root names them.</summary>
    internal static IReadOnlyList<string> Partitions { get; } = ["drbd", "nvme"];

    /// <summary>Brings all of them up.</summary>
    internal static async Task<PeerDevices> UpAsync(
        BenchGuests guests, CancellationToken cancellation)
    {
        GuestShell a = guests.Shell("a");
        foreach (string name in PairLayout.Names)
        {
            _ = await guests.Shell(name).RunAsync(
                "/etc/storageos/bench-peers", cancellation);
        }

        await ConnectDrbdAsync(guests, cancellation);

        // Both disks are zeros: nothing has to be copied before the first measurement.
        _ = await a.RunAsync(
            "drbdadm -- --clear-bitmap new-current-uuid bench </dev/null "
            + "&& drbdadm primary bench </dev/null "
            + "&& grep -q UpToDate/UpToDate /proc/drbd || { cat /proc/drbd; exit 1; }",
            cancellation);
        string tcp = await a.RunAsync("/etc/storageos/bench-nvme tcp", cancellation);
        string rdma = await a.RunAsync("/etc/storageos/bench-nvme rdma", cancellation);
        return new PeerDevices(Nbd, "/dev/drbd0", tcp, rdma);
    }

    /// <summary>
    /// Connects ours, for one turn: the volume may have been served by the other since the last,
    /// and nbd-client does not connect again. A request without an answer fails after a while.
    /// </summary>
    internal static async Task ConnectOursAsync(GuestShell a, CancellationToken cancellation) =>
        _ = await a.RunAsync(
            $"nbd-client {GuestNetwork.Service(0)} {GuestNetwork.NbdPort} {Nbd} "
            + "-N vol0 -b 4096 -timeout 10 </dev/null >/run/nbd.log 2>&1 "
            + "|| { cat /run/nbd.log; exit 1; }", cancellation);

    /// <summary>Disconnects ours, also one that is dead.</summary>
    internal static async Task DisconnectOursAsync(
        GuestShell a, CancellationToken cancellation) =>
        _ = await a.TryAsync($"nbd-client -d {Nbd} </dev/null", cancellation);

    /// <summary>
    /// A first try to connect is lost now and then while the other loads its modules, and then
    /// neither tries again: b is brought up anew.
    /// </summary>
    private static async Task ConnectDrbdAsync(
        BenchGuests guests, CancellationToken cancellation)
    {
        for (int tries = 0; tries < ConnectTriesMax; tries++)
        {
            (bool connected, _) = await guests.Shell("a").TryAsync(
                "for i in $(seq 40); do grep -q cs:Connected /proc/drbd && exit 0; sleep 0.5; done;"
                + " exit 1", cancellation);
            if (connected)
            {
                return;
            }

            _ = await guests.Shell("b").TryAsync(
                "drbdadm down bench </dev/null; drbdadm up bench </dev/null", cancellation);
        }

        throw new RefusedException(new Refusal(
            "drbd", "both ends to connect",
            (await guests.Shell("b").TryAsync("tail -2 /proc/drbd", cancellation)).Output));
    }

    /// <summary>
    /// Takes all of them down: their keepalives and timers are not part of what else is measured.
    /// </summary>
    internal static async Task DownAsync(BenchGuests guests, CancellationToken cancellation)
    {
        const string Drbd = "drbdadm down bench </dev/null";
        _ = await guests.Shell("a").RunAsync(
            "nvme disconnect -n tcp; nvme disconnect -n rdma; " + Drbd,
            cancellation);
        _ = await guests.Shell("b").RunAsync(
            $"{Drbd}; cd /sys/kernel/config/nvmet && "
            + "{ rm -f ports/1/subsystems/tcp ports/2/subsystems/rdma; rmdir ports/1 ports/2; "
            + "for k in tcp rdma; do echo 0 >subsystems/$k/namespaces/1/enable; "
            + "rmdir subsystems/$k/namespaces/1 subsystems/$k; done; }", cancellation);
    }
}
