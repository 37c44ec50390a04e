using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace Sample.KeyValue;

/// <summary>
/// The client "sample-keyvalue", alike on both nodes: carries between the replica, which decides,
/// and port, memory, file and socket. The node with the lower system id leads.
/// </summary>
internal sealed class KeyValueClient(
    NodeInfo node, Settings settings, IReactor reactor, ILogger<KeyValueClient> logger)
    : IClient, IAsyncDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(4);
    private readonly Queue<Frame> toSend = new();
    private readonly Queue<long> writesEnd = new();
    private readonly string path = Path.Combine(node.DataDirectory, "keyvalue.map");
    private IClientServices services = null!;
    private Incoming incoming = null!;
    private Outgoing? outgoing;
    private IDisposable? ticking;
    private IDisposable? saves;
    private IDisposable? watch;
    private Door? door;
    private Task saving = Task.CompletedTask;
    private Task writing = Task.CompletedTask;
    private Task savingDropped = Task.CompletedTask;
    private History saved = History.Empty;
    private bool pumping;
    private bool stopped;

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new(
        "sample-keyvalue",
        new VersionRange(1, 1),
        [new PortNeed(Ring.Port, Outgoing.PostsInFlightMax, PortClass.Log)],
        [
            new RegionNeed(
                Ring.Inbox, Ring.InboxBytes, RemoteAccess.Write,
                Path.Combine(node.NvramDirectory, "sample-keyvalue-inbox.nvram")),
            new RegionNeed(Ring.Outbox, Ring.Bytes, RemoteAccess.None),
            new RegionNeed(
                Ring.Map, Store.Bytes, RemoteAccess.None,
                Path.Combine(node.NvramDirectory, "sample-keyvalue-map.nvram")),
        ]);

    /// <summary>The map; there from the start on.</summary>
    public Store Store { get; private set; } = null!;

    /// <summary>What decides; there from the start on.</summary>
    public Replica Replica { get; private set; } = null!;

    /// <inheritdoc/>
    public async ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        IRegion map = services.Region(Ring.Map);
        Store = new(() => map.Memory);
        Replica = new(
            Store,
            new(
                node.SystemId < node.PartnerSystemId, node.PartnerName, settings.GoesAlone,
                settings.MaxBytes),
            static () => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))),
            toSend.Enqueue)
        {
            Changed = Tell,
            Dropping = SaveDropped,
        };
        (bool whole, ulong left, string? wrong) = Find(); // Before the twin can write again.
        bool adopted = Store.Adopt(await Task.Run(
            () => File.Exists(path) ? File.ReadAllBytes(path) : [], stopping));
        logger.LogInformation(
            "{Keys} keys after {Count} writes, from {Source}; {Left} were on their way{Wrong}",
            Store.Map.Count, Store.History.Count,
            adopted ? "the file" : whole ? "memory" : "nowhere, for memory is damaged", left,
            wrong is null ? "" : $"; {wrong}");
        Replica.Begin();
        ticking = reactor.Every(Tick, OnTick);
        saves = reactor.Every(settings.Save, BeginSave);
        door = Door.Open(
            Path.Combine(node.DataDirectory, settings.Socket),
            new Commands(this, node), reactor, logger);
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        uint tag = Ring.TagOf(grant);
        incoming.Begin(tag);
        Store.Taken = 0;
        outgoing = new(
            grant.Ports[Ring.Port], services.Region(Ring.Outbox), services.Region(Ring.Inbox),
            grant.Memory[Ring.Inbox], tag);
        toSend.Clear();
        writesEnd.Clear();
        Replica.Meet();
        if (outgoing.Port is ICompletionChannel channel)
        {
            Listen(channel);
        }

        OnTick();
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        Drop();
        Receive(); // What has landed is ours, whatever became of who wrote it.
        incoming.Clear();
        Replica.Lose($"{node.PartnerName} is lost: {end.Reason}, {end.Detail}");
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        stopped = true;
        Drop();
        ticking?.Dispose();
        saves?.Dispose();
        if (door is not null)
        {
            Replica.Lose("the node stops");
            await door.CloseAsync();
        }

        await Task.WhenAll(saving, savingDropped);
        if (Store is not null)
        {
            await SaveAsync();
        }
    }

    /// <summary>Nothing is written once it is gone, also when it was not stopped.</summary>
    public async ValueTask DisposeAsync() => _ = await Task.WhenAny(
        Task.WhenAll(writing, savingDropped)).ConfigureAwait(false);

    /// <summary>Sends what the replica has to say. Reactor thread only.</summary>
    public void Pump()
    {
        if (pumping)
        {
            return; // An answer has led to another write: whoever pumps takes it along.
        }

        pumping = true;
        bool again = true;
        while (outgoing is { } ours && again)
        {
            while (toSend.TryPeek(out Frame? frame) && ours.TryPut(frame))
            {
                if (toSend.Dequeue().IsWrite)
                {
                    writesEnd.Enqueue(ours.Put);
                }
            }

            ours.Send(incoming.Taken);
            again = ours.Poll();
            while (writesEnd.TryPeek(out long end) && end <= ours.Landed)
            {
                _ = writesEnd.Dequeue();
                Replica.Landed();
            }

            if (ours.Failed)
            {
                Drop(); // The session ends by that, and we are told.
            }
        }

        pumping = false;
    }

    /// <summary>Finds what an earlier life of this process left in memory.</summary>
    private (bool Whole, ulong Left, string? Wrong) Find()
    {
        bool whole = Store.Open(1 + (ulong)Crc32C.Of(Encoding.UTF8.GetBytes(node.MachineBootId)));
        ulong before = Store.History.Count;
        incoming = new(services.Region(Ring.Inbox));
        incoming.GoOn(Store.Taken);
        string? wrong = Store.Taken == 0 ? null : incoming.Take(frame =>
        {
            Replica.TakeLeft(frame);
            return null;
        });
        incoming.Clear();
        return (whole, Store.History.Count - before, wrong);
    }

    private void OnTick()
    {
        Receive();
        Pump();
    }

    private void Drop()
    {
        watch?.Dispose();
        (watch, outgoing) = (null, null);
    }

    private void Listen(ICompletionChannel channel)
    {
        try
        {
            watch ??= reactor.Watch(channel.Descriptor, DescriptorInterest.Readable, _ =>
            {
                Listen(channel);
                Pump();
            });
            channel.Arm();
        }
        catch (RefusedException refused)
        {
            Abandon(refused.Message);
        }
    }

    /// <summary>The session is of no use any more; another begins.</summary>
    private void Abandon(string because)
    {
        logger.LogError("the session is ended: {Why}", because);
        Drop();
        Replica.Lose(because);
        services.Reconnect(because);
    }

    private void Receive()
    {
        if (Replica.State is MapState.Apart || stopped)
        {
            return;
        }

        if (incoming.Take(Replica.Take) is { } wrong)
        {
            Abandon($"{node.PartnerName} wrote what it must not: {wrong}");
        }
        else if (Replica is { State: MapState.Together, Leads: false })
        {
            Store.Taken = incoming.TakenWord; // A next life of this process goes on from here.
        }
    }

    private void Tell() => logger.LogInformation("{State}: {Why}", Replica.State, Replica.Why);

    private void BeginSave()
    {
        foreach (Task failed in new[] { saving, savingDropped }.Where(
            static task => task.IsFaulted))
        {
            failed.GetAwaiter().GetResult(); // A disk that fails ends this client by name.
        }

        if (saving.IsCompleted && !stopped)
        {
            saving = SaveAsync();
        }
    }

    /// <summary>What an operator has decided against is kept for people.</summary>
    private void SaveDropped()
    {
        byte[] bytes = Store.Save();
        Task before = savingDropped;
        savingDropped = Task.Run(async () =>
        {
            await before;
            MapFile.Write(path + ".dropped", bytes);
        });
    }

    private async Task SaveAsync()
    {
        History now = Store.History;
        if (now != saved)
        {
            byte[] bytes = Store.Save();
            writing = Task.Run(() => MapFile.Write(path, bytes));
            await writing;
            saved = now;
        }
    }
}
