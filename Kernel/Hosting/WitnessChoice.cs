namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Which of several witnesses is meant when the configuration does not name the plugins to load:
/// the one that has settings. Pure.
/// </summary>
internal static class WitnessChoice
{
    /// <summary>
    /// Witnesses to leave alone; none where there is but one, which may need no settings. Two that
    /// have settings are both loaded, for a register that is to move from one to the other.
    /// </summary>
    internal static IReadOnlyList<PluginManifest> NotMeant(
        IEnumerable<PluginManifest> plugins, Func<string, bool> hasSettings)
    {
        PluginManifest[] all =
            [.. plugins.Where(static manifest => manifest.Kind == PluginKind.Witness)];
        return all.Length < 2
            ? []
            : [.. all.Where(manifest => !hasSettings(manifest.Id))];
    }
}
