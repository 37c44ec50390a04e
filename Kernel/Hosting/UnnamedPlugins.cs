using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Which plugins are left alone although they are there: pure, by manifests and settings.
/// </summary>
internal static class UnnamedPlugins
{
    /// <summary>
    /// What the configuration names, what is installed, which has a switch of its own, and what the
    /// node was handed; all when it names none; but for spare witnesses and what is for those alone
    /// who give it settings.
    /// </summary>
    /// <param name="good">All but transports that may be loaded, by id.</param>
    /// <param name="settings">What the node is configured with.</param>
    /// <returns>Ids of what to load, named ones that are not there too; what is spare.</returns>
    internal static (IEnumerable<string> Wanted, IReadOnlyList<PluginManifest> Spare) WantedOf(
        IReadOnlyDictionary<string, PluginManifest> good, PluginSettings settings)
    {
        IReadOnlyList<PluginManifest> spare = NotMeant(
            good.Values, id => settings.Settings.GetSection(id).GetChildren().Any(),
            settings.Clients);
        IEnumerable<string> installed = good.Values
            .Where(static manifest => manifest.Origin is PluginOrigin.Store or PluginOrigin.Host)
            .Select(static manifest => manifest.Id);
        return ((settings.Clients?.Union(installed) ?? good.Keys)
            .Except(spare.Select(static manifest => manifest.Id)), spare);
    }

    /// <summary>That what the configuration names is nowhere.</summary>
    internal static Refusal Missing(string id) => new(
        $"plugin {id}", "a plugin of that id in plugins:directories", "none");

    /// <summary>
    /// What is loaded only when it has settings, and has none. Witnesses to leave alone: where the
    /// configuration names the plugins to load, those that are installed and have no settings: it
    /// may name another witness, or mean to have none. Else all without settings but for a single
    /// one, which may need none. Two that have settings are both loaded, for a register that is to
    /// move from one to the other.
    /// </summary>
    internal static IReadOnlyList<PluginManifest> NotMeant(
        IEnumerable<PluginManifest> plugins, Func<string, bool> hasSettings,
        IReadOnlyList<string>? named)
    {
        PluginManifest[] all = [.. plugins];
        bool oneWitness = named is null
            && all.Count(static manifest => manifest.Kind == PluginKind.Witness) < 2;
        return [.. all.Where(manifest => !hasSettings(manifest.Id) && (manifest.Kind switch
        {
            PluginKind.Witness => !oneWitness && (named is null
                || (manifest.Origin == PluginOrigin.Store && !named.Contains(manifest.Id))),
            _ => manifest.Load == PluginLoad.Configured && named?.Contains(manifest.Id) != true,
        }))];
    }
}
