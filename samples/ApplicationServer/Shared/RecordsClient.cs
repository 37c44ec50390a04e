using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;

namespace ApplicationServer.Shared;

/// <summary>How a node's records stand to its partner's.</summary>
internal enum RecordsState
{
    /// <summary>The partner, or its client, is not there.</summary>
    Apart,

    /// <summary>It is there; how many records it has is not known yet.</summary>
    Meeting,

    /// <summary>It has more than we have: they are on their way.</summary>
    Behind,

    /// <summary>We have all that it has; what it lacks is on its way.</summary>
    Together,

    /// <summary>Its records are others than ours, and neither takes any.</summary>
    Differing,
}

/// <summary>Told on the client's reactor how the records stand.</summary>
internal interface IRecordsWatcher
{
    /// <summary>Something has changed.</summary>
    /// <param name="state">How they stand.</param>
    /// <param name="held">Records up to this one are in the partner's memory.</param>
    /// <param name="why">For people.</param>
    void Changed(RecordsState state, ulong held, string why);
}

/// <summary>
/// The client "sample-records", alike on both nodes: who has more records writes them into the
/// other's memory. Both say first how many they have; whose past is another than the other's says
/// so, and nothing is written over. Records are appended by the application server alone.
/// </summary>
/// <param name="log">This node's records.</param>
/// <param name="watcher">Told how they stand.</param>
/// <param name="node">This node.</param>
/// <param name="reactor">What the client runs on.</param>
/// <param name="logger">For people.</param>
/// <param name="flushesFirst">
/// Whether a record is sent only once it is flushed here. Who may go on alone after a loss of power
/// must: else it gives a number anew that its partner has given to what was lost. Who may not is
/// told by its partner first, and sends while it flushes.
/// </param>
internal sealed class RecordsClient(
    RecordLog log, IRecordsWatcher watcher, NodeInfo node, IReactor reactor, ILogger logger,
    bool flushesFirst = false)
    : IClient
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(4);
    private readonly Queue<(long End, ulong Sequence)> sent = new();
    private IClientServices services = null!;
    private Incoming incoming = null!;
    private Outgoing? outgoing;
    private IDisposable? ticking;
    private IDisposable? watch;
    private Task flushing = Task.CompletedTask;
    private RecordsState state;
    private string why = "";
    private uint tag;
    private ulong partnerHad;
    private ulong nextToSend;
    private ulong held;
    private ulong flushed;
    private long done;
    private bool stopped;
    private bool owesDiffers;

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new(
        "sample-records",
        new VersionRange(1, 1),
        [new PortNeed(Ring.Port, Outgoing.PostsInFlightMax, PortClass.Log)],
        [
            // In a file, so that what landed in it is not lost with this process.
            new RegionNeed(
                Ring.Inbox, Ring.InboxBytes, RemoteAccess.Write,
                Path.Combine(node.NvramDirectory, "sample-records.nvram")),
            new RegionNeed(Ring.Outbox, Ring.Bytes, RemoteAccess.None),
        ]);

    /// <inheritdoc/>
    public async ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        this.services = services;
        incoming = new(services.Region(Ring.Inbox));
        incoming.BeginWithWhatIsLeft();
        ulong before = log.Count;
        string? wrong = incoming.Take(TakeLeft);
        ulong count = log.Count;
        await Task.Run(() => log.Flush(count), stopping);
        logger.LogInformation(
            "{Count} records, {Left} of them left in memory by an earlier life{Wrong}", count,
            count - before, wrong is null ? "" : $"; {wrong}");
        ticking = reactor.Every(Tick, OnTick);
        Stand(RecordsState.Apart, $"{node.PartnerName} was not met yet");
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        tag = Ring.TagOf(grant);
        incoming.Begin(tag);
        outgoing = new(
            grant.Ports[Ring.Port], services.Region(Ring.Outbox), services.Region(Ring.Inbox),
            grant.Memory[Ring.Inbox], tag);
        sent.Clear();
        (partnerHad, held, nextToSend, done) = (0, 0, 0, 0);
        owesDiffers = false;
        Stand(RecordsState.Meeting, $"{node.PartnerName} is asked what it has");

        // There is room: it is the first frame of a session.
        Invariant.Require(TryPut(FrameKind.Hello, log.Count));
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
        Stand(RecordsState.Apart, $"{node.PartnerName} is lost: {end.Reason}, {end.Detail}");
        BeginFlush();
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        stopped = true;
        Drop();
        ticking?.Dispose();
        await flushing;
        Stand(RecordsState.Apart, "the node stops");
    }

    /// <summary>To be called when records were appended here. Any thread.</summary>
    public void Appended() => reactor.Post(static self => ((RecordsClient)self!).OnTick(), this);

    private void OnTick()
    {
        if (flushing.IsFaulted)
        {
            flushing.GetAwaiter().GetResult(); // A disk that fails ends this client by name.
        }

        Receive();
        BeginFlush();
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
        Stand(RecordsState.Apart, because);
        services.Reconnect(because);
    }

    private void Pump()
    {
        bool again = true;
        while (outgoing is { } ours && again)
        {
            while (state is RecordsState.Together
                && nextToSend <= (flushesFirst ? log.Flushed : log.Count) && Send(nextToSend))
            {
                nextToSend++;
            }

            owesDiffers = owesDiffers && !TryPut(FrameKind.Differs, 0);

            ours.Send(done);
            again = ours.Poll();
            ulong before = held;
            while (sent.TryPeek(out (long End, ulong Sequence) record) && record.End <= ours.Landed)
            {
                held = sent.Dequeue().Sequence;
            }

            if (held != before)
            {
                watcher.Changed(state, held, why);
            }

            if (ours.Failed)
            {
                Drop(); // The session ends by that, and we are told.
            }
        }
    }

    private bool Send(ulong sequence)
    {
        if (!outgoing!.TryPut(new(
            FrameKind.Record, sequence, log.ChainAt(sequence), log.Read(sequence))))
        {
            return false;
        }

        sent.Enqueue((outgoing.Put, sequence));
        return true;
    }

    private bool TryPut(FrameKind kind, ulong count) =>
        outgoing!.TryPut(new(kind, count, log.ChainAt(count), []));

    private void Receive()
    {
        if (state is RecordsState.Apart || stopped)
        {
            return;
        }

        if (incoming.Take(TakeFrame) is { } wrong)
        {
            Abandon($"{node.PartnerName} wrote what it must not: {wrong}");
        }
    }

    private bool TakeLeft(in Frame frame)
    {
        if (log.Follows(frame))
        {
            _ = log.Append(frame.Payload);
        }

        return true; // Others are here already, or of no record.
    }

    private bool TakeFrame(in Frame frame)
    {
        switch (frame.Kind)
        {
            case FrameKind.Hello when state is RecordsState.Meeting: Meet(frame); break;
            case FrameKind.Record when state is RecordsState.Behind or RecordsState.Together:
                TakeRecord(frame);
                break;
            case FrameKind.Differs: Differ($"{node.PartnerName} says so"); break;
            default:
                Differ($"{node.PartnerName} sent {frame.Kind} while this node is {state}");
                break;
        }

        return state is not RecordsState.Differing;
    }

    private void Meet(in Frame hello)
    {
        ulong ours = log.Count;
        partnerHad = hello.Sequence;
        if (partnerHad <= ours && log.ChainAt(partnerHad) != hello.Chain)
        {
            Differ($"its {partnerHad} records are others than our first {partnerHad}");
            return;
        }

        held = Math.Min(partnerHad, ours);
        nextToSend = held + 1;
        Stand(
            partnerHad > ours ? RecordsState.Behind : RecordsState.Together,
            $"{node.PartnerName} had {partnerHad} records, this node {ours}");
    }

    private void TakeRecord(in Frame record)
    {
        if (!log.Follows(record))
        {
            Differ($"its record {record.Sequence} does not follow our {log.Count}");
            return;
        }

        held = log.Append(record.Payload);
        nextToSend = held + 1;
        if (state is RecordsState.Behind && held >= partnerHad)
        {
            Stand(RecordsState.Together, $"all {held} records of {node.PartnerName} are here");
        }
    }

    private void Differ(string because)
    {
        if (state is not RecordsState.Differing)
        {
            logger.LogError("records differ: {Why}", because);
            Stand(RecordsState.Differing, $"records differ: {because}");
            owesDiffers = true; // Told once the twin has room for it, which is its own matter.
        }
    }

    private void Stand(RecordsState now, string because)
    {
        if (now != state)
        {
            logger.LogInformation("{State}: {Why}", now, because);
        }

        (state, why) = (now, because);
        watcher.Changed(state, held, why);
    }

    private void BeginFlush()
    {
        if (flushing.IsCompletedSuccessfully && !stopped)
        {
            flushing = FlushAsync(log.Count, tag, incoming.Taken);
        }
    }

    private async Task FlushAsync(ulong count, uint tagOfTaken, long taken)
    {
        if (count > flushed)
        {
            await Task.Run(() => log.Flush(count));
            flushed = count;
        }

        if (tagOfTaken == tag)
        {
            // From here on the twin may write over it: this node's log has it for good.
            done = taken;
            incoming.Done(done);
        }
    }
}
