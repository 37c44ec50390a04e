using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Contracts.Transports;
using StorageOs.FailoverMonitor.Core;

namespace StorageOs.FailoverMonitor.Edge;

/// <summary>
/// The client: keeps one driver for each group, publishes this node's page and reads the partner's.
/// Reactor thread only.
/// </summary>
internal sealed class MonitorClient(
    NodeInfo node,
    MonitorSettings settings,
    IReactor reactor,
    IMirroredLogs logs,
    IVolumes volumes,
    ILogger<MonitorClient> logger,
    MovableWitness? witness = null,
    MonitorSeams? seams = null,
    IHandoverVetoes? vetoes = null) : IClient, IOwnership
{
    private const string PortName = "control";
    private const string RegionName = "view";
    /// <summary>Between two looks at everything.</summary>
    public static readonly TimeSpan TickPeriod = TimeSpan.FromMilliseconds(5);

    private readonly Listeners changed = new(reactor);
    private readonly MonitorSeams seams = seams ?? MonitorSeams.Machine;
    private readonly GroupView[] views = new GroupView[GroupId.Count];
    private readonly GroupOwnership?[] published = new GroupOwnership?[GroupId.Count];
    private GroupDriver[] drivers = [];
    private ViewArrived[] arrived = [];
    private ViewPage? lastPage;
    private IClientServices? services;
    private ViewExchange? exchange;
    private IDisposable? ticker;
    private PartnerCondition lastCondition = PartnerCondition.Dead;
    private ulong lostEpoch;
    private bool lostByBeat;

    /// <inheritdoc/>
    public event Action? Changed
    {
        add => changed.Add(value);
        remove => changed.Remove(value);
    }

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new(
        "failover-monitor",
        new VersionRange(2, 2), // 2: the page tells vetoes, and whether a group is offered.
        [new PortNeed(PortName, 8, PortClass.Control)],
        [new RegionNeed(RegionName, Size.Page, RemoteAccess.Read)],
        Critical: true);

    /// <summary>The drivers that have started.</summary>
    public IReadOnlyList<GroupDriver> Drivers => drivers;

    /// <summary>
    /// How often this node took over from a partner that turned out to have lived on.
    /// </summary>
    public int FalseTakeovers { get; private set; }

    /// <summary>This node.</summary>
    public NodeInfo Node => node;

    /// <summary>Where it tells what it does.</summary>
    public ILogger Logger => logger;

    /// <summary>Where the register is; null without a witness.</summary>
    public MovableWitness? Witness => witness;

    /// <summary>Where the register is kept, for people.</summary>
    public string WitnessDescription => witness?.Description ?? "none";

    /// <summary>Whether the pair is meant to work without one (S13).</summary>
    public bool NoWitness => settings.NoWitness;

    /// <summary>S13: whether this node knows where its partner's record is.</summary>
    public bool CanReadPartner => settings.PartnerRecord is not null;

    /// <summary>What modules of this node have against planned moves.</summary>
    public IReadOnlyList<HandoverVeto> Vetoes => vetoes?.All ?? [];

    /// <summary>Whether a session with the partner is up.</summary>
    public bool InSession => exchange is not null;

    /// <inheritdoc/>
    public GroupOwnership Of(GroupId group) => Driver(group) is GroupDriver driver
        ? Describe(driver)
        : new GroupOwnership(
            group, null, false, "starting", "the failover monitor has not started", false);

    /// <summary>Refuses what needs every group's driver, before there are any.</summary>
    public void RequireStarted(string what)
    {
        if (drivers.Length < GroupId.Count)
        {
            throw new RefusedException(new Refusal(
                what, "the failover monitor to have started", "a node that boots or stops",
                "wait until its phase is Serving"));
        }
    }

    /// <summary>The driver of a group; null before the start.</summary>
    public GroupDriver? Driver(GroupId group) =>
        group.Value < drivers.Length ? drivers[group.Value] : null;

    /// <inheritdoc/>
    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        foreach (GroupId group in GroupId.All)
        {
            string path = Path.Combine(node.DataDirectory, $"failover-{group}.memory");
            MemoryFile memory = new(
                seams.OpenFile(path), path,
                settings.NoWitness ? PersistenceLevel.Power : node.Persistence);
            GroupDriver driver = new(
                OptionsOf(group), logs.Log(group), volumes, witness, RegisterOf(group), memory,
                reactor, logger, node, () => Publish(group), settings.Giveback);
            drivers = [.. drivers, driver];
        }

        ticker = reactor.Every(TickPeriod, Tick);
        Tick();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        if (lostByBeat && lostEpoch == grant.PartnerEpoch
            && Drivers.Any(d => d.Core.Role == LogRole.Alone && d.Times.Report() is not null))
        {
            FalseTakeovers++;
            foreach (GroupDriver driver in Drivers.Where(d => d.Core.Role == LogRole.Alone))
            {
                MonitorEvents.TakeoverFalse.Raise(logger, driver.Group);
            }
        }

        lostEpoch = grant.PartnerEpoch;
        exchange = new ViewExchange(
            node.BootEpoch, grant, grant.Ports[PortName], grant.Memory[RegionName],
            services!.Region(RegionName), reactor);
        foreach (GroupDriver driver in drivers)
        {
            driver.Times.End();
            driver.Feed(new SessionUp(grant.Session));
        }

        Exchange();
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        exchange = null;
        lostByBeat = end.Reason == SessionEndReason.BeatStill;
        foreach (GroupDriver driver in drivers)
        {
            driver.Times.Begin(services!.Partner.DetectedAfter);
            driver.Planned.Abandon();
            driver.Feed(new SessionLost(session, end.Reason));
        }
    }

    /// <inheritdoc/>
    public void PortChanged(string port, IPort? replacement)
    {
        if (replacement is not null)
        {
            exchange?.UsePort(replacement);
        }
    }

    /// <inheritdoc/>
    public ValueTask StopAsync(CancellationToken deadline)
    {
        ticker?.Dispose();
        foreach (GroupDriver driver in drivers)
        {
            driver.Feed(new Stopping());
            driver.Dispose();
        }

        drivers = [];
        return ValueTask.CompletedTask;
    }

    private GroupCoreOptions OptionsOf(GroupId group) => new(
        group, node.SystemId, node.PartnerSystemId, node.PartnerName,
        node.HomeGroup == group ? node.SystemId : node.PartnerSystemId, seams.NewId)
    {
        AwayGrace = settings.AwayGrace,
        NoWitness = settings.NoWitness,
        CanReadPartner = CanReadPartner,
    };

    private OwnRegister? RegisterOf(GroupId group)
    {
        if (!settings.NoWitness)
        {
            return null;
        }

        string path = Path.Combine(node.DataDirectory, RecordFile.Name(group));
        RecordFile own = new(seams.OpenLocked(path), path, group);
        return new OwnRegister(own, settings.PartnerRecord is not { } folder
            ? null : () => seams.ReadDead(Path.Combine(folder, RecordFile.Name(group)), group));
    }

    private void Tick()
    {
        PartnerCondition condition = services!.Partner.Condition;
        foreach (GroupDriver driver in drivers)
        {
            if (condition != lastCondition)
            {
                driver.Feed(new PartnerSeen(condition));
            }

            driver.TakeVetoes(Vetoes);
            driver.Tick();
        }

        lastCondition = condition;

        Exchange();
    }

    private void Exchange()
    {
        if (exchange is null || drivers.Length < GroupId.Count)
        {
            return;
        }

        bool steady = true;
        foreach (GroupDriver driver in drivers)
        {
            views[driver.Group.Value] = driver.View;
            // Clients wait between the owner's swap and this node's looking at it.
            steady &= driver.Core.Why.Length == 0 && driver.Core.Request == 0;
        }

        exchange.Publish(views);
        if (exchange.Poll(steady) is not ViewPage page)
        {
            return;
        }

        if (!ReferenceEquals(page, lastPage))
        {
            lastPage = page;
            arrived = [.. page.Groups.Select(view => new ViewArrived(page.Session, view))];
        }

        foreach (GroupDriver driver in drivers)
        {
            driver.Feed(arrived[driver.Group.Value]);
        }
    }

    private void Publish(GroupId group)
    {
        GroupOwnership now = Of(group);
        if (published[group.Value] != now)
        {
            published[group.Value] = now;
            changed.Tell(); // S2: what one of them throws must not keep this node from stopping.
        }
    }

    private static GroupOwnership Describe(GroupDriver driver) => new(
        driver.Group, driver.Core.Known, driver.Core.Serves, driver.Core.State, driver.Core.Why,
        driver.Core.HoldsAddress);
}
