using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// A client as the connection manager knows it: after its stop it hears nothing more, though what
/// it was given is only then taken back, on its reactor. That reactor alone.
/// </summary>
internal sealed class StoppableClient(IClient client) : IClient, IReclaimWatcher
{
    private bool stopped;

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = client.Needs;

    /// <inheritdoc/>
    public ValueTask StartAsync(IClientServices services, CancellationToken stopping) =>
        client.StartAsync(services, stopping);

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
        if (!stopped)
        {
            client.PartnerReady(grant);
        }
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
        if (!stopped)
        {
            client.PartnerLost(session, end);
        }
    }

    /// <inheritdoc/>
    public void PortChanged(string port, IPort? replacement)
    {
        if (!stopped)
        {
            client.PortChanged(port, replacement);
        }
    }

    /// <inheritdoc/>
    public void MemoryChanged(string region, IRemoteMemory? memory)
    {
        if (!stopped)
        {
            client.MemoryChanged(region, memory);
        }
    }

    /// <inheritdoc/>
    public void Reclaiming()
    {
        if (!stopped)
        {
            (client as IReclaimWatcher)?.Reclaiming();
        }
    }

    /// <inheritdoc/>
    public void Reclaimed()
    {
        if (!stopped)
        {
            (client as IReclaimWatcher)?.Reclaimed();
        }
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken deadline)
    {
        try
        {
            await client.StopAsync(deadline);
        }
        finally
        {
            stopped = true;
        }
    }
}
