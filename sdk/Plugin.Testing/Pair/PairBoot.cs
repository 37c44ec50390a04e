using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>
/// One boot of a node: its reactor, its client, its part of the session, and what the client may
/// ask for. A crash ends it without a word.
/// </summary>
internal sealed class PairBoot : IClientServices, IDisposable
{
    private readonly ClientPair pair;
    private readonly Dictionary<string, PairRegion> regions = [];
    private readonly Dictionary<ulong, (PairRegion Region, RemoteAccess Access)> keys = [];
    private readonly Dictionary<string, Opening> opening = [];
    private readonly CancellationTokenSource stopping = new();
    private readonly CancellationTokenSource deadline = new();
    private PairHost? host;
    private bool started;

    // Who waits for a port, and their last ask: what became of an earlier one is no answer to it.
    private sealed class Opening
    {
        public List<TaskCompletionSource<IPort>> Waiting { get; } = [];

        public int Change { get; set; }
    }

    /// <summary>Boots.</summary>
    public PairBoot(ClientPair pair, ClientNode node, NodeInfo info)
    {
        (this.pair, Node, Info) = (pair, node, info);
        Reactor = new(pair.Time, Failed, pair.NoteOutside);
        Reactor.Post(_ => Make(), null);
    }

    /// <summary>The node.</summary>
    public ClientNode Node { get; }

    /// <summary>What the client knows of it.</summary>
    public NodeInfo Info { get; }

    /// <summary>The client's reactor.</summary>
    public PairReactor Reactor { get; }

    /// <summary>The pair's time.</summary>
    public VirtualTime Time => pair.Time;

    /// <summary>The client; null before it is made.</summary>
    public IClient? Client => host?.Client;

    /// <summary>What it needs; null before it is made.</summary>
    public ClientNeeds? Needs { get; private set; }

    /// <summary>Whether the client's start has completed.</summary>
    public bool HasStarted => started;

    /// <summary>Whether its stop has.</summary>
    public bool HasStopped { get; private set; }

    /// <summary>The session, until its loss is told.</summary>
    public BootSession? Session { get; private set; }

    /// <summary>How the last session ended; null when there was none.</summary>
    public SessionEnd? LastEnd { get; private set; }

    /// <summary>How long after the partner was last seen well; zero when there was none.</summary>
    public TimeSpan DetectedAfter { get; private set; }

    /// <summary>Whether the operating system says that its process has ended.</summary>
    public bool ExitIsKnown => Reactor.Ended && pair.TellsExits;

    /// <summary>When what it says last reaches its twin: what is said later comes later.</summary>
    public long WordArrives { get; set; }

    /// <summary>Whether a session can begin.</summary>
    public bool CanConnect => Needs is not null && Session is null && !Reactor.Ended
        && !stopping.IsCancellationRequested && Time.Now >= Reactor.PausedUntil;

    /// <inheritdoc/>
    public PartnerView Partner => pair.ViewOf(this);

    /// <summary>The region that a key opens for so many bytes; null: none.</summary>
    public PairRegion? Reach(ulong key, RemoteAccess access, long offset, int length) =>
        keys.TryGetValue(key, out (PairRegion Region, RemoteAccess Access) found)
        && (found.Access & access) != 0 && offset >= 0 && offset + length <= found.Region.Length
            ? found.Region
            : null;

    /// <summary>A key that was never given before.</summary>
    public ulong NewKey(PairRegion region, RemoteAccess access)
    {
        ulong key = pair.NewNumber();
        keys[key] = (region, access);
        return key;
    }

    /// <summary>A key opens nothing any more.</summary>
    public void ForgetKey(ulong key) => keys.Remove(key);

    /// <summary>Whether a key opens anything.</summary>
    public bool Opens(ulong key) => keys.ContainsKey(key);

    /// <summary>Whether its process has crashed: what still runs of it is none any more.</summary>
    public bool HasCrashed { get; set; }

    /// <summary>Something that goes against the contract.</summary>
    public void Fault(string what)
    {
        if (!HasCrashed)
        {
            pair.Fault(Node, what);
        }
    }

    /// <summary>What is done off the client's reactor goes against the contract.</summary>
    public void CheckReactor(string what)
    {
        if (!Reactor.IsCurrent)
        {
            Fault($"{what} off its reactor");
        }
    }

    /// <inheritdoc/>
    public IRegion Region(string name) => regions.TryGetValue(name, out PairRegion? region)
        ? region
        : throw new RefusedException(new(
            $"client {Needs!.Name}", $"one of {string.Join(", ", regions.Keys)}",
            $"region '{name}'"));

    /// <inheritdoc/>
    public async ValueTask<IPort> OpenPortAsync(
        string name, CancellationToken cancellation = default)
    {
        RequirePort(name);
        if (Session is not { WasTold: true, End: null })
        {
            throw new RefusedException(new(
                $"port {name} of {Needs!.Name}", "a session", "none", "wait for partner ready"));
        }

        if (!opening.TryGetValue(name, out Opening? asked))
        {
            opening[name] = asked = new();
        }

        // One of its own for each: what ends a wait runs where it is ended, and so in its turn.
        TaskCompletionSource<IPort> mine =
            new(TaskCreationOptions.RunContinuationsAsynchronously);
        asked.Waiting.Add(mine);
        asked.Change = pair.OpenPort(Session.Id, name);
        using CancellationTokenRegistration ends = cancellation.Register(
            () => mine.TrySetCanceled(cancellation));
        return await mine.Task.ConfigureAwait(true);
    }

