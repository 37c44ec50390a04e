using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;
using StorageOs.NvramMirror;
using StorageOs.Volumes;

namespace StorageOs.Storage.Tests.Harness;

/// <summary>One node: its NVRAM and disks outlive its process, which can be crashed and
/// booted.</summary>
internal sealed class TestNode : IDisposable, IClientServices
{
    public const long VolumeBytes = 256 * Size.KiB;
    private readonly Dictionary<string, byte[]> nvram = [];
    private readonly Dictionary<string, TestDisk> disks = [];
    private readonly Dictionary<string, TestFile> files = [];
    private readonly string directory = Directory.CreateTempSubdirectory("storage-test-").FullName;
    private readonly Dictionary<string, TestWorker> workers = [];
    private readonly ulong id;
    private readonly int logBytes;
    private ulong boots;
    private Dictionary<string, TestRegion> regions = [];

    public TestNode(TestReactor reactor, ulong id, int logBytes)
    {
        Reactor = reactor;
        this.id = id;
        this.logBytes = logBytes;
    }

    public TestReactor Reactor { get; }

    public string MachineBootId { get; set; } = "boot-1";

    public PersistenceLevel Persistence { get; set; } = PersistenceLevel.Process;

    public MirrorClient Mirror { get; private set; } = null!;

    public VolumesClient Store { get; private set; } = null!;

    public TestNode? Peer { get; set; }

    public TestPort? Port { get; set; }

    /// <summary>What this boot's modules are told of the node.</summary>
    public NodeInfo Info { get; private set; } = null!;

    private bool inSession;

    public bool Up { get; private set; }

    public IGroupLog Log => Mirror.Log(new GroupId(0));

    public GroupLog Inner => (GroupLog)Log;

    public IVolume Volume => Store.All[0];

    public TestDisk Disk => disks["vol0.img"];

    public ulong Id => id;

    /// <summary>The record of what this node has changed alone.</summary>
    public TestFile Record => files["group0.changes"];

    /// <summary>Settings beside those that every node has.</summary>
    public Dictionary<string, string?> Settings { get; } = [];

    public byte[] Nvram => nvram["log0"];

    public TestRegion LogRegion => regions["log0"];

    /// <summary>Names of workers that hold what they are given.</summary>
    public HashSet<string> HeldWorkers { get; } = [];

    public void ReleaseWorkers()
    {
        HeldWorkers.Clear();
        foreach (TestWorker worker in workers.Values)
        {
            worker.Release();
        }
    }

    /// <summary>Nobody is there; what ownership would decide, most tests decide.</summary>
    public PartnerView Partner { get; } = new(
        PartnerCondition.Dead, default, 0, null, null, default, default, default);

    /// <summary>Why the log asked for another session.</summary>
    public List<string> Reconnects { get; } = [];

    /// <summary>What the volumes have against planned moves.</summary>
    public TestVetoes Vetoes { get; } = new();

    public void Boot()
    {
        boots++;
        Up = true;
        IConfiguration settings = new ConfigurationBuilder()
            .AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["logBytes"] = $"{logBytes}",
                ["volumes:0:name"] = "vol0",
                ["volumes:0:group"] = "0",
                ["volumes:0:sizeBytes"] = $"{VolumeBytes}",
                ["scrub:bytesPerSecond"] = "0", // Only when a test asks for it.
            }).AddInMemoryCollection(Settings).Build();
        NodeInfo info = Info = new(
            $"n{id}", $"n{3 - id}", id, 3 - id, boots, directory, directory, Persistence)
        {
            MachineBootId = MachineBootId,
        };
        Mirror = new MirrorClient(
            info, settings, Reactor, NullLogger<MirrorClient>.Instance);
        regions = Mirror.Needs.Regions.ToDictionary(need => need.Name, MakeRegion);
        ulong boot = boots;
        Store = new VolumesClient(
            settings, info, Reactor, Mirror,
            (one, _) => DiskOf(one.Name + ".img", one.SizeBytes),
            name => workers[name] = new TestWorker(
                Reactor, () => !Up || boots != boot, () => HeldWorkers.Contains(name)),
            FileOf, vetoes: Vetoes);
        Assert.True(Mirror.StartAsync(this, default).AsTask().IsCompletedSuccessfully);
        Assert.True(Store.StartAsync(this, default).AsTask().IsCompletedSuccessfully);
    }

    /// <summary>The process is gone; what it had mapped stays as it is.</summary>
    public void Crash()
    {
        Up = false;
        Port = null;
        inSession = false;
        Store.Dispose();
        Mirror.Dispose();
    }

    public void Ready(SessionId session, IPort port)
    {
        Port = port as TestPort;
        inSession = true;
        TestRegion page = Peer!.regions["page"];
        if (page.Offered is null)
        {
            page.Offer(RemoteAccess.Read);
        }

        Mirror.PartnerReady(new ClientGrant(
            session, 1, 1,
            new Dictionary<string, IPort> { ["log"] = port },
            new Dictionary<string, IRemoteMemory> { ["page"] = page.Offered! }));
    }

    public void Lost()
    {
        Port = null;
        inSession = false;
        foreach (TestRegion region in regions.Values)
        {
            region.Revoke();
        }

        regions["page"].Reclaim([new ByteRange(0, Size.Page)]);
        Mirror.PartnerLost(default, new SessionEnd(SessionEndReason.EndpointGone, "test"));
    }

    public IRegion Region(string name) => regions[name];

    public ValueTask<IPort> OpenPortAsync(string name, CancellationToken cancellation = default) =>
        throw new NotSupportedException();

    public void ClosePort(string name) => throw new NotSupportedException();

    /// <summary>A card that takes no memory.</summary>
    public bool OfferFails { get; set; }

    public void Offer(string region)
    {
        if (OfferFails)
        {
            throw new RefusedException(new("ibv_reg_mr", "success", "error 5"));
        }

        regions[region].Offer(RemoteAccess.Read | RemoteAccess.Write);
        IRemoteMemory memory = regions[region].Offered!;
        Reactor.Post(
            _ =>
            {
                if (Peer is { Up: true, inSession: true } peer)
                {
                    peer.Mirror.MemoryChanged(region, memory);
                }
            },
            null);
    }

    public void Withdraw(string region)
    {
        regions[region].Revoke();
        Reactor.Post(
            _ =>
            {
                if (Peer is { Up: true, inSession: true } peer)
                {
                    peer.Mirror.MemoryChanged(region, null);
                }
            },
            null);
    }

    public void Reconnect(string why) => Reconnects.Add(why);

    public void Dispose()
    {
        if (Up)
        {
            Crash();
        }

        Directory.Delete(directory, recursive: true);
    }

    private TestRegion MakeRegion(RegionNeed need)
    {
        bool kept = need.BackingPath is not null;
        byte[]? memory = kept ? nvram.GetValueOrDefault(need.Name) : null;
        memory ??= new byte[need.Bytes];
        TestRegion region = new(need, memory);
        if (kept)
        {
            nvram[need.Name] = memory;
            region.Moved += fresh => nvram[need.Name] = fresh;
        }

        return region;
    }

    private TestFile FileOf(string path)
    {
        string name = Path.GetFileName(path);
        if (!files.TryGetValue(name, out TestFile? file))
        {
            files[name] = file = new TestFile();
        }

        return file;
    }

    private TestDisk DiskOf(string name, long size)
    {
        if (!disks.TryGetValue(name, out TestDisk? disk))
        {
            disks[name] = disk = new TestDisk(size);
        }

        return disk;
    }
}
