using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using StorageOs.Kernel.Cli.Bench;
using StorageOs.Kernel.Cli.Transport;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Configuration.Interop;

namespace StorageOs.Kernel.Cli.Doctor;

/// <summary>What a node's transport has on this machine, and how far its partner is.</summary>
internal static class PartnerDoctor
{
    private const int Echoes = 100;
    private const double SteadyMs = 5;
    private const double LateMs = 100; // About half of what a beat may take.
    private static readonly TimeSpan EchoTimeMax = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    /// <summary>What the transport itself finds: devices, ports, modules, limits.</summary>
    internal static async Task<IEnumerable<Diagnosis>> TransportAsync(NodeSettings settings)
    {
        await using LoadedTransport loaded = await LoadedTransport.LoadAsync(
            settings.Transport.Name, settings.Plugins.Directories);
        return
        [
            .. loaded.Provider.Inspect().Select(fact => new Diagnosis(
                $"{settings.Transport.Name}: {fact.Subject}",
                !fact.Usable ? Verdict.Bad
                    : fact.Remedy.Length > 0 ? Verdict.Advice : Verdict.Good,
                fact.Found, fact.Remedy)),
        ];
    }

    /// <summary>
    /// How long the partner's machine takes to answer an echo, and how that spreads. Nothing when
    /// its address is no IP address, as that of a partner on this machine.
    /// </summary>
    internal static async Task<IEnumerable<Diagnosis>> LatencyAsync(
        PartnerSettings partner, CancellationToken cancellation)
    {
        if (!IPAddress.TryParse(partner.Address, out IPAddress? address))
        {
            return [];
        }

        // Without rights to a raw socket each echo is the start of a program: that is not timed.
        bool own = Statx.geteuid() == 0;
        Samples times = new();
        int lost = 0;
        using Ping ping = new();
        for (int i = 0; i < Echoes && (times.Count > 0 || lost < 4); i++)
        {
            long begin = Stopwatch.GetTimestamp();
            PingReply reply = await ping.SendPingAsync(
                address, EchoTimeMax, null, null, cancellation);
            if (reply.Status == IPStatus.Success)
            {
                times.Add(own
                    ? Stopwatch.GetElapsedTime(begin).TotalMilliseconds : reply.RoundtripTime);
            }
            else
            {
                lost++;
            }

            await Task.Delay(Pause, cancellation);
        }

        return [Latency(partner.Address, times, lost)];
    }

    /// <summary>What the times of echoes, in milliseconds, say.</summary>
    internal static Diagnosis Latency(string address, Samples times, int lost)
    {
        if (times.Count == 0)
        {
            return new(
                "partner", Verdict.Unknown, $"{address} answers no echo",
                "see that it is on, and that nothing between drops ICMP; the node needs none");
        }

        string found = string.Create(CultureInfo.InvariantCulture,
            $"{address} answers in {times.Median:0.00} ms, 99 of 100 in"
            + $" {times.Percentile(99):0.00}, all in {times.Worst:0.00}, {lost} lost");
        return lost > 0 || times.Worst > LateMs
            ? new("partner", Verdict.Bad, found,
                "mend the network: a beat that comes late ends the session")
            : Diagnosis.Of(
                "partner", times.Percentile(99) < SteadyMs, Verdict.Advice, found,
                "look for other traffic on the path: every write waits for one way and back");
    }
}
