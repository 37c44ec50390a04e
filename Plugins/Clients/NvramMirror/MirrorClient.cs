using System.Diagnostics.Metrics;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;

namespace StorageOs.NvramMirror;

/// <summary>
/// The client "nvram-mirror": holds the port, the partner's memory and the timer, and hands what
/// comes to the two logs. Reactor thread of the storage modules only.
/// </summary>
internal sealed class MirrorClient
    : IClient, IMirroredLogs, IStatusReporter, IMirrorHost, IDisposable
{
    private const string PortName = "log";
    private const string PageName = "page";
    private const int IdleTicksPerLook = 5;
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(4);

    private readonly IReactor reactor;
    private readonly GroupLog[] logs;
    private readonly Meter? meter;
    private readonly Func<string, IStableFile> openFile;
    private readonly Action<MirrorOp> pageRead;
    private readonly List<IDisposable> running = [];
    private IClientServices? services;
    private IRemoteMemory? partnerPage;
    private MirrorPort? port;
    private IDescriptorWatch? watch;
    private bool polling;
    private bool pageReadPosted;
    private int idleTicks;

    /// <summary>Made by the host's container.</summary>
    public MirrorClient(
        NodeInfo node, IConfiguration settings, IReactor reactor, ILogger<MirrorClient> logger)
        : this(
            node, settings, reactor, StableFile.Open, logger,
            static () => new Meter(MirrorMetrics.MeterName))
    {
    }

    /// <summary>With files of the caller's.</summary>
    internal MirrorClient(
        NodeInfo node, IConfiguration settings, IReactor reactor,
        Func<string, IStableFile> openFile, ILogger? logger = null,
        Func<Meter>? makeMeter = null)
    {
        int bytes = MirrorSettings.From(settings).LogBytes; // Refused before anything is made.
        meter = makeMeter?.Invoke();
        this.openFile = openFile;
        this.reactor = reactor;
        logs = [.. GroupId.All.Select(group => new GroupLog(
            group, node, this, logger ?? NullLogger.Instance,
            meter is null ? null : new MirrorMetrics(meter, group)))];
        pageRead = PageRead;
        Needs = new ClientNeeds(
            "nvram-mirror",
            new VersionRange((ushort)MirrorVersion.V3, (ushort)MirrorVersion.V3),
            [new PortNeed(PortName, PortNeed.PostsInFlightLimit, PortClass.Log)],
            [
                .. GroupId.All.Select(group => LogRegion(group, bytes, node)),
                new RegionNeed(PageName, Size.Page, RemoteAccess.Read),
            ]);
    }

    /// <inheritdoc/>
    public ClientNeeds Needs { get; }

    /// <inheritdoc/>
    public string Section => "log";

    /// <inheritdoc/>
    public IReactor Reactor => reactor;

    /// <inheritdoc/>
    public MirrorPort? Port => port is { Failed: false } ? port : null;

    /// <inheritdoc/>
    public IRegion Page => services!.Region(PageName);

    /// <inheritdoc/>
    public IGroupLog Log(GroupId group) => logs[group.Value];

    /// <inheritdoc/>
    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        foreach (GroupLog log in logs)
        {
            log.Attach(services.Region(GroupLog.RegionName(log.Group)));
        }

        running.Add(reactor.Every(Tick, OnTick));
        running.Add(reactor.Poll(PollOnce));
        return default;
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        partnerPage = grant.Memory.GetValueOrDefault(PageName);
        UsePort(grant.Ports.GetValueOrDefault(PortName));
        foreach (GroupLog log in logs)
        {
            log.SessionBegan();
        }
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        UsePort(null);
        partnerPage = null;
        foreach (GroupLog log in logs)
        {
            log.PartnerCopy(null, $"session ended: {end.Reason} {end.Detail}");
        }
    }

    /// <inheritdoc/>
    public void PortChanged(string port, IPort? replacement)
    {
        if (port == PortName)
        {
            UsePort(replacement);
        }
    }

    /// <inheritdoc/>
    public void MemoryChanged(string region, IRemoteMemory? memory)
    {
        foreach (GroupLog log in logs)
        {
            if (GroupLog.RegionName(log.Group) == region)
            {
                log.PartnerCopy(memory, "the partner withdrew its copy");
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask StopAsync(CancellationToken deadline)
    {
        Dispose();
        return default;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        UsePort(null);
        running.ForEach(item => item.Dispose());
        running.Clear();
        foreach (GroupLog log in logs)
        {
            log.Detach();
        }

        meter?.Dispose(); // Else it would keep this plugin's code in memory.
    }

    /// <inheritdoc/>
    public void Offer(string region) => services!.Offer(region);

    /// <inheritdoc/>
    public void Withdraw(string region) => services!.Withdraw(region);

    /// <inheritdoc/>
    public IStableFile OpenFile(string path) => openFile(path);

    /// <inheritdoc/>
    public void Poll()
    {
        if (polling)
        {
            return; // The outer call goes on until there is nothing left.
        }

        polling = true;
        try
        {
            while (port is { } now && now.Poll(pageRead))
            {
                foreach (GroupLog log in logs)
                {
                    log.AfterPoll();
                }
            }
        }
        finally
        {
            polling = false;
        }

        if (port is { Failed: true })
        {
            UsePort(null);
        }
    }

    /// <inheritdoc/>
    public JsonNode? Report()
    {
        JsonArray groups = [];
        foreach (GroupLog log in logs)
        {
            groups.Add(log.Report());
        }

        return groups;
    }

    private static RegionNeed LogRegion(GroupId group, int bytes, NodeInfo node)
    {
        string name = GroupLog.RegionName(group);
        string path = Path.Combine(node.NvramDirectory, $"{name}.nvram");
        return new RegionNeed(name, bytes, RemoteAccess.Read | RemoteAccess.Write, path)
        {
            OfferedOnRequest = true,
        };
    }

    private void UsePort(IPort? granted)
    {
        watch?.Dispose();
        watch = null;
        pageReadPosted = false;
        bool had = port is not null;
        port = granted is null ? null : new MirrorPort(granted);
        if (granted is ICompletionChannel channel)
        {
            _ = TryListen(channel);
        }

        if (had)
        {
            foreach (GroupLog log in logs)
            {
                log.Fail("the port to the partner failed or was closed");
            }
        }
    }

    private void Wake(ICompletionChannel channel)
    {
        if (TryListen(channel))
        {
            Poll();
        }
    }

    /// <summary>
    /// Asks for one wake-up by the channel. A card that was pulled refuses it; that costs the
    /// session, never this module, for a node that serves alone needs no card.
    /// </summary>
    private bool TryListen(ICompletionChannel channel)
    {
        try
        {
            watch ??= reactor.Watch(
                channel.Descriptor, DescriptorInterest.Readable, _ => Wake(channel));
            channel.Arm();
            return true;
        }
        catch (RefusedException refused)
        {
            UsePort(null);
            services!.Reconnect(refused.Message);
            return false;
        }
    }

    private bool PollOnce()
    {
        if (port is not { Busy: true })
        {
            return false;
        }

        Poll();
        return false; // A descriptor or the timer wakes us; spinning would help nobody.
    }

    private void OnTick()
    {
        bool waits = false;
        bool moved = false;
        foreach (GroupLog log in logs)
        {
            moved |= log.Look();
            log.PublishAcknowledged();
            log.WatchPartner(reactor.Now);
            log.WatchRoom(reactor.Now);
            waits |= log.WaitsForPartner;
        }

        idleTicks = waits || moved ? 0 : idleTicks + 1;
        if (idleTicks % IdleTicksPerLook == 0 && !pageReadPosted
            && partnerPage is not null && Port is { Room: > 1 } open)
        {
            pageReadPosted = true;
            open.Read(
                new MirrorOp(OpKind.PageRead, null, 0, 0),
                Page, PartnerPage.ReadInto, partnerPage, 0, PartnerPage.TotalBytes);
        }

        Poll();
    }

    private void PageRead(MirrorOp op)
    {
        pageReadPosted = false;
        foreach (GroupLog log in logs)
        {
            int at = PartnerPage.ReadInto + PartnerPage.OffsetOf(log.Group);
            if (PartnerPage.TryRead(Page.Bytes[at..], out PartnerPage page))
            {
                log.PartnerSays(page);
            }
        }
    }
}
