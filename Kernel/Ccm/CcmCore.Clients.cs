// What is done for clients: each client that both nodes have is prepared, granted, connected and
// alerted by itself, so that one that loads late, hangs, fails or leaves changes only its own part.
//
//   None -> Preparing -> Granted (ours sent) -> Connecting (theirs here) -> Connected -> Alerted
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

internal sealed partial class CcmCore
{
    private enum Link
    {
        None,
        Preparing,
        Granted,
        Connecting,
        Connected,
        Alerted,
    }

    private sealed class Client(ClientNeeds needs, uint incarnation)
    {
        public ClientNeeds Needs { get; } = needs;

        public ClientInfo Info { get; } = ResourcePlan.Info(needs, incarnation);

        public bool Started { get; set; }

        public bool Reclaimed { get; set; } = true;

        public Link Link { get; set; }

        public GrantMessage? Theirs { get; set; }

        public bool TwinReady { get; set; }

        public uint TwinIncarnation { get; set; }

        public ushort Version { get; set; }

        public uint PlanHash { get; set; }

        public Refusal? Misfit { get; set; }

        public Dictionary<string, RunTimePort> Ports { get; } = [];

        public RunTimePort Port(string name) =>
            Ports.TryGetValue(name, out RunTimePort? port) ? port : Ports[name] = new();
    }

    private readonly SortedDictionary<string, Client> clients = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, ClientInfo> twins = new(StringComparer.Ordinal);
    private uint incarnations;
    private uint edition;
    private bool partnerReady;

    /// <summary>The clients, for status.</summary>
    public IEnumerable<CcmClientStatus> ClientStatus => clients.Select(c => new CcmClientStatus(
        c.Key, StateOf(c.Value), c.Value.Needs.Ports.Count, ResourcePlan.Bytes(c.Value.Needs),
        ReasonOf(c.Key, c.Value)?.ToString() ?? ""));

    // Before the session is ready the partner's clients are not all known.
    private Refusal? ReasonOf(string name, Client client) =>
        twins.ContainsKey(name) ? client.Misfit
        : State != HandshakeState.Ready || !client.Started ? null
        : new($"client {name}", "one of this name on the partner", "none");

    private string StateOf(Client client) =>
        !client.Started ? "Starting"
        : client.Link == Link.Alerted ? "Ready"
        : State == HandshakeState.Ready ? "WaitingForTwin" : "WaitingForSession";

    private void OnClientEvent(CcmEvent input)
    {
        switch (input)
        {
            case CcmEvent.ClientAdmitted e:
                clients[e.Name] = new(e.Needs, ++incarnations);
                SendEdition();
                break;
            case CcmEvent.ClientStarted e when clients.TryGetValue(e.Name, out Client? client):
                client.Started = true;
                Advance(e.Name, client);
                break;
            case CcmEvent.ClientRemoved e when clients.Remove(e.Name, out Client? client):
                Drop(e.Name, client, new(SessionEndReason.LocalStop, e.Why));
                SendEdition();
                CheckPorts();
                break;
            case CcmEvent.ClientGone e:
                effects.Add(new CcmEffect.ClientGone(e.Name));
                break;
            case CcmEvent.ClientReclaimed e when clients.TryGetValue(e.Name, out Client? client):
                client.Reclaimed = true;
                Advance(e.Name, client);
                break;
            case CcmEvent.ClientPrepared e when e.Session == Session
                && Is(e.Name, Link.Preparing, out Client? client):
                client.Link = Link.Granted;
                Send(new GrantMessage(e.Name, client.Info.Incarnation, client.TwinIncarnation,
                    client.PlanHash, e.Ports, e.Regions));
                Advance(e.Name, client);
                break;
            case CcmEvent.ClientConnected e when e.Session == Session
                && Is(e.Name, Link.Connecting, out Client? client):
                client.Link = Link.Connected;
                Send(new ClientReadyMessage(
                    e.Name, client.Info.Incarnation, client.TwinIncarnation));
                CheckPorts();
                Advance(e.Name, client);
                break;
            case CcmEvent.PortAsked or CcmEvent.PortPrepared or CcmEvent.PortRefused:
            case CcmEvent.RegionOffered:
                OnPortEvent(input);
                break;
            default:
                break; // An answer that nobody waits for any more.
        }
    }

    private bool Is(string name, Link link, out Client client) =>
        clients.TryGetValue(name, out client!) && client.Link == link;

    private void SendEdition()
    {
        if (sealOut is not null)
        {
            Send(new ClientEdition(++edition, [.. clients.Values.Select(c => c.Info)]));
            Rematch();
        }
    }

    private Refusal? TakeMessage(Message message)
    {
        switch (message)
        {
            case ClientEdition e:
                return TakeEdition(e);
            case GrantMessage e:
                return TakeGrant(e);
            case ClientReadyMessage e:
                if (Matches(e.Client, e.SenderIncarnation, e.ReceiverIncarnation, out Client ready))
                {
                    ready.TwinReady = true;
                    Advance(e.Client, ready);
                }

                return null;
            case ReadyMessage:
                partnerReady = true;
                BecomeReady();
                return null;
            case PortMessage e:
                return TakePort(e);
            case RegionMessage e:
                return TakeRegion(e);
            default:
                return new(
                    "partner's record", "a message of this protocol version",
                    message.GetType().Name);
        }
    }