    /// <inheritdoc/>
    public void ClosePort(string name)
    {
        RequirePort(name);
        if (Session is { End: null } session)
        {
            pair.ClosePort(session.Id, name);
        }
    }

    /// <inheritdoc/>
    public void Offer(string region)
    {
        PairRegion mine = (PairRegion)Region(region);
        if (!mine.Need.OfferedOnRequest || mine.Need.Access == RemoteAccess.None)
        {
            throw new RefusedException(new Refusal(
                $"region {region}", "one that is offered on request, with rights",
                "one that is not", "set OfferedOnRequest and Access of its need"));
        }

        if (Session is { WasTold: true, End: null } session)
        {
            PairRemote offered = new(mine.Offer(mine.Need.Access));
            pair.TellTwin(this, session.Id, region, offered);
        }
    }

    /// <inheritdoc/>
    public void Withdraw(string region)
    {
        PairRegion mine = (PairRegion)Region(region);
        mine.Revoke();
        if (mine.Need.OfferedOnRequest && Session is { WasTold: true, End: null } session)
        {
            pair.TellTwin(this, session.Id, region, null);
        }
    }

    /// <inheritdoc/>
    public void Reconnect(string why) => pair.EndSession(
        this, new(SessionEndReason.LocalStop, $"{Needs!.Name}: {why}"));

    /// <summary>Makes this boot's part of a session.</summary>
    public BootSession Prepare(SessionId id, ulong partnerEpoch, ushort version)
    {
        Session = new(id, partnerEpoch, version);
        return Session;
    }

    /// <summary>Offers what is offered with each session.</summary>
    public Dictionary<string, IRemoteMemory> OfferAll() =>
        regions.Values.Where(static region => !region.Need.OfferedOnRequest
            && region.Need.Access != RemoteAccess.None).ToDictionary(
            static region => region.Name,
            static region => (IRemoteMemory)new PairRemote(region.Offer(region.Need.Access)));

    /// <summary>Tells the client that it is ready, as soon as it has started.</summary>
    public void AlertReady() => Reactor.Post(
        _ =>
        {
            if (started && Session is { WasTold: false, End: null } session)
            {
                session.WasTold = true;
                pair.Tell(Node, $"ready, session {session.Id}");
                Client!.PartnerReady(session.Grant());
                foreach ((string region, IRemoteMemory memory) in session.OnRequest.ToArray())
                {
                    Client.MemoryChanged(region, memory);
                }
            }
        },
        null);

    /// <summary>The twin has offered a region, or withdrawn it: null.</summary>
    public void MemoryChanged(BootSession session, string region, IRemoteMemory? memory) =>
        Reactor.Post(
            _ =>
            {
                if (Session != session || session.End is not null)
                {
                    return;
                }

                _ = session.OnRequest.Remove(region);
                if (memory is not null)
                {
                    session.OnRequest[region] = memory; // For a client that is to be told yet.
                }

                if (session.WasTold)
                {
                    Client!.MemoryChanged(region, memory);
                }
            },
            null);

    /// <summary>Both ends of a port are open anew.</summary>
    public void PortOpened(BootSession session, PairPort port, int change) => Reactor.Post(
        _ =>
        {
            if (Session == session && session is { WasTold: true, End: null })
            {
                Client!.PortChanged(port.Name, port);
                foreach (TaskCompletionSource<IPort> asked in Answered(port.Name, change))
                {
                    _ = asked.TrySetResult(port);
                }
            }
        },
        null);

    /// <summary>A port is closed on both sides.</summary>
    public void PortClosed(BootSession session, string port, int change) => Reactor.Post(
        _ =>
        {
            if (Session == session && session is { WasTold: true, End: null })
            {
                Client!.PortChanged(port, null);
                Refuse(port, change, "it to stay open", "a close by one of the twins");
            }
        },
        null);

    /// <summary>A port is of no more use, and nobody here has closed it.</summary>
    public void PortFailed(PairPort port)
    {
        if (Session is { End: null } session && session.Ports.GetValueOrDefault(port.Name) == port)
        {
            pair.PortFailed(this, session, port);
        }
    }

    /// <summary>The session has ended for this node.</summary>
    public void Lose(SessionEnd end, TimeSpan detectedAfter)
    {
        if (Session is not { End: null } session)
        {
            return;
        }

        session.End = end;
        (LastEnd, DetectedAfter) = (end, detectedAfter);
        foreach (PairPort port in session.AllPorts)
        {
            port.Dispose();
        }

        RevokeAll();
        Reactor.Post(_ => TellLost(session), null);
    }

