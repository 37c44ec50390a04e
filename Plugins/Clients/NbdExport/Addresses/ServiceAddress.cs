// One service address: the exports of a group, on whichever node owns it. Both nodes hold the same
// listening socket, and only the one that IOwnership names accepts from it; connections that wait
// are accepted by whoever owns next. So an owner that is stopped, and can't let go of anything,
// holds nothing that the survivor needs.

using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Connections;
using StorageOs.NbdExport.Interop;
using StorageOs.NbdExport.Protocol;

namespace StorageOs.NbdExport.Addresses;

/// <summary>One service address and its connections. Reactor only.</summary>
internal sealed class ServiceAddress : IConnectionOwner, ILinkEvents, IDisposable
{
    private readonly IOwnership ownership;
    private readonly ILogger logger;
    private readonly IReadOnlyList<IVolume> volumes;
    private readonly Action<NbdConnection> needsTurn;
    private readonly Dictionary<ulong, NbdConnection> connections = [];
    private readonly LinkSender sender;
    private readonly LinkReceiver receiver;
    private Descriptor? listener;
    private IDescriptorWatch? acceptWatch;
    private IDisposable? ticks;
    private ulong connectionsMade;
    private Instant? unboundSince;
    private bool toldUnbound;
    private Instant? acceptsAgainAt;
    private string unbound = "";
    private string unmoved = "";
    private bool overfull;
    private bool held;
    private readonly NetworkAddress? network;
    private int announcementsLeft;

    /// <summary>Makes the address; nothing runs yet.</summary>
    public ServiceAddress(
        AddressSettings settings, NodeInfo node, IVolumes volumes, IOwnership ownership,
        IReactor reactor, BufferPool buffers, Action<NbdConnection> needsTurn, ILogger logger)
    {
        Settings = settings;
        Reactor = reactor;
        Buffers = buffers;
        this.ownership = ownership;
        this.needsTurn = needsTurn;
        this.logger = logger;
        this.volumes = [.. volumes.All.Where(volume => volume.Group == settings.Group)];
        Exports = new([.. this.volumes.Select(volume => (volume.Name, volume.SizeBytes))]);
        network = settings.Interface is { } name ? new(settings.Host, name) : null;
        sender = new(settings, node.SystemId, node.PartnerName, reactor, logger);
        receiver = new(settings, node.Name, node.PartnerSystemId, reactor, logger, this);
    }

    /// <summary>Where it is.</summary>
    public AddressSettings Settings { get; }

    /// <summary>The volumes exported.</summary>
    public IReadOnlyList<IVolume> Volumes => volumes;

    /// <inheritdoc/>
    public IReactor Reactor { get; }

    /// <inheritdoc/>
    public BufferPool Buffers { get; }

    /// <inheritdoc/>
    public ExportTable Exports { get; }

    /// <summary>Whether this node accepts connections now.</summary>
    public bool Accepting => acceptWatch is not null;

    /// <summary>Why what this node should serve cannot be reached yet; empty when it can.</summary>
    public string Waits => !held ? ""
        : unmoved.Length > 0 ? $"{Settings.Host} can't be moved to {Settings.Interface}: {unmoved}"
        : listener is not null ? ""
        : $"can't listen at {Settings.Uri("")}: {unbound}; tried again each "
            + $"{Limits.RetryPeriod.TotalMilliseconds:0} ms";

    /// <summary>Connections to a volume.</summary>
    public int ConnectionsTo(IVolume volume) =>
        connections.Values.Count(connection => connection.Volume == volume);

