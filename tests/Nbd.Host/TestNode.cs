using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Services;
using StorageOs.NbdExport;

namespace StorageOs.Nbd.Host;

/// <summary>The export of one node on a reactor of its own, with one volume of group 0.</summary>
internal sealed class TestNode : IDisposable
{
    /// <summary>Starts it.</summary>
    public TestNode(
        string name, string partner, ushort port, string directory, TestVolume volume,
        ILogger<NbdExportClient> logger, string? networkInterface = null)
    {
        Volume = volume;
        Volumes = new(volume);
        var node = new NodeInfo(name, partner, Id(name), Id(partner), 1, directory, directory,
            PersistenceLevel.Process)
        { MachineBootId = "test" };
        Client = new(Settings(port, directory, networkInterface), node, Reactor, Volumes, Ownership, logger);
        Reactor.Invoke(() => Client.StartAsync(null!, default).AsTask()).GetAwaiter().GetResult();
    }

    /// <summary>Its thread.</summary>
    public PollReactor Reactor { get; } = new();

    /// <summary>Its volumes.</summary>
    public TestVolumes Volumes { get; }

    /// <summary>Its volume.</summary>
    public TestVolume Volume { get; }

    /// <summary>What it owns.</summary>
    public TestOwnership Ownership { get; } = new();

    /// <summary>The export.</summary>
    public NbdExportClient Client { get; }

    /// <summary>Makes it the owner, or not.</summary>
    public void Own(bool value) => Reactor.Invoke(() => SetOwner(value));

    /// <summary>The same, on the reactor.</summary>
    public void SetOwner(bool value)
    {
        Volume.Served = value;
        Volumes.SayServingChanged();
        Ownership.Set(new(0), value);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Reactor.Invoke(() => Client.StopAsync(default).AsTask()).GetAwaiter().GetResult();
        Reactor.Dispose();
    }

    private static ulong Id(string name) => name[0];

    private static ConfigurationSectionOf Settings(
        ushort port, string directory, string? networkInterface) => new()
        {
            ["addresses:0:group"] = "0",
            ["addresses:0:host"] = "127.0.0.1",
            ["addresses:0:port"] = port.ToString(CultureInfo.InvariantCulture),
            ["addresses:0:socket"] = directory,
            ["addresses:0:interface"] = networkInterface,
        };
}
