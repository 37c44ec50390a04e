// Services to clients at run time: a port opened anew or closed, a region offered or withdrawn,
// while the session stands and without touching any other client.
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

internal sealed partial class CcmCore
{
    // A port at run time. Each ask makes a new generation. The higher generation wins; in the same
    // one both ends' opens are one, and a close beats an open, so that two nodes that ask at the
    // same moment end alike. An end that cannot be connected closes its own generation at both
    // nodes: an ask that came after it has a higher one and is not touched.
    private sealed class RunTimePort
    {
        public uint Generation { get; set; }

        public bool Open { get; set; } = true;

        public bool Offered { get; set; }

        public byte[]? Theirs { get; set; }

        // The client's last ask that was taken up; tells its edge whom a result answers.
        public ulong Request { get; set; }

        public void Next(uint generation, bool open) =>
            (Generation, Open, Offered, Theirs) = (generation, open, false, null);
    }

    private void OnPortEvent(CcmEvent input)
    {
        switch (input)
        {
            case CcmEvent.PortAsked e when Is(e.Client, Link.Alerted, out Client? client):
                AskPort(client, e);
                break;
            case CcmEvent.PortPrepared e when Runs(e.Client, out Client client)
                && client.Port(e.Port) is { Open: true } port && port.Generation == e.Generation:
                port.Offered = true;
                Send(new PortMessage(e.Client, e.Port, e.Generation, e.Address));
                ConnectPort(e.Client, e.Port, port);
                break;
            case CcmEvent.PortRefused e when Runs(e.Client, out Client client)
                && client.Port(e.Port) is { Open: true } port && port.Generation == e.Generation:
                port.Next(e.Generation, open: false);
                effects.Add(new CcmEffect.CloseClientPort(
                    e.Client, e.Port, port.Request, e.Refusal));
                Send(new PortMessage(e.Client, e.Port, e.Generation, null));
                break;
            case CcmEvent.RegionOffered e when e.Session == Session
                && clients.ContainsKey(e.Client):
                Send(new RegionMessage(
                    e.Client, e.Region,
                    e.Offer is { } offer ? RegionOffer.Of(e.Region, offer) : null));
                break;
            default:
                break; // Asked of a session that is over; the client has heard of its end.
        }
    }

    private void AskPort(Client client, CcmEvent.PortAsked ask)
    {
        RunTimePort port = client.Port(ask.Port);
        port.Next(port.Generation + 1, ask.Open);
        port.Request = ask.Request;
        if (ask.Open)
        {
            effects.Add(new CcmEffect.PreparePort(ask.Client, ask.Port, port.Generation));
        }
        else
        {
            effects.Add(new CcmEffect.CloseClientPort(ask.Client, ask.Port, ask.Request, new(
                $"port {ask.Port} of {ask.Client}", "to stay open", "closed by this client")));
            Send(new PortMessage(ask.Client, ask.Port, port.Generation, null));
        }
    }

    private void ConnectPort(string client, string name, RunTimePort port)
    {
        if (port is { Offered: true, Theirs: { } theirs })
        {
            port.Theirs = null;
            effects.Add(new CcmEffect.ConnectPort(
                client, name, port.Generation, port.Request, theirs));
        }
    }

    /// <summary>
    /// Whether the client's ports of this session exist: its twin may be ahead of it.
    /// </summary>
    private bool Runs(string name, out Client client) =>
        clients.TryGetValue(name, out client!) && client.Link >= Link.Connected;

    private Refusal? TakePort(PortMessage message)
    {
        // Before it is connected here the twin cannot be alerted, so it has asked for nothing.
        if (!Runs(message.Client ?? "", out Client client))
        {
            return null;
        }

        (string name, string portName) = (message.Client!, message.Port);
        if (!client.Info.Ports.Any(p => p.Name == portName))
        {
            return new($"partner's port of {name}", "a port of its needs", $"'{portName}'");
        }

        RunTimePort port = client.Port(portName);
        if (message.Generation < port.Generation
            || (message.Generation == port.Generation && !port.Open))
        {
            return null; // Ours is the later word, and the twin will have it.
        }

        if (message.Address is null)
        {
            port.Next(message.Generation, open: false);
            effects.Add(new CcmEffect.CloseClientPort(name, portName, port.Request, new(
                $"port {portName} of {name}", "to stay open", "closed by its twin")));
            return null;
        }

        if (message.Generation > port.Generation)
        {
            port.Next(message.Generation, open: true);
            effects.Add(new CcmEffect.PreparePort(name, portName, message.Generation));
        }

        port.Theirs = message.Address;
        ConnectPort(name, portName, port);
        return null;
    }

    private Refusal? TakeRegion(RegionMessage message)
    {
        if (!clients.TryGetValue(message.Client ?? "", out Client? client)
            || client.Link < Link.Connecting)
        {
            return null;
        }

        if (!client.Info.Regions.Any(r => r.Name == message.Region && r.OfferedOnRequest))
        {
            return new(
                $"partner's region of {message.Client}", "a region of its needs",
                $"'{message.Region}'");
        }

        effects.Add(new CcmEffect.ChangeMemory(message.Client!, message.Region, message.Offer));
        return null;
    }
}
