// Services to clients at run time: a port opened anew or closed, a region offered or withdrawn,
// while the session stands and without touching any other client.
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

internal sealed partial class CcmCore
{
    private void OnPortEvent(CcmEvent input)
    {
        switch (input)
        {
            case CcmEvent.PortAsked { Open: true } e when Is(e.Client, Link.Alerted, out Client? client):
                uint next = client.PortGenerations.GetValueOrDefault(e.Port) + 1;
                client.PortGenerations[e.Port] = next;
                _ = client.PortsOpening.Remove(e.Port);
                effects.Add(new CcmEffect.PreparePort(e.Client, e.Port, next));
                break;
            case CcmEvent.PortAsked { Open: false } e when Is(e.Client, Link.Alerted, out Client? client):
                uint closed = client.PortGenerations.GetValueOrDefault(e.Port) + 1;
                client.PortGenerations[e.Port] = closed;
                effects.Add(new CcmEffect.CloseClientPort(e.Client, e.Port));
                Send(new PortMessage(e.Client, e.Port, closed, null));
                break;
            case CcmEvent.PortPrepared e when Is(e.Client, Link.Alerted, out Client? client)
                && client.PortGenerations.GetValueOrDefault(e.Port) == e.Generation:
                Send(new PortMessage(e.Client, e.Port, e.Generation, e.Address));
                if (client.PortsOpening.Remove(e.Port, out PortMessage? theirs) && theirs.Generation == e.Generation)
                {
                    effects.Add(new CcmEffect.ConnectPort(e.Client, e.Port, e.Generation, theirs.Address!));
                }
                else
                {
                    client.PortsOpening[e.Port] = new(e.Client, e.Port, e.Generation, null);
                }

                break;
            case CcmEvent.RegionOffered e when e.Session == Session && clients.ContainsKey(e.Client):
                Send(new RegionMessage(e.Client, e.Region, e.Offer is { } offer ? RegionOffer.Of(e.Region, offer) : null));
                break;
            default:
                break; // Asked of a session that is over; the client has heard of its end.
        }
    }

    private Refusal? TakePort(PortMessage message)
    {
        // A client of ours that is not alerted yet has not used the port either: its grant is older.
        if (!clients.TryGetValue(message.Client ?? "", out Client? client) || client.Link < Link.Connected)
        {
            return null;
        }

        if (!client.Info.Ports.Any(p => p.Name == message.Port))
        {
            return new($"partner's port of {message.Client}", "a port of its needs", $"'{message.Port}'");
        }

        string port = message.Port;
        uint known = client.PortGenerations.GetValueOrDefault(port);
        if (message.Generation < known)
        {
            return null;
        }

        if (message.Address is null)
        {
            client.PortGenerations[port] = message.Generation;
            _ = client.PortsOpening.Remove(port);
            effects.Add(new CcmEffect.CloseClientPort(message.Client!, port));
        }
        else if (message.Generation == known && client.PortsOpening.Remove(port, out PortMessage? ours)
            && ours.Address is null)
        {
            effects.Add(new CcmEffect.ConnectPort(message.Client!, port, known, message.Address));
        }
        else
        {
            bool preparing = message.Generation == known;
            client.PortGenerations[port] = message.Generation;
            client.PortsOpening[port] = message;
            if (!preparing)
            {
                effects.Add(new CcmEffect.PreparePort(message.Client!, port, message.Generation));
            }
        }

        return null;
    }

    private Refusal? TakeRegion(RegionMessage message)
    {
        if (!clients.TryGetValue(message.Client ?? "", out Client? client) || client.Link < Link.Connecting)
        {
            return null;
        }

        if (!client.Info.Regions.Any(r => r.Name == message.Region && r.OfferedOnRequest))
        {
            return new($"partner's region of {message.Client}", "a region of its needs", $"'{message.Region}'");
        }

        effects.Add(new CcmEffect.ChangeMemory(message.Client!, message.Region, message.Offer));
        return null;
    }
}
