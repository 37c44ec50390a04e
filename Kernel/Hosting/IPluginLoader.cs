using StorageOs.Contracts.Plugins;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Loads a plugin's code into a load context of its own. The one place that knows how; everything
/// else sees this interface.
/// </summary>
internal interface IPluginLoader
{
    /// <summary>Loads the assembly and makes the entry type.</summary>
    /// <exception cref="Contracts.Runtime.RefusedException">
    /// It is no assembly, the type is missing, is no plugin, or its constructor threw.
    /// </exception>
    ILoadedPlugin Load(PluginManifest manifest);
}

/// <summary>
/// A loaded plugin. Disposing unloads it once nothing of it is referenced any more.
/// </summary>
internal interface ILoadedPlugin : IDisposable
{
    /// <summary>The entry object.</summary>
    IPlugin Plugin { get; }

    /// <summary>
    /// Alive while its code is in memory, after it was disposed, too; null for code that is never
    /// unloaded.
    /// </summary>
    WeakReference? Code { get; }
}
