using System.Reflection;
using StorageOs.Contracts.Plugins;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// A client plugin that the program which the kernel is a part of hands over: its code is that
/// program's own, so nothing is loaded and nothing of it is checked but its id. In everything else,
/// needs and limits among them, it is a plugin like any other, on a reactor of its own.
/// </summary>
/// <param name="Id">Its id, by which configuration and status name it.</param>
/// <param name="Make">Makes its entry object, which registers a client; called once.</param>
public sealed record EmbeddedPlugin(string Id, Func<IPlugin> Make)
{
    internal PluginCandidate Look()
    {
        if (Id.Length is 0 or > Limits.NameCharsMax || Id.Any(static letter =>
                !char.IsAsciiLetterOrDigit(letter) && !"._-".Contains(letter)))
        {
            return new(Id, null, new Finding(FindingKind.Wrong, new Refusal(
                "a plugin of this program",
                $"an id of 1 to {Limits.NameCharsMax} letters, digits, dots, dashes, underscores",
                $"\"{Id}\"")));
        }

        AssemblyName? program = Assembly.GetEntryAssembly()?.GetName();
        return new(Id, new PluginManifest(
            Id, program?.Version?.ToString() ?? "", PluginKind.Client, AppContext.BaseDirectory,
            program?.Name ?? "", "", [], [], PluginPlacement.Own)
        {
            Origin = PluginOrigin.Host,
            NeedsRestart = true,
        }, null);
    }
}

/// <summary>Loads nothing of what the node was handed, and everything else by another.</summary>
internal sealed class EmbeddedLoader(
    IReadOnlyList<EmbeddedPlugin> embedded, IPluginLoader others) : IPluginLoader
{
    /// <inheritdoc/>
    public ILoadedPlugin Load(PluginManifest manifest) => manifest.Origin == PluginOrigin.Host
        ? new Given(embedded.First(plugin => plugin.Id == manifest.Id).Make())
        : others.Load(manifest);

    private sealed class Given(IPlugin plugin) : ILoadedPlugin
    {
        public IPlugin Plugin => plugin;

        public void Dispose()
        {
            // The object is the program's; a load context there is none.
        }
    }
}
