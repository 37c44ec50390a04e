using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Transport.Verbs.Interop;

namespace StorageOs.Transport.Verbs;

// The well-known port. rdma_cm finds the way to the preset address and carries one greeting each
// way; the queue pairs are made, moved and used by this transport itself. All progress is made in
// Poll, from events that the watching thread has taken. The node that connects goes through the
// paths one after the other, for ever; the one that listens does so on all of them.

/// <summary>The well-known port.</summary>
internal sealed partial class VerbsWellKnownPort : IWellKnownPort
{
    private readonly VerbsTransport transport;
    private readonly WellKnownNeed need;
    private readonly IReadOnlyList<NetworkPath> paths;
    private readonly VerbsRegion page;
    private readonly VerbsRegion inbox;
    private readonly ConcurrentQueue<CmEvent> events = new();
    private readonly List<(nint Id, NetworkPath Path)> listeners = [];
    private readonly nint owner;
    private readonly bool ready;
    private volatile Attempt? attempt;
    private VerbsRemoteMemory? partnerPage;
    private VerbsRemoteMemory? partnerInbox;
    private WellKnownState state = WellKnownState.Connecting;
    private NetworkPath path;
    private TimeSpan pause = Limits.RetryFirst;
    private long retryAt;

    /// <summary>Begins to listen; connecting begins with the first poll.</summary>
    public VerbsWellKnownPort(
        VerbsTransport transport, WellKnownNeed need, IReadOnlyList<NetworkPath> paths)
    {
        this.transport = transport;
        this.need = need;
        this.paths = paths;
        page = transport.Own(need.Page);
        inbox = transport.Own(need.Inbox);
        path = paths[transport.FirstPath % paths.Count];
        Detail = need.Connects
            ? $"connecting to {path.Partner} port {need.PartnerPort}"
            : $"listening on port {need.LocalPort} for {path.Partner}";
        owner = transport.Cm.Register(OnEvent);
        try
        {
            if (!need.Connects)
            {
                Listen();
            }

            ready = true;
        }
        finally
        {
            if (!ready)
            {
                Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public string Detail { get; private set; }

    /// <inheritdoc/>
    public IPort Port => Connected(attempt?.Port);

    /// <inheritdoc/>
    public IRemoteMemory PartnerPage => Connected(partnerPage);

    /// <inheritdoc/>
    public IRemoteMemory PartnerInbox => Connected(partnerInbox);

    /// <summary>What joins the nodes; null before they are.</summary>
    public Link? Link => state == WellKnownState.Connecting ? null : attempt?.Link;

    /// <summary>Whether it has been disposed.</summary>
    public bool IsDisposed { get; private set; }

    /// <inheritdoc/>
    public WellKnownState Poll()
    {
        while (!IsDisposed && events.TryDequeue(out CmEvent? happened))
        {
            if (need.Connects)
            {
                Connecting(happened);
            }
            else
            {
                Listening(happened);
            }
        }

        switch (state)
        {
            case WellKnownState.Connecting when need.Connects:
                PollConnecting();
                break;
            case WellKnownState.Connecting:
                PollListening();
                break;
            case WellKnownState.Connected when attempt!.Port!.State != PortState.Open:
                End();
                break;
        }

        return state;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (IsDisposed)
        {
            return;
        }

        IsDisposed = true;
        state = WellKnownState.Failed;
        Cleanup.All(
            Drop, // First, so that the partner hears of a closed port and not of dead keys.
            page.Revoke,
            inbox.Revoke,
            transport.Board.Withdraw,
            StopListening,
            () => transport.Cm.Unregister(owner),
            RefuseRequests);
    }

    /// <summary>The end without a word, as that of the process.</summary>
    internal void BreakOff() => attempt?.BreakOff();

    private static T Connected<T>(T? value)
        where T : class
    {
        Invariant.Require(value is not null);
        return value;
    }

    /// <summary>On the watching thread: the end of a connection cannot wait for a poll.</summary>
    private void OnEvent(CmEvent happened)
    {
        if (happened.Kind is CmEventKind.Disconnected or CmEventKind.DeviceRemoval
            && attempt is { Link: { } link } current && current.Id == happened.Id)
        {
            link.End(
                link.State == PortState.Open ? PortState.PartnerGone : link.State,
                happened.Kind == CmEventKind.Disconnected
                    ? "the partner's end is disconnected"
                    : $"device {link.Adapter.Name} was removed");
        }

        events.Enqueue(happened);
    }

    private void End()
    {
        Attempt ended = attempt!;
        PortState how = ended.Port!.State;
        ended.Link!.End(
            how, how == PortState.ClosedByPartner ? "the partner said so" : ended.Port.Failure);
        Detail = $"the port by {ended.Link.Name} is {how}: {ended.Link.Detail}";
        state = WellKnownState.Failed;
        if (how != PortState.ClosedByPartner)
        {
            transport.FirstPath++; // The next one, for this may have been the path's fault.
        }
    }

    private void Finish()
    {
        Attempt joined = attempt!;
        partnerPage = Import(
            joined.Theirs.PageKey, need.PartnerMemoryAddress, joined.Theirs.PageLength);
        partnerInbox = Import(
            joined.Theirs.InboxKey, joined.Theirs.InboxAddress, joined.Theirs.InboxLength);
        Detail = $"connected by {joined.Link!.Name} on {joined.Link.Adapter.Name}";
        if (transport.Retirement.Failure is { Length: > 0 } left)
        {
            Detail += $"; one of before is left over: {left}";
        }

        state = WellKnownState.Connected;
        StopListening();
    }

    private static VerbsRemoteMemory Import(uint key, ulong address, uint length) =>
        new(new RemoteRegion(key, address, length, RemoteAccess.Read));

    /// <summary>Ends the attempt and forgets what was still to be told of it.</summary>
    private void Drop()
    {
        if (attempt is not { } dropped)
        {
            return;
        }

        attempt = null;
        dropped.Dispose(); // Waits until the watching thread has let go of its events.
        for (int left = events.Count; left > 0; left--)
        {
            if (events.TryDequeue(out CmEvent? one) && one.Id != dropped.Id)
            {
                events.Enqueue(one);
            }
        }
    }

    private void RefuseRequests()
    {
        while (events.TryDequeue(out CmEvent? late))
        {
            RefuseRequest(late);
        }
    }

    private static void RefuseRequest(CmEvent happened)
    {
        if (happened.Kind == CmEventKind.ConnectRequest)
        {
            CmChannel.Destroy(happened.Id); // Which tells whoever asked.
        }
    }

    private static string Why(CmEvent happened)
    {
        // Reasons of the connection manager are positive, error numbers negative.
        const int InvalidService = 8;
        const int ConsumerReject = 28;
        return (happened.Kind, happened.Status) switch
        {
            (CmEventKind.Rejected, InvalidService) => "nobody listens there",
            (CmEventKind.Rejected, ConsumerReject) => "it refused the connection",
            (CmEventKind.Rejected, int reason) => $"rejected, reason {reason}",
            (CmEventKind.AddressError, int error) =>
                $"rdma_resolve_addr: {Text(error)}; no answer to ARP, or no RDMA device on the way",
            (CmEventKind.RouteError, int error) => $"rdma_resolve_route: {Text(error)}",
            (CmEventKind.Unreachable, int error) => $"unreachable: {Text(error)}",
            (var kind, int status) => $"{kind}, {Text(status)}",
        };
    }

    private static string Text(int status) => status >= 0
        ? $"status {status}"
        : $"error {-status} ({Marshal.GetPInvokeErrorMessage(-status)})";

    private static bool Past(long time) => Stopwatch.GetTimestamp() >= time;

    private static long After(TimeSpan delay) => Stopwatch.GetTimestamp()
        + (long)(delay.TotalSeconds * Stopwatch.Frequency);
}
