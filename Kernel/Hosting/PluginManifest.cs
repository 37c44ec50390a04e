using StorageOs.Contracts.Plugins;

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
