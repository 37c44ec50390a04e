namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Which plugins are left alone although they are there: pure, by manifests and settings.
/// </summary>
internal static class UnnamedPlugins
{
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
