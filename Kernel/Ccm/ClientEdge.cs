using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

/// <summary>
/// One client's ports, regions and imports, and the services it asks for. Ports are made on the
/// manager's thread, used on the client's reactor and closed on either; imports are given back on
/// the reactor only, after the client has heard of the loss.
/// </summary>
internal sealed class ClientEdge : IClientServices
{
    private readonly string name;
    private readonly IClient client;
    private readonly ClientNeeds needs;
    private readonly IReactor reactor;
    private readonly ConnectionManager manager;
    private readonly ITransport transport;
    private readonly Dictionary<string, IRegion> regions = [];
    private readonly TaskCompletionSource gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<string, TaskCompletionSource<IPort>> opening = [];

    // Owned by the manager's thread.
    private readonly Dictionary<string, IPreparedPort> prepared = [];
    private IReadOnlyDictionary<string, IPort> ports = new Dictionary<string, IPort>();
    private KeyValuePair<string, IPort>[] openPorts = [];
    private Dictionary<string, IRemoteMemory> imports = [];
    private SessionId? session;

    // Owned by the reactor.
    private Dictionary<string, IRemoteMemory> onRequest = [];
    private SessionId? alertedSession;

    /// <summary>Maps the client's regions.</summary>
    public ClientEdge(
        string name, IClient client, ClientNeeds needs, IReactor reactor, ConnectionManager manager, ITransport transport)
    {
        (this.name, this.client, this.needs, this.reactor) = (name, client, needs, reactor);
        (this.manager, this.transport) = (manager, transport);
        try
        {
            foreach (RegionNeed need in needs.Regions)
            {
                regions[need.Name] = transport.Map(need);
            }
        }
        catch (RefusedException)
        {
            UnmapAll();
            throw;
        }
    }

    /// <summary>Completes when the client holds nothing any more and its regions are unmapped.</summary>
    public Task Gone => gone.Task;

    /// <inheritdoc/>
    public PartnerView Partner => manager.Partner;

    /// <inheritdoc/>
    public IRegion Region(string name) => regions.TryGetValue(name, out IRegion? region)
        ? region
        : throw new RefusedException(new(
            $"client {this.name}", $"one of {string.Join(", ", regions.Keys)}", $"region '{name}'"));

    /// <inheritdoc/>
    public async ValueTask<IPort> OpenPortAsync(string name, CancellationToken cancellation = default)
    {
        RequirePort(name);
        if (alertedSession is null)
        {
            throw new RefusedException(new($"port {name} of {this.name}", "a session", "none", "wait for partner ready"));
        }

        var source = new TaskCompletionSource<IPort>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (opening.Remove(name, out TaskCompletionSource<IPort>? earlier))
        {
            earlier.SetCanceled(CancellationToken.None);
        }

        opening[name] = source;
        manager.FromClient(new CcmEvent.PortAsked(this.name, name, Open: true));
        return await source.Task.WaitAsync(cancellation).ConfigureAwait(true);
    }

    /// <inheritdoc/>
    public void ClosePort(string name)
    {
        RequirePort(name);
        manager.FromClient(new CcmEvent.PortAsked(this.name, name, Open: false));
    }

    /// <inheritdoc/>
    public void Offer(string region)
    {
        if (alertedSession is { } current)
        {
            RemoteRegion offer = Region(region).Offer(Need(region).Access);
            manager.FromClient(new CcmEvent.RegionOffered(name, region, current, offer));
        }
    }

    /// <inheritdoc/>
    public void Withdraw(string region)
    {
        Region(region).Revoke();
        if (alertedSession is { } current)
        {
            manager.FromClient(new CcmEvent.RegionOffered(name, region, current, null));
        }
    }

    /// <inheritdoc/>
    public void Reconnect(string why) => manager.FromClient(new CcmEvent.ReconnectAsked($"{name}: {why}"));