    private Refusal? TakeEdition(ClientEdition message)
    {
        if (ResourcePlan.Check(message) is { } refusal)
        {
            return refusal;
        }

        twins.Clear();
        foreach (ClientInfo client in message.Clients)
        {
            twins[client.Name] = client;
        }

        if (Fire(Trigger.ClientInfoReceived))
        {
            Detail = "creating the clients' ports";
        }

        Rematch();
        return null;
    }

    /// <summary>
    /// Compares both lists anew: drops what no longer matches, prepares what newly does.
    /// </summary>
    private void Rematch()
    {
        foreach ((string name, Client client) in clients)
        {
            bool has = twins.TryGetValue(name, out ClientInfo? twin);
            if (client.Link != Link.None && (!has || twin!.Incarnation != client.TwinIncarnation))
            {
                Drop(name, client, new(
                    SessionEndReason.TwinLeft, "the partner no longer runs this client"));
            }

            Advance(name, client);
        }

        CheckPorts();
    }

    /// <summary>Takes a client as far as it can go now.</summary>
    private void Advance(string name, Client client)
    {
        if (Session is not { } session || State < HandshakeState.Ports)
        {
            return;
        }

        if (client.Link == Link.None && client.Reclaimed
            && twins.TryGetValue(name, out ClientInfo? twin))
        {
            client.Misfit = ResourcePlan.Fit(client.Info, twin, out ushort version);
            if (client.Misfit is null)
            {
                bool low = settings.Role == PairRole.Low;
                client.Link = Link.Preparing;
                (client.TwinIncarnation, client.Version) = (twin.Incarnation, version);
                client.PlanHash = low
                    ? ResourcePlan.Hash(client.Info, twin, version)
                    : ResourcePlan.Hash(twin, client.Info, version);
                effects.Add(new CcmEffect.PrepareClient(name, session));
            }
        }

        if (client.Link == Link.Granted && client.Theirs is { } theirs)
        {
            client.Link = Link.Connecting;
            effects.Add(new CcmEffect.ConnectClient(name, session, theirs));
        }

        if (client.Link == Link.Connected && client.TwinReady && client.Started
            && State == HandshakeState.Ready)
        {
            client.Link = Link.Alerted;
            effects.Add(new CcmEffect.AlertReady(
                name, session, partner.BootEpoch, client.Version, MeetingOf(client)));
        }
    }

    private ulong MeetingOf(Client client)
    {
        (uint ours, uint theirs) = (client.Info.Incarnation, client.TwinIncarnation);
        return settings.Role == PairRole.Low
            ? ((ulong)ours << 32) | theirs : ((ulong)theirs << 32) | ours;
    }

    private Refusal? TakeGrant(GrantMessage message)
    {
        if (!Matches(
            message.Client, message.SenderIncarnation, message.ReceiverIncarnation,
            out Client client))
        {
            return null; // Made for an edition that we have replaced; a new one follows.
        }

        if (message.Ports is null || message.Ports.Length != client.Info.Ports.Length
            || message.Ports.Any(p => p is null) || message.Regions is null
            || message.Regions.Any(
                r => r is null || !client.Info.Regions.Any(n => n.Name == r.Name)))
        {
            return new($"partner's grant for {message.Client}",
                $"{client.Info.Ports.Length} ports and regions of its needs",
                "another number or other names");
        }

        if (client.Link != Link.None && message.PlanHash != client.PlanHash)
        {
            return new($"partner's plan for {message.Client}", $"hash {client.PlanHash:x8}",
                $"{message.PlanHash:x8}", "run the same build on both nodes");
        }

        client.Theirs = message;
        Advance(message.Client, client);
        return null;
    }

    private bool Matches(string? name, uint sender, uint receiver, out Client client) =>
        clients.TryGetValue(name ?? "", out client!) && client.Info.Incarnation == receiver
        && twins.TryGetValue(name ?? "", out ClientInfo? twin) && twin.Incarnation == sender;

    /// <summary>
    /// Once every client that both have is connected here, tells the partner that we are ready.
    /// </summary>
    private void CheckPorts()
    {
        bool all = clients.All(c => c.Value.Link is Link.None or Link.Connected or Link.Alerted);
        if (State == HandshakeState.Ports && all && Fire(Trigger.PortsCreated))
        {
            Detail = "waiting for the partner to be ready";
            Send(new ReadyMessage());
            BecomeReady();
        }
    }

    private void BecomeReady()
    {
        if (!partnerReady || !Fire(Trigger.PartnerIsReady))
        {
            return;
        }

        (phase, Refusal, Detail) = (HandshakePhase.Ready, null, "");
        HandshakeTook = now - firstReadAt;
        SessionsReady++;
        backoff.Reset();
        PublishStatus();
        foreach ((string name, Client client) in clients)
        {
            Advance(name, client);
        }
    }

    private void DropClients(SessionId ended, SessionEnd end)
    {
        foreach ((string name, Client client) in clients)
        {
            Drop(name, client, end, ended);
        }

        twins.Clear();
        partnerReady = false;
    }

    private void Drop(string name, Client client, SessionEnd end, SessionId? ended = null)
    {
        if (client.Link != Link.None && (ended ?? Session) is { } session)
        {
            client.Reclaimed = false;
            effects.Add(new CcmEffect.DropClient(name, session, end, client.Link == Link.Alerted));
        }

        (client.Link, client.Theirs) = (Link.None, null);
        (client.TwinReady, client.TwinIncarnation) = (false, 0);
        client.Ports.Clear();
    }
}
