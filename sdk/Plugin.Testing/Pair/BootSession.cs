using StorageOs.Contracts.Clients;
using StorageOs.Contracts.Transports;

namespace StorageOs.Plugin.Testing.Pair;

/// <summary>What one boot has in one session.</summary>
internal sealed class BootSession(SessionId id, ulong partnerEpoch, ushort version)
{
    /// <summary>The session.</summary>
    public SessionId Id => id;

    /// <summary>Open ports, by name.</summary>
    public Dictionary<string, PairPort> Ports { get; } = [];

    /// <summary>Every port that there was.</summary>
    public List<PairPort> AllPorts { get; } = [];

    /// <summary>The twin's regions.</summary>
    public Dictionary<string, IRemoteMemory> Memory { get; } = [];

    /// <summary>What of the twin's is offered on request now.</summary>
    public Dictionary<string, IRemoteMemory> OnRequest { get; } = [];

    /// <summary>Whether the client was told that it is ready.</summary>
    public bool WasTold { get; set; }

    /// <summary>Why it has ended; null while it stands.</summary>
    public SessionEnd? End { get; set; }

    /// <summary>What the client is told.</summary>
    public ClientGrant Grant() => new(
        id, partnerEpoch, version,
        Ports.ToDictionary(static port => port.Key, static port => (IPort)port.Value),
        new Dictionary<string, IRemoteMemory>(Memory))
    {
        Meeting = id.LowAttempt,
    };

    /// <summary>Puts a port in place of what there was under its name.</summary>
    public void Open(PairPort port)
    {
        Ports[port.Name] = port;
        AllPorts.Add(port);
    }
}