    /// <summary>The first granted port that failed by itself; null when none did. Manager's thread.</summary>
    public (string Port, PortState State)? FailedPort()
    {
        KeyValuePair<string, IPort>[] open = openPorts; // An array: this runs on every turn.
        for (int i = 0; i < open.Length; i++)
        {
            if (open[i].Value.State is var state and (PortState.Failed or PortState.PartnerGone))
            {
                return (open[i].Key, state);
            }
        }

        return null;
    }

    /// <summary>Carries out one effect for this client. Manager's thread.</summary>
    public void Do(CcmEffect effect)
    {
        switch (effect)
        {
            case CcmEffect.PrepareClient e: Prepare(e.Session); break;
            case CcmEffect.ConnectClient e: Connect(e); break;
            case CcmEffect.AlertReady e: AlertReady(e); break;
            case CcmEffect.DropClient e: Drop(e); break;
            case CcmEffect.PreparePort e: PreparePort(e); break;
            case CcmEffect.ConnectPort e: ConnectPort(e); break;
            case CcmEffect.CloseClientPort e: Replace(e.Port, null); break;
            case CcmEffect.ChangeMemory e: ChangeMemory(e); break;
            case CcmEffect.ClientGone: OnReactor(Release); break;
            default: throw new InvariantException($"not for a client: {effect}");
        }
    }

    private void Prepare(SessionId forSession)
    {
        session = forSession;
        byte[][] addresses = new byte[needs.Ports.Count][];
        for (int i = 0; i < addresses.Length; i++)
        {
            IPreparedPort port = transport.Prepare(needs.Ports[i]);
            prepared[needs.Ports[i].Name] = port;
            addresses[i] = port.Address.ToArray();
        }

        RegionOffer[] offers = [.. needs.Regions.Where(r => !r.OfferedOnRequest)
            .Select(r => RegionOffer.Of(r.Name, regions[r.Name].Offer(r.Access)))];
        manager.FromClient(new CcmEvent.ClientPrepared(name, forSession, addresses, offers));
    }

    private void Connect(CcmEffect.ConnectClient grant)
    {
        var open = new Dictionary<string, IPort>();
        for (int i = 0; i < needs.Ports.Count; i++)
        {
            string port = needs.Ports[i].Name;
            _ = prepared.Remove(port, out IPreparedPort? ready);
            open[port] = ready!.Connect(grant.Theirs.Ports[i]);
            SetPorts(new Dictionary<string, IPort>(open));
        }

        foreach (RegionOffer offer in grant.Theirs.Regions)
        {
            imports[offer.Name] = transport.Import(offer.Region);
        }

        manager.FromClient(new CcmEvent.ClientConnected(name, grant.Session));
    }

    private void AlertReady(CcmEffect.AlertReady ready)
    {
        var grant = new ClientGrant(
            ready.Session, ready.PartnerEpoch, ready.Version, ports, new Dictionary<string, IRemoteMemory>(imports));
        OnReactor(() =>
        {
            alertedSession = ready.Session;
            client.PartnerReady(grant);
            foreach ((string region, IRemoteMemory memory) in onRequest)
            {
                client.MemoryChanged(region, memory);
            }
        });
    }

    private void Drop(CcmEffect.DropClient drop)
    {
        foreach (IPort port in ports.Values)
        {
            port.Dispose();
        }

        foreach (IPreparedPort port in prepared.Values)
        {
            port.Dispose();
        }

        RevokeAll();
        Dictionary<string, IRemoteMemory> mine = imports;
        (imports, session) = ([], null);
        SetPorts([]);
        prepared.Clear();
        OnReactor(() => Lose(drop, mine));
    }

