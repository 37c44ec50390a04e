using System.Diagnostics.Metrics;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.Volumes.Core;
using StorageOs.Volumes.Traces;

namespace StorageOs.Volumes;

/// <summary>
/// The client "volumes": opens the files, keeps a store per group, and is what others find volumes
/// by. Needs no port: the mirrored log carries everything. Reactor thread of the storage modules.
/// </summary>
internal sealed class VolumesClient : IClient, IVolumes, IStatusReporter, IDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);

    private readonly IReactor reactor;
    private readonly IMirroredLogs logs;
    private readonly NodeInfo node;
    private readonly IReadOnlyList<VolumeSettings> settings;
    private readonly string directory;
    private readonly Func<VolumeSettings, string, IVolumeFile> openFile;
    private readonly Func<string, IWorker> makeWorker;
    private readonly Func<string, IStableFile> openRecord;
    private readonly ResyncSettings resync;
    private readonly ScrubSettings scrub;
    private readonly ILogger logger;
    private readonly List<IWorker> workers = [];
    private readonly List<Volume> volumes = [];
    private readonly RegisterEntry?[] entries = new RegisterEntry?[GroupId.Count];
    private readonly IHandoverVetoes? vetoes;
    private readonly IDisposable?[] vetoed = new IDisposable?[GroupId.Count];
    private readonly WriteTraces traces;
    private readonly Listeners servingChanged;
    private TaskCompletionSource? traced;
    private readonly Meter? meter; // Of real files alone.
    private GroupStore[] stores = [];
    private IDisposable? ticking;

    /// <summary>Made by the host's container.</summary>
    public VolumesClient(
        IConfiguration settings, NodeInfo node, IReactor reactor, IMirroredLogs logs,
        ILogger<VolumesClient> logger, IHandoverVetoes vetoes)
        : this(settings, node, reactor, logs, VolumeFile.Open,
            name => new ThreadWorker(reactor, name), StableFile.Open, logger, vetoes)
    {
        meter = new Meter(MeasuredFile.MeterName);
    }

    /// <summary>With files and workers of the caller's.</summary>
    internal VolumesClient(
        IConfiguration settings, NodeInfo node, IReactor reactor, IMirroredLogs logs,
        Func<VolumeSettings, string, IVolumeFile> openFile, Func<string, IWorker> makeWorker,
        Func<string, IStableFile>? openRecord = null, ILogger? logger = null,
        IHandoverVetoes? vetoes = null, TimeProvider? clock = null)
    {
        traces = new WriteTraces(clock ?? TimeProvider.System);
        this.vetoes = vetoes;
        this.openRecord = openRecord ?? StableFile.Open;
        this.logger = logger ?? NullLogger.Instance;
        resync = ResyncSettings.From(settings);
        scrub = ScrubSettings.From(settings);
        this.reactor = reactor;
        servingChanged = new Listeners(reactor);
        this.logs = logs;
        this.node = node;
        this.settings = VolumeSettings.From(settings);
        directory = VolumeSettings.Directory(settings, node.DataDirectory);
        this.openFile = openFile;
        this.makeWorker = makeWorker;
    }

    /// <inheritdoc/>
    public event Action? ServingChanged
    {
        add => servingChanged.Add(value);
        remove => servingChanged.Remove(value);
    }

    /// <summary>Makes the id of a disk.</summary>
    internal Func<ulong> NewDiskId { get; init; } = ChangeRecord.NewDiskId;

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new("volumes", new VersionRange(1, 1), [], []);

    /// <inheritdoc/>
    public IReadOnlyList<IVolume> All => volumes;

    /// <inheritdoc/>
    public string Section => "volumes";

    /// <inheritdoc/>
    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        stores = [.. GroupId.All.Select(MakeStore)];
        foreach (VolumeSettings one in settings)
        {
            GroupStore store = stores[one.Group.Value];
            Volume volume = new(
                one, (ushort)store.Volumes.Count, store, Measured(one));
            store.Add(volume);
            volumes.Add(volume);
        }

        Array.ForEach(stores, store => store.RequireRoom());
        foreach (GroupStore store in stores)
        {
            store.ServingChanged += servingChanged.Tell;
            store.Start(openRecord(Path.Combine(directory, $"{store.Group}.changes")));
            if (entries[store.Group.Value] is { } known)
            {
                store.TakeEntry(known);
            }
        }

        ticking = reactor.Every(Tick, OnTick);
        return default;
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        // The log's own client hears the same and acts on it.
        traces.Session = grant.Session;
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        // As above.
        traces.Session = null;
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
        ticking?.Dispose();
        ticking = null;
        _ = StopTracing();
        Array.ForEach(stores, store => store.Stop());
        workers.ForEach(worker => worker.Dispose());
        workers.Clear();
        volumes.ForEach(volume => volume.Dispose());
        meter?.Dispose(); // Else it would keep this plugin's code in memory.
        volumes.Clear();
    }

    /// <inheritdoc/>
    public ValueTask<bool> ResyncAsync(
        GroupId group, IProgress<CopyProgress> progress, CancellationToken cancellation) =>
        stores[group.Value].ResyncAsync(progress, cancellation);

    /// <inheritdoc/>
    public void TakeEntry(RegisterEntry entry)
    {
        entries[entry.Group.Value] = entry;
        if (stores.Length != 0)
        {
            stores[entry.Group.Value].TakeEntry(entry);
        }
    }

    /// <inheritdoc/>
    public ValueTask DrainAsync(GroupId group, CancellationToken cancellation) =>
        stores[group.Value].DrainAsync(cancellation);

    /// <inheritdoc/>
    public void Resume(GroupId group) => stores[group.Value].Resume();

    /// <inheritdoc/>
    public Refusal? DiskFault(GroupId group) =>
        stores.Length == 0 ? null : stores[group.Value].Fault;

    /// <summary>Begins to compare both copies of a group now; why not, or nothing.</summary>
    public string Scrub(GroupId group) => stores.Length == 0
        ? "the volumes have not started"
        : stores[group.Value].ScrubNow();

    /// <summary>Traces writes from now on, for one who waits.</summary>
    /// <exception cref="RefusedException">Somebody waits already.</exception>
    public void BeginTracing(TraceOrder order, TaskCompletionSource done)
    {
        if (traces.IsTaken)
        {
            throw new RefusedException(new Refusal(
                "trace", "nobody else who traces writes of this node", "somebody",
                "wait until they are done, or end theirs by storageos trace --stop"));
        }

        traced = done;
        traces.Arm(order);
    }

    /// <summary>Traces no more, and says what was seen.</summary>
    public TraceReport EndTracing()
    {
        traced = null;
        return traces.Disarm();
    }

    /// <summary>Has whoever waits for traces take what there is; whether anybody did.</summary>
    public bool StopTracing() => traced?.TrySetResult() ?? false;

    /// <inheritdoc/>
    public JsonNode? Report()
    {
        JsonArray all = [];
        foreach (Volume volume in volumes)
        {
            LogSummary summary = logs.Log(volume.Group).Summary;
            all.Add(new JsonObject
            {
                ["name"] = volume.Name,
                ["group"] = volume.Group.Value,
                ["sizeBytes"] = volume.SizeBytes,
                ["served"] = volume.Served,
                ["diskFault"] = volume.Store.Fault?.ToString(),
                ["copyMismatches"] = volume.Store.MismatchesFound,
                ["scrub"] = volume.Store.ReportScrub(),
                ["changedBytes"] = volume.Store.ChangedBytes,
                ["changesRecorded"] = volume.Store.Record.IsOpen,
                ["waits"] = volume.Store.Waits,
                ["unanswered"] = volume.Store.Unanswered,
                ["logFillBytes"] = summary.Tail.Value - summary.Head.Value,
                ["logCapacityBytes"] = summary.CapacityBytes,
            });
        }

        return all;
    }

    private GroupStore MakeStore(GroupId group)
    {
        IWorker reader = makeWorker($"{group}-read");
        IWorker writer = makeWorker($"{group}-flush");
        workers.Add(reader);
        workers.Add(writer);
        return new GroupStore(
            logs.Log(group), node, resync, scrub, reactor, reader, writer, logger, traces)
        {
            NewDiskId = NewDiskId,
        };
    }

    private void OnTick()
    {
        if (traces.IsTaken)
        {
            traces.Look();
            _ = traces.Complete && StopTracing();
        }

        foreach (GroupStore store in stores)
        {
            store.OnTick();
            Veto(store);
        }
    }

    /// <summary>
    /// Copies that differ, nobody knows which way, are not swapped under clients by themselves.
    /// </summary>
    private void Veto(GroupStore store)
    {
        ref IDisposable? veto = ref vetoed[store.Group.Value];
        if (store.CopiesDiffer && veto is null)
        {
            veto = vetoes?.Veto(
                store.Group, "scrub found extents that differ, and cannot tell which are right",
                "look at both copies, see Scrub in docs/OPERATIONS.md");
        }
        else if (!store.CopiesDiffer && veto is not null)
        {
            veto.Dispose();
            veto = null;
        }
    }

    private IVolumeFile Measured(VolumeSettings volume)
    {
        IVolumeFile file = openFile(volume, directory);
        return meter is null ? file : new MeasuredFile(file, volume.Name, meter);
    }
}
