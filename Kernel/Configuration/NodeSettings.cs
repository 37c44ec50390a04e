using System.Net;
using Microsoft.Extensions.Configuration;
using StorageOs.Contracts.Plugins;
using StorageOs.Kernel.Logs;

namespace StorageOs.Kernel.Configuration;

/// <summary>
/// Everything one node is configured with, checked: a value of this type can be booted from.
/// Made by <see cref="NodeConfiguration.Load"/>; docs/CONFIGURATION.md lists the file's keys.
/// </summary>
/// <param name="Node">This node.</param>
/// <param name="Partner">Its partner, by preset values.</param>
/// <param name="Pair">What both nodes share.</param>
/// <param name="Transport">The transport, chosen by name, and this node's place on it.</param>
/// <param name="ManagementSocket">Full path of the management socket.</param>
/// <param name="Plugins">Which plugins, from where, with which settings.</param>
/// <param name="Source">The file it was read from, for people.</param>
public sealed record NodeSettings(
    LocalNodeSettings Node,
    PartnerSettings Partner,
    PairSettings Pair,
    TransportChoice Transport,
    string ManagementSocket,
    PluginSettings Plugins,
    string Source)
{
    /// <summary>
    /// Reads them again from where they came from; null when they came from nowhere. Throws
    /// <see cref="Contracts.Runtime.RefusedException"/> when they are no good now.
    /// </summary>
    internal Func<NodeSettings>? Reread { get; init; }

    /// <summary>What the node does for the machine it runs on.</summary>
    public MachineSettings Machine { get; init; } = new();
}

/// <summary>
/// What the node does for the machine it runs on; all of it is off unless configured, as the image
/// does.
/// </summary>
public sealed record MachineSettings
{
    /// <summary>Watchdog device to feed, such as <c>/dev/watchdog</c>; null for none.</summary>
    public string? Watchdog { get; init; }

    /// <summary>Terminal that shows the node's state whenever it changes; null for none.</summary>
    public string? Console { get; init; }

    /// <summary>
    /// Full paths that must exist before client plugins are loaded: mounted disks, say. The session
    /// with the partner does not wait for them.
    /// </summary>
    public IReadOnlyList<string> WaitFor { get; init; } = [];

    /// <summary>
    /// How long client plugins wait for the first session, counted from when
    /// <see cref="WaitFor"/> is there. Two nodes that are switched on together then begin as a
    /// pair, and not one of them alone; zero does not wait.
    /// </summary>
    public TimeSpan PartnerWait { get; init; } = TimeSpan.Zero;

    /// <summary>How the node's own process writes its log.</summary>
    public LogSettings Log { get; init; } = new();

    /// <summary>Management over TCP; null for none.</summary>
    public RemoteManagement? Remote { get; init; }

    /// <summary>What the image sets the machine up by; null when nothing says.</summary>
    internal IConfigurationSection? Image { get; init; }
}

/// <summary>Management over TCP, for who proves to know the key.</summary>
/// <param name="Address">Where to listen.</param>
/// <param name="Key">The key, read from a file that only its owner can read.</param>
public sealed record RemoteManagement(IPEndPoint Address, ReadOnlyMemory<byte> Key)
{
    /// <summary>Says everything but the key.</summary>
    public override string ToString() => $"management at {Address}";
}

/// <summary>This node.</summary>
/// <param name="Name">Its name, in status, logs and the partner's configuration.</param>
/// <param name="SystemId">Its stable id; never 0.</param>
/// <param name="DataDirectory">Full path of what must survive it.</param>
/// <param name="NvramDirectory">Full path of backing files of mirrored memory.</param>
/// <param name="Persistence">The level at which flushes are answered.</param>
public sealed record LocalNodeSettings(
    string Name,
    ulong SystemId,
    string DataDirectory,
    string NvramDirectory,
    PersistenceLevel Persistence)
{
    /// <summary>How often the node shows that it is well, and looks at its partner.</summary>
    public TimeSpan BeatPeriod { get; init; } = TimeSpan.FromMilliseconds(2);
}

/// <summary>The partner, as it is known before it has said a word.</summary>
/// <param name="Name">Its name.</param>
/// <param name="SystemId">Its system id; never this node's.</param>
/// <param name="Address">Its preset hardware address, typed by the transport.</param>
/// <param name="Port">Its preset port number.</param>
/// <param name="MemoryAddress">Preset address of its status page in its memory.</param>
public sealed record PartnerSettings(
    string Name, ulong SystemId, string Address, uint Port, ulong MemoryAddress);

/// <summary>What makes two nodes a pair.</summary>
/// <param name="Id">Id of the pair; the same on both.</param>
/// <param name="Key">The shared key, read from a file that only its owner can read.</param>
public sealed record PairSettings(Guid Id, ReadOnlyMemory<byte> Key)
{
    /// <summary>Says everything but the key.</summary>
    public override string ToString() => $"pair {Id}";
}

/// <summary>The transport and this node's place on it.</summary>
/// <param name="Name">Id in the transport's manifest.</param>
/// <param name="Address">This node's preset hardware address.</param>
/// <param name="Port">This node's preset port number.</param>
/// <param name="MemoryAddress">Preset address of this node's status page.</param>
/// <param name="Options">The transport's own options, by name.</param>
public sealed record TransportChoice(
    string Name,
    string Address,
    uint Port,
    ulong MemoryAddress,
    IReadOnlyDictionary<string, string> Options);

/// <summary>Which plugins a node loads.</summary>
/// <param name="Directories">
/// Full paths: each a plugin's folder, or a folder of such folders, in order.
/// </param>
/// <param name="Clients">Ids of what to load beside the transport; null means all found.</param>
/// <param name="Settings">Settings by plugin id, below <c>plugins:settings</c>.</param>
/// <param name="RegistrationTimeMax">
/// How long a plugin's constructor and registration may take.
/// </param>
public sealed record PluginSettings(
    IReadOnlyList<string> Directories,
    IReadOnlyList<string>? Clients,
    IConfiguration Settings,
    TimeSpan RegistrationTimeMax)
{
    /// <summary>
    /// How long a callback of a plugin with a reactor of its own may take before it is ended.
    /// </summary>
    public TimeSpan CallbackTimeMax { get; init; } = Limits.CallbackTimeUsual;

    /// <summary>Full path of the folder of installed plugins; empty for none.</summary>
    public string Store { get; init; } = "";

    /// <summary>Full path of the folder of public keys that are trusted; null for none.</summary>
    public string? Trust { get; init; }

    /// <summary>
    /// Whether plugins that did not come with the kernel must be signed by one of them.
    /// </summary>
    public bool RequireSigned { get; init; }
}
