using StorageOs.Contracts.Plugins;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// A plugin's <c>plugin.json</c>, checked: what is known of a plugin before any code of it is
/// loaded. docs/PLUGINS.md lists the keys.
/// </summary>
/// <param name="Id">Its id, by which configuration and status name it.</param>
/// <param name="Version">Its own version, for people.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Folder">Full path of its folder.</param>
/// <param name="Assembly">Full path of its main assembly; exists.</param>
/// <param name="Type">Full name of its entry type, an <see cref="IPlugin"/>.</param>
/// <param name="Provides">Services it offers to others.</param>
/// <param name="Requires">Services it needs of others.</param>
/// <param name="Placement">Which reactor it runs on.</param>
internal sealed record PluginManifest(
    string Id,
    string Version,
    PluginKind Kind,
    string Folder,
    string Assembly,
    string Type,
    IReadOnlyList<Type> Provides,
    IReadOnlyList<Type> Requires,
    PluginPlacement Placement)
{
    /// <summary>
    /// Services it takes when a plugin that is to be loaded provides them: it then hangs on that
    /// one as if it required it, and is refused with it.
    /// </summary>
    public IReadOnlyList<Type> Uses { get; init; } = [];

    /// <summary>
    /// Hash of every other file of its folder, by path; null when it does not say. The signature's
    /// file is not among them, for it is made after the manifest.
    /// </summary>
    public IReadOnlyDictionary<string, string>? Files { get; init; }

    /// <summary>How far its maker trusts it; null when it does not say.</summary>
    public PluginMaturity? Maturity { get; init; }

    /// <summary>What its clients may ask for.</summary>
    public PluginLimits Limits { get; init; } = new();

    /// <summary>What its settings must look like.</summary>
    public SettingsSchema Settings { get; init; } = SettingsSchema.Anything;

    /// <summary>
    /// Whether a change of it needs a restart of the node: when it says so, and for what everything
    /// else stands on in any case.
    /// </summary>
    public bool NeedsRestart { get; init; }

    /// <summary>Where its clients run.</summary>
    public PluginIsolation Isolation { get; init; }

    /// <summary>What it may do beside being what it is.</summary>
    public IReadOnlyList<PluginCapability> Capabilities { get; init; } = [];

    /// <summary>When it is loaded.</summary>
    public PluginLoad Load { get; init; }

    /// <summary>Whether its node does not go on when it fails.</summary>
    public bool Critical { get; init; }

    /// <summary>Where it was found.</summary>
    public PluginOrigin Origin { get; init; }

    /// <summary>By whom it is signed.</summary>
    public SignatureState Signature { get; init; }
}

/// <summary>Where a plugin comes from.</summary>
internal enum PluginOrigin
{
    /// <summary>A folder that the configuration names.</summary>
    Directory,

    /// <summary>Beside the kernel: whoever can change it can change the kernel.</summary>
    System,

    /// <summary>Installed into the node's store.</summary>
    Store,

    /// <summary>Handed over by the program that the kernel is a part of.</summary>
    Host,
}

/// <summary>By whom a manifest is signed.</summary>
internal enum SignatureState
{
    /// <summary>By nobody.</summary>
    None,

    /// <summary>By a key of the trust directory.</summary>
    Known,

    /// <summary>By a key that is not there.</summary>
    Unknown,
}

/// <summary>How far a plugin's maker trusts it.</summary>
internal enum PluginMaturity
{
    /// <summary>To try out.</summary>
    Experimental,

    /// <summary>Complete, and young.</summary>
    Preview,

    /// <summary>To rely on.</summary>
    Stable,
}

/// <summary>
/// What a plugin's clients may ask for, all together; null for the kernel's limits.
/// </summary>
/// <param name="MemoryBytes">Bytes of their regions.</param>
/// <param name="Ports">Their ports.</param>
/// <param name="Posts">Operations in flight on all their ports.</param>
/// <param name="LogLines">Lines of log a minute.</param>
/// <param name="HeapBytes">Managed memory of a process of its own.</param>
internal sealed record PluginLimits(
    long? MemoryBytes = null, int? Ports = null, int? Posts = null, int? LogLines = null,
    long? HeapBytes = null);

/// <summary>What a plugin may do beside being what it is.</summary>
internal enum PluginCapability
{
    /// <summary>Asks the node for all that an operator may.</summary>
    Operate,
}

/// <summary>When a plugin is loaded that nobody has named.</summary>
internal enum PluginLoad
{
    /// <summary>When it is found.</summary>
    Always,

    /// <summary>When it has settings.</summary>
    Configured,
}

/// <summary>Where a plugin's clients run.</summary>
internal enum PluginIsolation
{
    /// <summary>In the node's process: what ends that ends the node.</summary>
    None,

    /// <summary>In a process of its own, whose end costs its plugin alone.</summary>
    Process,
}

/// <summary>What a plugin is.</summary>
internal enum PluginKind
{
    /// <summary>Linked into the kernel and started first; no manifest says so.</summary>
    Core,

    /// <summary>Moves the bytes; one of them is chosen by the configuration.</summary>
    Transport,

    /// <summary>Uses the session.</summary>
    Client,

    /// <summary>Holds the ownership register.</summary>
    Witness,
}

/// <summary>Which reactor a plugin runs on.</summary>
internal enum PluginPlacement
{
    /// <summary>The kernel's own; transports only.</summary>
    Kernel,

    /// <summary>The one that all storage modules share.</summary>
    Storage,

    /// <summary>One for this plugin alone.</summary>
    Own,
}