    /// <summary>On the reactor: nothing may be offered or posted after the client has heard of the loss.</summary>
    private void Lose(CcmEffect.DropClient drop, Dictionary<string, IRemoteMemory> mine)
    {
        alertedSession = null;
        RevokeAll(); // Again: an offer may have slipped in between the end and this turn.
        foreach (TaskCompletionSource<IPort> source in opening.Values)
        {
            source.SetException(new RefusedException(new($"a port of {name}", "the session", drop.End.Detail)));
        }

        opening.Clear();
        try
        {
            if (drop.Alerted)
            {
                client.PartnerLost(drop.Session, drop.End);
            }
        }
        finally
        {
            DisposeAll(mine.Values);
            DisposeAll(onRequest.Values);
            onRequest = [];
            foreach (RegionNeed need in needs.Regions.Where(r => !r.OfferedOnRequest))
            {
                regions[need.Name].Reclaim([new(0, regions[need.Name].Length)]);
            }

            manager.FromClient(new CcmEvent.ClientReclaimed(name));
        }
    }

    private void PreparePort(CcmEffect.PreparePort ask)
    {
        if (prepared.Remove(ask.Port, out IPreparedPort? earlier))
        {
            earlier.Dispose();
        }

        Replace(ask.Port, null, tell: false);
        IPreparedPort port = transport.Prepare(needs.Ports.First(p => p.Name == ask.Port));
        prepared[ask.Port] = port;
        manager.FromClient(new CcmEvent.PortPrepared(name, ask.Port, ask.Generation, port.Address.ToArray()));
    }

    private void ConnectPort(CcmEffect.ConnectPort connect)
    {
        if (prepared.Remove(connect.Port, out IPreparedPort? ready))
        {
            Replace(connect.Port, ready.Connect(connect.Address));
        }
    }

    private void Replace(string port, IPort? replacement, bool tell = true)
    {
        var changed = new Dictionary<string, IPort>(ports);
        if (changed.Remove(port, out IPort? old))
        {
            old.Dispose();
        }

        if (replacement is not null)
        {
            changed[port] = replacement;
        }

        SetPorts(changed);
        if (tell)
        {
            OnReactor(() => TellPort(port, replacement));
        }
    }

    private void SetPorts(Dictionary<string, IPort> open)
    {
        ports = open;
        openPorts = [.. open];
    }

    private void TellPort(string port, IPort? replacement)
    {
        if (alertedSession is null)
        {
            return; // Lost meanwhile; the client has heard of that.
        }

        client.PortChanged(port, replacement);
        if (replacement is not null && opening.Remove(port, out TaskCompletionSource<IPort>? source))
        {
            source.SetResult(replacement);
        }
    }

    private void ChangeMemory(CcmEffect.ChangeMemory change)
    {
        IRemoteMemory? memory = change.Offer is null ? null : transport.Import(change.Offer.Region);
        OnReactor(() =>
        {
            _ = onRequest.Remove(change.Region, out IRemoteMemory? old);
            if (memory is not null)
            {
                onRequest[change.Region] = memory;
            }

            if (alertedSession is not null)
            {
                client.MemoryChanged(change.Region, memory);
            }

            old?.Dispose();
        });
    }

    private void Release()
    {
        UnmapAll();
        gone.SetResult();
    }

    private void UnmapAll()
    {
        DisposeAll(regions.Values);
        regions.Clear();
    }

    private void RevokeAll()
    {
        foreach (IRegion region in regions.Values)
        {
            region.Revoke();
        }
    }

    private static void DisposeAll(IEnumerable<IDisposable> all)
    {
        foreach (IDisposable one in all)
        {
            one.Dispose();
        }
    }

    private RegionNeed Need(string region) => needs.Regions.First(r => r.Name == region);

    private void RequirePort(string port)
    {
        if (!needs.Ports.Any(p => p.Name == port))
        {
            throw new RefusedException(new(
                $"client {name}", $"one of {string.Join(", ", needs.Ports.Select(p => p.Name))}", $"port '{port}'"));
        }
    }

    private void OnReactor(Action action) => reactor.Post(static a => ((Action)a!)(), action);
}