    /// <summary>
    /// Links to the partner and gets the listening socket, as soon as that can be.
    /// </summary>
    public void Start()
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("descriptors are passed as on Linux");
        }

        const UnixFileMode OwnerOnly =
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(Settings.Directory, OwnerOnly);
        receiver.Start();
        Move(address => address.Drop()); // A process that ended in a crash may have left it.
        ticks = Reactor.Every(Limits.RetryPeriod, Tick);
        Tick();
        OwnershipChanged();
    }

    /// <summary>Accepts or stops accepting, as the ownership now says.</summary>
    public void OwnershipChanged()
    {
        bool holds = ownership.Of(Settings.Group).HoldsServiceAddress;
        if (holds && !held)
        {
            // Rule S4: this follows the swap and the replay. What hangs in the former owner ends.
            int ended = receiver.ShutDownDuplicates();
            acceptsAgainAt = null;
            sender.Send(new(LinkKind.Taken, 0), null);
            announcementsLeft = Limits.Announcements;
            Announce();
            ExportEvents.AddressHere.Raise(logger, Settings.Uri(""), ended);
        }
        else if (!holds && held)
        {
            announcementsLeft = 0;
            Move(address => address.Drop());
            ExportEvents.AddressGone.Raise(logger, Settings.Uri(""));
        }

        held = holds;
        if (!holds)
        {
            DropAll();
        }

        UpdateAccepting();
    }

    /// <summary>Drops the connections of volumes that are not served any more (rule S8).</summary>
    public void ServingChanged()
    {
        foreach (NbdConnection connection in connections.Values.ToArray())
        {
            if (connection.Volume is { Served: false })
            {
                connection.Drop();
            }
        }
    }

    /// <inheritdoc/>
    public IVolume Volume(int export) => volumes[export];

    /// <inheritdoc/>
    public void NeedsTurn(NbdConnection connection) => needsTurn(connection);

    /// <inheritdoc/>
    public void Ended(NbdConnection connection, Refusal? refusal)
    {
        if (refusal is not null)
        {
            ExportEvents.Dropped.Raise(logger, connection.Id, Settings.Uri(""), refusal);
        }

        connections.Remove(connection.Id);
        sender.Send(new(LinkKind.Closed, connection.Id), null);
    }

    /// <inheritdoc/>
    public void PartnerAppeared() => Link();

    /// <inheritdoc/>
    public void ListenerArrived(Descriptor arrived)
    {
        Refusal? refusal = ListenerBinding.Check(arrived, Settings);
        if (refusal is not null)
        {
            ExportEvents.NotTaken.Raise(logger, refusal);
        }

        if (refusal is not null || listener is not null)
        {
            arrived.Dispose();
            return;
        }

        (listener, unbound, unboundSince) = (arrived, "", null);
        UpdateAccepting();
    }

    /// <inheritdoc/>
    public void PartnerTook()
    {
        // We may have been stopped meanwhile and not have heard of it yet from the register.
        acceptsAgainAt = Reactor.Now + Limits.TakenPause;
        UpdateAccepting();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ticks?.Dispose();
        held = false;
        DropAll();
        Move(address => address.Drop());
        UpdateAccepting();
        listener?.Dispose();
        listener = null;
        sender.Dispose();
        receiver.Dispose();
    }

    /// <summary>
    /// Takes the address to this node and says so, several times: a packet may get lost.
    /// </summary>
    private void Announce()
    {
        if (announcementsLeft > 0)
        {
            Move(address => address.Take());
            announcementsLeft -= unmoved.Length == 0 ? 1 : 0;
        }
    }

    private void Move(Action<NetworkAddress> change)
    {
        try
        {
            if (network is not null)
            {
                change(network);
            }

            unmoved = "";
        }
        catch (RefusedException refused)
        {
            if (unmoved != refused.Refusal.Actual)
            {
                ExportEvents.AddressNotMoved.Raise(logger, refused.Refusal); // Once for each.
            }

            unmoved = refused.Refusal.Actual;
        }
    }

    private void Tick()
    {
        Announce();
        Link();
        if (listener is null)
        {
            Bind();
        }

        UpdateAccepting();
    }

    private void Link()
    {
        if (sender.Connected || !sender.TryConnect())
        {
            return;
        }

        SendListener();
        foreach (NbdConnection connection in connections.Values)
        {
            sender.Send(new(LinkKind.Opened, connection.Id), connection.Socket);
        }
    }

    private void Bind()
    {
        listener = ListenerBinding.TryBind(Settings, out string why);
        if (listener is not null)
        {
            unboundSince = null;
        }
        else
        {
            // Of two nodes on one machine the second finds it taken until the first hands it over.
            unboundSince ??= Reactor.Now;
            if (!toldUnbound && Reactor.Now - unboundSince.Value >= Limits.UnboundTold)
            {
                toldUnbound = true;
                ExportEvents.NotListening.Raise(logger, Settings.Uri(""), why);
            }
        }

        unbound = why;
        SendListener();
    }

    private void SendListener()
    {
        if (listener is not null)
        {
            sender.Send(new(LinkKind.Listener, 0), listener);
        }
    }

    private void UpdateAccepting()
    {
        bool paused = acceptsAgainAt is { } again && Reactor.Now < again;
        bool accept = held && !paused && listener is not null;
        if (accept && acceptWatch is null)
        {
            acceptWatch = Reactor.Watch(
                listener!, DescriptorInterest.Readable, _ => OnAcceptable());
        }
        else if (!accept)
        {
            acceptWatch?.Dispose();
            acceptWatch = null;
        }
    }

    private void OnAcceptable()
    {
        // After a stop: hear first whether the partner has taken the address over.
        receiver.Drain(all: true);
        for (int i = 0; i < Limits.AcceptsPerTurnMax && Accepting; i++)
        {
            Descriptor socket = Sockets.Accept(listener!, out int error);
            if (socket.IsInvalid)
            {
                AcceptFailed(error);
                return;
            }

            Admit(socket);
        }
    }

    private void AcceptFailed(int error)
    {
        if (error is Constants.EAGAIN or Constants.EINTR or Constants.ECONNABORTED)
        {
            return;
        }

        logger.LogWarning("can't accept at {Uri}: errno {Error}; trying again in {Pause}",
            Settings.Uri(""), error, Limits.RetryPeriod);
        acceptsAgainAt = Reactor.Now + Limits.RetryPeriod;
        UpdateAccepting();
    }

    private void Admit(Descriptor socket)
    {
        if (connections.Count == Limits.ConnectionsMax)
        {
            if (!overfull)
            {
                ExportEvents.Full.Raise(logger, Settings.Uri(""), Limits.ConnectionsMax);
            }

            overfull = true;
            socket.Dispose();
            return;
        }

        overfull = false;
        var connection = new NbdConnection(this, socket, ++connectionsMade);
        connections.Add(connection.Id, connection);
        sender.Send(new(LinkKind.Opened, connection.Id), socket);
        connection.Start();
    }

    private void DropAll()
    {
        foreach (NbdConnection connection in connections.Values.ToArray())
        {
            connection.Drop();
        }
    }
}
