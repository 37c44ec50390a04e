using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport.Addresses;
using StorageOs.NbdExport.Connections;

namespace StorageOs.NbdExport;

/// <summary>
/// The block export: serves the volumes of each group this node owns at the group's service
/// address. Needs neither ports nor memory of the session; the partner's export is linked to by a
/// Unix socket, since both share a machine's listening sockets.
/// </summary>
internal sealed class NbdExportClient(
    IConfiguration configuration, NodeInfo node, IReactor reactor, IVolumes volumes,
    IOwnership ownership, ILogger<NbdExportClient> logger) : IClient, IStatusReporter
{
    private readonly BufferPool buffers = new();
    private readonly List<ServiceAddress> addresses = [];
    private List<NbdConnection> turns = [];
    private List<NbdConnection> turnsSpare = [];
    private IDisposable? poller;

    /// <inheritdoc/>
    public ClientNeeds Needs { get; } = new("nbd-export", new(1, 1), [], []);

    /// <inheritdoc/>
    public string Section => "exports";

    /// <inheritdoc/>
    public ValueTask StartAsync(IClientServices services, CancellationToken stopping)
    {
        CheckVolumes();
        foreach (AddressSettings settings in AddressSettings.Read(configuration, node))
        {
            addresses.Add(new(
                settings, node, volumes, ownership, reactor, buffers, NeedsTurn, logger));
        }

        poller = reactor.Poll(GiveTurns);
        ownership.Changed += OnOwnershipChanged;
        volumes.ServingChanged += OnServingChanged;
        addresses.ForEach(address => address.Start());
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public void PartnerReady(ClientGrant grant)
    {
    }

    /// <inheritdoc/>
    public void PartnerLost(SessionId session, SessionEnd end)
    {
    }

    /// <inheritdoc/>
    public ValueTask StopAsync(CancellationToken deadline)
    {
        ownership.Changed -= OnOwnershipChanged;
        volumes.ServingChanged -= OnServingChanged;
        addresses.ForEach(address => address.Dispose());
        poller?.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public JsonNode? Report()
    {
        var exports = new JsonArray();
        foreach (ServiceAddress address in addresses)
        {
            foreach (IVolume volume in address.Volumes)
            {
                exports.Add(new JsonObject
                {
                    ["volume"] = volume.Name,
                    ["uri"] = address.Settings.Uri(volume.Name),
                    ["connections"] = address.ConnectionsTo(volume),
                    ["accepting"] = address.Accepting,
                    ["waits"] = address.Waits,
                });
            }
        }

        return exports;
    }

    private void CheckVolumes()
    {
        foreach (IVolume volume in volumes.All)
        {
            int bytes = Encoding.UTF8.GetByteCount(volume.Name);
            if (bytes is 0 or > Limits.NameBytesMax)
            {
                throw new RefusedException(new($"volume {volume.Name}",
                    $"a name of 1 to {Limits.NameBytesMax} bytes", $"{bytes} bytes"));
            }
        }

        foreach (GroupId group in GroupId.All)
        {
            int count = volumes.All.Count(volume => volume.Group == group);
            if (count > Limits.ExportsMax)
            {
                throw new RefusedException(new(
                    $"exports of {group}", $"at most {Limits.ExportsMax}", $"{count}"));
            }
        }
    }

    private void OnOwnershipChanged() =>
        addresses.ForEach(address => address.OwnershipChanged());

    private void OnServingChanged() =>
        addresses.ForEach(address => address.ServingChanged());

    private void NeedsTurn(NbdConnection connection)
    {
        if (!connection.TurnPending)
        {
            connection.TurnPending = true;
            turns.Add(connection);
        }
    }

    /// <summary>
    /// Once per turn of the reactor: what completed since, together with its neighbours, is sent.
    /// </summary>
    private bool GiveTurns()
    {
        if (turns.Count == 0)
        {
            return false;
        }

        (turns, turnsSpare) = (turnsSpare, turns);
        foreach (NbdConnection connection in turnsSpare)
        {
            connection.TurnPending = false;
            connection.Turn();
        }

        turnsSpare.Clear();
        return true;
    }
}
