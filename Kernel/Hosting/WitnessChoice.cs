namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Which of several witnesses is meant where the configuration does not name it: the one that has
/// settings. Pure.
/// </summary>
internal static class WitnessChoice
{
    /// <summary>
    /// Witnesses to leave alone. Where the configuration names the plugins to load, those that are
    /// installed and have no settings: it may name another witness, or mean to have none. Else all
    /// without settings but for a single one, which may need none. Two that have settings are both
    /// loaded, for a register that is to move from one to the other.
    /// </summary>
    internal static IReadOnlyList<PluginManifest> NotMeant(
        IEnumerable<PluginManifest> plugins, Func<string, bool> hasSettings,
        IReadOnlyList<string>? named)
    {
        PluginManifest[] all =
            [.. plugins.Where(static manifest => manifest.Kind == PluginKind.Witness)];
        return named is null && all.Length < 2
            ? []
            : [.. all.Where(manifest => !hasSettings(manifest.Id)
                && (named is null || (manifest.Origin == PluginOrigin.Store
                    && !named.Contains(manifest.Id))))];
    }
}
