using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;
using StorageOs.Contracts.Transports;
using StorageOs.Kernel.Ccm;

namespace StorageOs.Kernel.Tests;

/// <summary>
/// A connection manager without a partner that writes down what the host asks of it.
/// </summary>
internal sealed class FakeManager : IConnectionManager, IPlugin
{
    private static readonly PartnerView Nobody = new(
        PartnerCondition.Dead, BootPhase.None, 0, null, null, TimeSpan.Zero, TimeSpan.Zero,
        TimeSpan.Zero);

    internal ConcurrentQueue<string> Calls { get; } = new();

    public PartnerView Partner => Nobody;

    public CcmStatus Status => new(
        "Connecting", "FirstRead", Session, "nobody is there", null, [], Nobody, 0,
        TimeSpan.Zero, "");

    internal SessionId? Session { get; set; }

    /// <summary>What takes back a client; done at once unless a test says otherwise.</summary>
    internal Func<string, Task> Removing { get; set; } = static _ => Task.CompletedTask;

    public TransportTraits Traits { get; } = new("none", OneSided: true, SurvivesPowerLoss: false);

    public void Register(IPluginRegistry registry) =>
        registry.Services.AddSingleton<IConnectionManager>(this);

    public void Start() => Calls.Enqueue("start");

    public void SetBootPhase(BootPhase phase) => Calls.Enqueue($"phase {phase}");

    public Refusal? Admit(
        string name,
        IClient client,
        ClientNeeds needs,
        IReactor reactor,
        out IClientServices? services)
    {
        services = null;
        Calls.Enqueue($"admit {name}");
        foreach (PortNeed port in needs.Ports)
        {
            ArgumentNullException.ThrowIfNull(port); // As the real one does in effect.
        }

        return name == "greedy" ? new Refusal(name, "at most 1 GiB", "1 TiB") : null;
    }

    public void Started(string name) => Calls.Enqueue($"started {name}");

    public void Leave(string name, string why) => Calls.Enqueue($"leave {name}");

    public Task RemoveAsync(string name, string why)
    {
        Calls.Enqueue($"remove {name}");
        return Removing(name);
    }

    public Task StopAsync(string why)
    {
        Calls.Enqueue("stop");
        return Task.CompletedTask;
    }
}
