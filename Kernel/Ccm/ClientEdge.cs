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
    private readonly TaskCompletionSource gone =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Owned by the manager's thread.
    private readonly Dictionary<string, IPreparedPort> prepared = [];
    private Dictionary<string, IPort> ports = new Dictionary<string, IPort>();
    private KeyValuePair<string, IPort>[] openPorts = [];
    private Dictionary<string, IRemoteMemory> imports = [];
    private SessionId? session;
    private Instant? closedSince;
    private Instant? failedSince;

    // Owned by the reactor.
    private Dictionary<string, IRemoteMemory> onRequest = [];
    private SessionId? alertedSession;
    private readonly Dictionary<string, Opening> opening = [];
    private ulong requests;

    // A port that the client waits for, and its last ask for it: an answer to an earlier ask of
    // another kind (a close that was under way) is not one to this.
    private sealed record Opening(TaskCompletionSource<IPort> Source, ulong Request);

    /// <summary>Maps the client's regions.</summary>
    public ClientEdge(
        string name, IClient client, ClientNeeds needs, IReactor reactor, ConnectionManager manager,
        ITransport transport)
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

    /// <summary>
    /// Completes when the client holds nothing any more and its regions are unmapped.
    /// </summary>
    public Task Gone => gone.Task;

    /// <inheritdoc/>
    public PartnerView Partner => manager.Partner;

    /// <inheritdoc/>
    public IRegion Region(string name) => regions.TryGetValue(name, out IRegion? region)
        ? region
        : throw new RefusedException(new(
            $"client {this.name}", $"one of {string.Join(", ", regions.Keys)}",
            $"region '{name}'"));

    /// <inheritdoc/>
    public async ValueTask<IPort> OpenPortAsync(
        string name, CancellationToken cancellation = default)
    {
        RequirePort(name);
        if (alertedSession is null)
        {
            throw new RefusedException(new(
                $"port {name} of {this.name}", "a session", "none", "wait for partner ready"));
        }

        // A second ask before the first is answered joins it: both get the newest port.
        TaskCompletionSource<IPort> source = opening.TryGetValue(name, out Opening? earlier)
            ? earlier.Source
            : new(TaskCreationOptions.RunContinuationsAsynchronously);
        opening[name] = new(source, ++requests);
        manager.FromClient(new CcmEvent.PortAsked(this.name, name, Open: true, requests));
        return await source.Task.WaitAsync(cancellation).ConfigureAwait(true);
    }

    /// <inheritdoc/>
    public void ClosePort(string name)
    {
        RequirePort(name);
        manager.FromClient(new CcmEvent.PortAsked(this.name, name, Open: false, ++requests));
    }

    /// <inheritdoc/>
    public void Offer(string region)
    {
        if (!Need(region).OfferedOnRequest || Need(region).Access == RemoteAccess.None)
        {
            throw new RefusedException(new Refusal(
                $"client {name}, region {region}", "one that is offered on request, with rights",
                "one that is not", "set OfferedOnRequest and Access of its need"));
        }

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
        if (Need(region).OfferedOnRequest && alertedSession is { } current)
        {
            manager.FromClient(new CcmEvent.RegionOffered(name, region, current, null));
        }
    }

    /// <inheritdoc/>
    public void Reconnect(string why) =>
        manager.FromClient(new CcmEvent.ReconnectAsked($"{name}: {why}"));

    /// <summary>
    /// The first granted port that failed for <paramref name="failedMax"/>, or that the partner has
    /// closed for <paramref name="closedMax"/>, without a word why; null when none did. A network
    /// card tells of a twin's closed port as of one that failed. Manager's thread.
    /// </summary>
    public (string Port, PortState State)? FailedPort(
        Instant now, TimeSpan failedMax, TimeSpan closedMax)
    {
        (string Port, PortState State)? failed = null;
        string? closed = null;
        KeyValuePair<string, IPort>[] open = openPorts; // An array: this runs on every turn.
        for (int i = 0; i < open.Length; i++)
        {
            PortState state = open[i].Value.State;
            if (state is PortState.Failed or PortState.PartnerGone)
            {
                failed ??= (open[i].Key, state);
            }

            closed ??= state == PortState.ClosedByPartner ? open[i].Key : null;
        }

        failedSince = failed is null ? null : failedSince ?? now;
        closedSince = closed is null ? null : closedSince ?? now;
        return failed is not null && now - failedSince > failedMax ? failed
            : closed is not null && now - closedSince > closedMax
                ? (closed, PortState.ClosedByPartner)
                : null;
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
            case CcmEffect.CloseClientPort e: ClosePort(e); break;
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

        // Memory that only posts of its own read or fill is nothing to the twin.
        RegionOffer[] offers = [.. needs.Regions
            .Where(r => !r.OfferedOnRequest && r.Access != RemoteAccess.None)
            .Select(r => RegionOffer.Of(r.Name, regions[r.Name].Offer(r.Access)))];
        manager.FromClient(new CcmEvent.ClientPrepared(name, forSession, addresses, offers));
    }

    private void Connect(CcmEffect.ConnectClient grant)
    {
        var open = new Dictionary<string, IPort>();
        for (int i = 0; i < needs.Ports.Count; i++)
        {
            string port = needs.Ports[i].Name;
            open[port] = prepared[port].Connect(grant.Theirs.Ports[i]);
            _ = prepared.Remove(port); // One that could not be connected is dropped with the rest.
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
            ready.Session, ready.PartnerEpoch, ready.Version, ports,
            new Dictionary<string, IRemoteMemory>(imports))
        {
            Meeting = ready.Meeting,
        };
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
        IDisposable[] ends = [.. ports.Values, .. prepared.Values];
        Dictionary<string, IRemoteMemory> mine = imports;
        (imports, session) = ([], null);
        SetPorts([]);
        prepared.Clear();
        try
        {
            Cleanup.All([.. ends.Select(static end => (Action)end.Dispose), RevokeAll]);
        }
        finally
        {
            // Whatever a card says to that: who has not heard of a loss decides nothing (S1).
            OnReactor(() => Lose(drop, mine));
        }
    }

    /// <summary>
    /// On the reactor: nothing may be offered or posted after the client has heard of the loss.
    /// What cannot be revoked is not given back, and ends the client's module by name.
    /// </summary>
    private void Lose(CcmEffect.DropClient drop, Dictionary<string, IRemoteMemory> mine)
    {
        alertedSession = null;
        foreach (Opening asked in opening.Values)
        {
            asked.Source.SetException(new RefusedException(
                new($"a port of {name}", "the session", drop.End.Detail)));
        }

        opening.Clear();
        bool revoked = false;
        try
        {
            RevokeAll(); // Again: an offer may have slipped in between the end and this turn.
            revoked = true;
        }
        finally
        {
            TellLost(drop, mine, revoked);
        }
    }

    private void TellLost(
        CcmEffect.DropClient drop, Dictionary<string, IRemoteMemory> mine, bool revoked)
    {
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
            if (revoked)
            {
                ReclaimAll();
                manager.FromClient(new CcmEvent.ClientReclaimed(name));
            }
        }
    }

    private void ReclaimAll()
    {
        IReclaimWatcher? watcher = client as IReclaimWatcher;
        try
        {
            watcher?.Reclaiming();
        }
        finally
        {
            // Also when it has failed: then nobody touches them any more.
            foreach (RegionNeed need in needs.Regions.Where(r => !r.OfferedOnRequest))
            {
                regions[need.Name].Reclaim([new(0, regions[need.Name].Length)]);
            }
        }

        watcher?.Reclaimed();
    }

    private void PreparePort(CcmEffect.PreparePort ask)
    {
        CloseEnd(ask.Port);
        try
        {
            IPreparedPort port = transport.Prepare(needs.Ports.First(p => p.Name == ask.Port));
            prepared[ask.Port] = port;
            manager.FromClient(new CcmEvent.PortPrepared(
                name, ask.Port, ask.Generation, port.Address.ToArray()));
        }
        catch (RefusedException refused)
        {
            Refuse(ask.Port, ask.Generation, refused.Refusal);
        }
    }

    private void ConnectPort(CcmEffect.ConnectPort connect)
    {
        if (!prepared.Remove(connect.Port, out IPreparedPort? ready))
        {
            return;
        }

        try
        {
            IPort port = ready.Connect(connect.Address);
            SetPorts(new(ports) { [connect.Port] = port });
            OnReactor(() => TellOpened(connect, port));
        }
        catch (RefusedException refused)
        {
            // The twin has closed that end again meanwhile, or is gone: this port's matter alone.
            ready.Dispose();
            Refuse(connect.Port, connect.Generation, refused.Refusal);
        }
    }

    private void Refuse(string port, uint generation, Refusal why) =>
        manager.FromClient(new CcmEvent.PortRefused(name, port, generation, new(
            $"port {port} of {name}", why.Expected, why.Actual, why.Remedy)));

    private void ClosePort(CcmEffect.CloseClientPort close)
    {
        CloseEnd(close.Port);
        OnReactor(() => TellClosed(close));
    }

    /// <summary>
    /// Closes whatever there is of a port. It stays in the grant as a closed one, so that a client
    /// that has not been alerted yet finds every port it asked for.
    /// </summary>
    private void CloseEnd(string port)
    {
        if (prepared.Remove(port, out IPreparedPort? unused))
        {
            unused.Dispose();
        }

        ports.GetValueOrDefault(port)?.Dispose();
    }

    private void SetPorts(Dictionary<string, IPort> open)
    {
        ports = open;
        openPorts = [.. open];
    }

    private void TellOpened(CcmEffect.ConnectPort connect, IPort port)
    {
        if (alertedSession is null)
        {
            return; // Lost meanwhile, or in the grant to come.
        }

        client.PortChanged(connect.Port, port);
        if (Answers(connect.Port, connect.Request) is { } source)
        {
            source.SetResult(port);
        }
    }

    private void TellClosed(CcmEffect.CloseClientPort close)
    {
        if (alertedSession is null)
        {
            return;
        }

        client.PortChanged(close.Port, null);
        if (Answers(close.Port, close.Request) is { } source)
        {
            source.SetException(new RefusedException(close.Why));
        }
    }

    /// <summary>Whom a result answers: nobody when the client has asked again since.</summary>
    private TaskCompletionSource<IPort>? Answers(string port, ulong request)
    {
        if (!opening.TryGetValue(port, out Opening? asked) || asked.Request > request)
        {
            return null;
        }

        _ = opening.Remove(port);
        return asked.Source;
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
        Cleanup.All(regions.Values.Select(static region => (Action)region.Revoke));
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
                $"client {name}", $"one of {string.Join(", ", needs.Ports.Select(p => p.Name))}",
                $"port '{port}'"));
        }
    }

    private void OnReactor(Action action) => reactor.Post(static a => ((Action)a!)(), action);
}