    /// <summary>The process is gone; what was under way of its posts may land or not.</summary>
    public void Die()
    {
        Reactor.End();
        foreach (PairPort port in Session?.AllPorts ?? [])
        {
            port.Break();
        }

        keys.Clear();
        foreach (PairRegion region in regions.Values)
        {
            if (region.Need.BackingPath is { } path)
            {
                Node.Kept[path] = region.Bytes.ToArray();
            }
        }
    }

    /// <summary>Stops the client as a node that stops does.</summary>
    public void Stop()
    {
        stopping.Cancel();
        Reactor.Post(_ => StopAsync(), null);
    }

    /// <summary>The node waits for the client's stop no longer.</summary>
    public void EndPatience() => deadline.Cancel();

    /// <summary>Whether no region was written beside.</summary>
    public void CheckGuards()
    {
        foreach (PairRegion region in regions.Values.Where(static one => !one.IsGuardWhole))
        {
            Fault($"wrote beyond its region {region.Name}");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Reactor.End();
        if (host is { } left)
        {
            // What a crash has left; in a real one it would be gone.
            host = null;
            Reactor.RunLast(() => left.DisposeAsync().AsTask().GetAwaiter().GetResult());
        }

        foreach (PairRegion region in regions.Values)
        {
            region.Dispose();
        }

        regions.Clear();
        stopping.Dispose();
        deadline.Dispose();
    }

    private void Make()
    {
        host = new(
            pair.NewPlugin(), Info, Reactor, line => pair.Tell(Node, line, isLog: true),
            pair.Options);
        ClientNeeds needs = host.Client.Needs;
        foreach (RegionNeed need in needs.Regions)
        {
            byte[]? kept = need.BackingPath is { } path ? Node.Kept.GetValueOrDefault(path) : null;
            regions[need.Name] = new(this, need, kept);
        }

        Needs = needs;
        pair.Consider();
        StartAsync();
    }

#pragma warning disable CA1031 // Whatever the client throws fails the test by name.
    private async void StartAsync()
    {
        try
        {
            await Client!.StartAsync(this, stopping.Token);
            started = true;
            pair.Tell(Node, "started");
            AlertReady();
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            pair.Tell(Node, "gave up its start");
        }
        catch (Exception failure)
        {
            Failed(failure);
        }
    }

    private async void StopAsync()
    {
        try
        {
            await Client!.StopAsync(deadline.Token);
            pair.Tell(Node, "stopped");
        }
        catch (Exception failure)
        {
            Failed(failure);
        }

        if (Reactor.Left is { Length: > 0 } left)
        {
            Fault($"has {left} left after StopAsync");
        }

        await DisposeAsync();
        HasStopped = true;
        CheckGuards();
        Die();
        Reactor.PostedAfterEnd = () => Fault("posted to its reactor after StopAsync");
        pair.NodeStopped(this);
    }

    /// <summary>Disposes what the plugin has made, on its reactor as all that it does.</summary>
    private async Task DisposeAsync()
    {
        try
        {
            if (host is { } made)
            {
                await made.DisposeAsync();
            }
        }
        catch (Exception failure)
        {
            Failed(failure);
        }
    }
#pragma warning restore CA1031

    private void TellLost(BootSession session)
    {
        RevokeAll(); // Again: an offer may have slipped in between.
        foreach (string port in opening.Keys.ToArray())
        {
            Refuse(port, int.MaxValue, "the session", session.End!.Detail);
        }

        try
        {
            if (session.WasTold)
            {
                pair.Tell(Node, $"lost, {session.End!.Reason}: {session.End.Detail}");
                Client!.PartnerLost(session.Id, session.End);
            }
        }
        finally
        {
            session.AllPorts.ForEach(static port => port.LossWasTold = true);
            foreach (PairRegion region in regions.Values)
            {
                if (!region.Need.OfferedOnRequest)
                {
                    region.Reclaim([new(0, region.Length)]);
                }
            }

            Session = null;
            pair.Consider();
        }
    }

    private void Refuse(string port, int change, string expected, string found)
    {
        foreach (TaskCompletionSource<IPort> asked in Answered(port, change))
        {
            _ = asked.TrySetException(new RefusedException(
                new($"port {port} of {Needs!.Name}", expected, found)));
        }
    }

    /// <summary>Whom a change answers: nobody when the client has asked again since.</summary>
    private List<TaskCompletionSource<IPort>> Answered(string port, int change)
    {
        if (!opening.TryGetValue(port, out Opening? asked) || asked.Change > change)
        {
            return [];
        }

        _ = opening.Remove(port);
        return asked.Waiting;
    }

    private void RevokeAll()
    {
        foreach (PairRegion region in regions.Values)
        {
            region.Revoke();
        }
    }

    private void RequirePort(string port)
    {
        if (!Needs!.Ports.Any(need => need.Name == port))
        {
            throw new RefusedException(new(
                $"client {Needs.Name}",
                $"one of {string.Join(", ", Needs.Ports.Select(static need => need.Name))}",
                $"port '{port}'"));
        }
    }

    private void Failed(Exception failure) => Fault(
        $"threw {failure.GetType().Name}: {failure.Message}\n{failure.StackTrace}");
}
