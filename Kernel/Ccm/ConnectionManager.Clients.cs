// What the core decided for clients, carried out: ports made and connected, regions offered and
// imported on the manager's thread; the client told on its own reactor, where what it used is also
// given back, so that nothing is unmapped under a client's hands.
using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm.Wire;

namespace StorageOs.Kernel.Ccm;

internal sealed partial class ConnectionManager
{
    // How long a client's port may be closed by the partner alone: its word that it closes one by
    // intent, or leaves, takes a record.
    private const int ClosedPortPeriods = 500;

    // The same of one that failed, as a closed one looks to a network card. No detection of a dead
    // partner waits for it: the well-known port fails as soon, or the beat stands still.
    private const int FailedPortPeriods = 10;

    private readonly Lock admission = new();
    private readonly Dictionary<string, ClientNeeds> admitted = [];
    private readonly ConcurrentDictionary<string, ClientEdge> edges = new();
    private volatile KeyValuePair<string, ClientEdge>[] edgesToCheck = [];

    /// <inheritdoc/>
    public Refusal? Admit(
        string name, IClient client, ClientNeeds needs, IReactor reactor,
        out IClientServices? services)
    {
        services = null;
        lock (admission)
        {
            if (ResourcePlan.Admit(needs, admitted.Values) is { } refusal)
            {
                return refusal;
            }

            try
            {
                var edge = new ClientEdge(name, client, needs, reactor, this, transport!);
                edges[name] = edge;
                edgesToCheck = [.. edges];
                admitted[name] = needs;
                services = edge;
            }
            catch (RefusedException refused)
            {
                return refused.Refusal;
            }
        }

        Tell(new CcmEvent.ClientAdmitted(name, needs));
        return null;
    }

    /// <inheritdoc/>
    public void Leave(string name, string why)
    {
        if (edges.ContainsKey(name))
        {
            Tell(new CcmEvent.ClientRemoved(name, why));
        }
    }

    /// <inheritdoc/>
    public async Task RemoveAsync(string name, string why)
    {
        if (!edges.TryGetValue(name, out ClientEdge? edge))
        {
            return;
        }

        Tell(new CcmEvent.ClientRemoved(name, why));
        Tell(new CcmEvent.ClientGone(name));
        await edge.Gone.ConfigureAwait(false);
        lock (admission)
        {
            _ = edges.TryRemove(name, out _);
            edgesToCheck = [.. edges];
            _ = admitted.Remove(name);
        }
    }

    /// <summary>For a client's edge: something it asked for or has done.</summary>
    internal void FromClient(CcmEvent input) => Tell(input);

    private void DoForClient(CcmEffect effect, Instant now)
    {
        string name = effect switch
        {
            CcmEffect.PrepareClient e => e.Name,
            CcmEffect.ConnectClient e => e.Name,
            CcmEffect.AlertReady e => e.Name,
            CcmEffect.DropClient e => e.Name,
            CcmEffect.PreparePort e => e.Client,
            CcmEffect.ConnectPort e => e.Client,
            CcmEffect.CloseClientPort e => e.Client,
            CcmEffect.ChangeMemory e => e.Client,
            CcmEffect.ClientGone e => e.Name,
            _ => throw new InvariantException($"an effect that nobody carries out: {effect}"),
        };
        Invariant.Require(edges.TryGetValue(name, out ClientEdge? edge));
        if (effect is CcmEffect.AlertReady)
        {
            log.LogInformation("client {Client} is told that the partner is ready", name);
        }

        try
        {
            edge.Do(effect);
            if (effect is CcmEffect.DropClient { Alerted: true })
            {
                log.LogInformation("client {Client} is told that the partner is lost", name);
            }
        }
        catch (RefusedException refused)
        {
            KernelEvents.ClientFailed.Raise(log, name, refused.Refusal);
            inbox.Enqueue(new CcmEvent.ReconnectAsked($"client {name}: {refused.Refusal}"));
        }
    }

    /// <summary>
    /// A client's port that failed ends the session, for no other path can take it over.
    /// </summary>
    private void CheckClientPorts(Instant now)
    {
        foreach ((string name, ClientEdge edge) in edgesToCheck)
        {
            TimeSpan period = settings.Beat.Period;
            if (edge.FailedPort(now, period * FailedPortPeriods, period * ClosedPortPeriods)
                is { } failed)
            {
                FailPort(
                    SessionEndReason.EndpointGone, $"port {failed.Port} of {name}: {failed.State}");
            }
        }
    }
}
