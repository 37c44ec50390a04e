using System.Diagnostics;
using System.Globalization;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Loopback;
using StorageOs.Transport.Tcp;

namespace StorageOs.Transport.Tests;

/// <summary>This process as the first node, and a real process as its partner.</summary>
internal sealed class PeerProcess : IDisposable
{
    public const int RegionBytes = 32 * Size.MiB;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly string fabric = TestFolder.Make();
    private readonly IRegion page;
    private readonly IRegion inbox;
    private Process process;

    private readonly bool tcp;
    private readonly uint ownPort = 1;
    private readonly uint partnerPort = 2;

    public PeerProcess(bool tcp = false)
    {
        this.tcp = tcp;
        if (tcp)
        {
            ownPort = TcpPair.FreePort(OwnAddress);
            partnerPort = TcpPair.FreePort(PartnerAddress);
            Transport = new TcpProvider().Open(
                new(OwnAddress, new Dictionary<string, string>()), () => Changes++);
        }
        else
        {
            Transport = new LoopbackProvider().Open(
                LoopbackPair.Settings(fabric, OwnAddress), () => Changes++);
        }

        page = Transport.Map(new RegionNeed("page", Size.Page, RemoteAccess.Read)
        {
            PresetAddress = 0x5000_0000_0000,
        });
        inbox = Transport.Map(
            new RegionNeed("inbox", Size.Page, RemoteAccess.Read | RemoteAccess.Write));
        process = Start();
        WellKnown = Connect();
    }

    public ITransport Transport { get; }

    /// <summary>How often the transport rang.</summary>
    public int Changes { get; private set; }

    private string OwnAddress => tcp ? "127.0.0.1" : "fc:010203";

    private string PartnerAddress => tcp ? "127.0.0.2" : "fc:010204";

    public IWellKnownPort WellKnown { get; private set; }

    /// <summary>Starts a new partner process after the last has gone.</summary>
    public void Restart()
    {
        WellKnown.Dispose();
        process.WaitForExit();
        process.Dispose();
        process = Start();
        WellKnown = Connect();
    }

    /// <summary>
    /// Connects one port and lets the partner write to the region until it fails.
    /// </summary>
    public IPort StartWriting(IRegion target)
    {
        string[] words = ReadLine().Split(' ');
        Assert.Equal("PORT", words[0]);
        IPreparedPort prepared = Transport.Prepare(new PortNeed("bulk", 4));
        string address = Convert.ToHexString(prepared.Address.Span);
        IPort port = prepared.Connect(Convert.FromHexString(words[1]));
        RemoteRegion offer = target.Offer(RemoteAccess.Write);
        process.StandardInput.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{address} {offer.Key} {offer.Address} {offer.Length}"));
        process.StandardInput.Flush();
        return port;
    }

    /// <summary>How many writes the partner saw succeed, and how the last one ended.</summary>
    public (ulong Completed, CompletionStatus Status) ReadEnd()
    {
        string[] words = ReadLine().Split(' ');
        Assert.Equal("END", words[0]);
        return (
            ulong.Parse(words[1], CultureInfo.InvariantCulture),
            Enum.Parse<CompletionStatus>(words[2]));
    }

    /// <summary>Stops the partner and returns once it stands.</summary>
    public void Stop()
    {
        Signal("STOP");
        string stat = $"/proc/{process.Id}/stat";
        Await(() => File.ReadAllText(stat).Contains(") T ", StringComparison.Ordinal));
    }

    public void Continue() => Signal("CONT");

    public void Kill() => process.Kill();

    /// <summary>
    /// Open sockets of this process; not all open files, for an assembly that is loaded meanwhile
    /// stays open, too.
    /// </summary>
    public static int OpenSockets() => Directory.GetFileSystemEntries("/proc/self/fd")
        .Count(path => new FileInfo(path).LinkTarget?.StartsWith(
            "socket:", StringComparison.Ordinal) == true);

    public static void Await(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        SpinWait spin = default;
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Patience, "did not come in time");
            spin.SpinOnce();
        }
    }

    public void Dispose()
    {
        process.Kill();
        process.WaitForExit();
        process.Dispose();
        Transport.Dispose();
        Directory.Delete(fabric, recursive: true);
    }

    private void Signal(string name)
    {
        using Process kill = Process.Start("kill", ["-" + name, $"{process.Id}"]);
        kill.WaitForExit();
        Assert.Equal(0, kill.ExitCode);
    }

    private string ReadLine() => process.StandardOutput.ReadLine()
        ?? throw new InvalidOperationException("the peer has ended");

    private Process Start()
    {
        string peer = Path.Combine(AppContext.BaseDirectory, "StorageOs.Transport.Peer.dll");
        string[] arguments =
        [
            peer, tcp ? "tcp" : "loopback", PartnerAddress, $"{partnerPort}", OwnAddress,
            $"{ownPort}",
        ];
        Process started = Process.Start(new ProcessStartInfo(
            "dotnet", tcp ? arguments : [.. arguments, fabric])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        Assert.Equal("LISTENING", started.StandardOutput.ReadLine());
        return started;
    }

    private IWellKnownPort Connect()
    {
        IWellKnownPort port = Transport.OpenWellKnown(new WellKnownNeed(
            ownPort, PartnerAddress, partnerPort, 0x6000_0000_0000, Connects: true, page, inbox));
        Await(() => port.Poll() == WellKnownState.Connected);
        return port;
    }
}
