using Microsoft.Extensions.Logging;
using StorageOs.Contracts.Runtime;
using StorageOs.Kernel.Configuration;
using StorageOs.Kernel.Hosting.Schema;

namespace StorageOs.Kernel.Hosting;

/// <summary>
/// Whether a node would boot with a configuration and load all that it means: what can be known
/// without code of a plugin being run, and without touching what a node that runs uses.
/// </summary>
internal static class ConfigurationCheck
{
    /// <summary>Looks at everything; what is wrong, all at once.</summary>
    /// <param name="settings">What was read.</param>
    /// <param name="log">Hears of what costs no more than a plugin that is installed.</param>
    /// <param name="wanted">Ids of what would be loaded, the transport first.</param>
    /// <param name="unused">
    /// Ids with settings and without a plugin, which may be installed later or be a slip.
    /// </param>
    internal static IReadOnlyList<Refusal> Of(
        NodeSettings settings, ILogger log, out IReadOnlyList<string> wanted,
        out IReadOnlyList<string> unused)
    {
        List<Refusal> refusals = [];
        IReadOnlyList<PluginCandidate> found =
            PluginSource.Look([], settings.Plugins, log).Find(transportsAlone: false);
        if (TransportLoading.Choose(
            settings.Transport.Name, found, settings.Plugins.Directories, out Refusal? none)
            is { } transport)
        {
            refusals.AddRange(
                TransportLoading.CheckOptions(transport, settings.Transport.Options));
        }
        else
        {
            refusals.Add(none!);
        }

        Dictionary<string, PluginManifest> good = found
            .Select(static candidate => candidate.Good)
            .OfType<PluginManifest>()
            .Where(static manifest => manifest.Kind != PluginKind.Transport)
            .ToDictionary(static manifest => manifest.Id);
        string[] ids = [.. UnnamedPlugins.WantedOf(good, settings.Plugins).Wanted];
        refusals.AddRange(found.Where(candidate => IsMeant(candidate, settings))
            .Select(static candidate => candidate.Error!.Refusal));
        refusals.AddRange(ids
            .Where(id => !good.ContainsKey(id) && found.All(candidate => candidate.Name != id))
            .Select(UnnamedPlugins.Missing));
        PluginManifest[] those = [.. ids.Where(good.ContainsKey).Select(id => good[id])];
        refusals.AddRange(those.SelectMany(manifest => SettingsCheck.Of(
            manifest.Settings, settings.Plugins.Settings.GetSection(manifest.Id))));
        if (settings.Machine.Image is { } machine)
        {
            refusals.AddRange(SettingsCheck.Of(MachineSchema.Schema, machine));
        }

        Dictionary<string, Refusal> unmet = [];
        _ = PluginOrder.Of(those, unmet);
        refusals.AddRange(unmet.Values);
        wanted = [settings.Transport.Name, .. ids];
        unused = [.. settings.Plugins.Settings.GetChildren().Select(static child => child.Key)
            .Except(found.Select(static one => one.Name), StringComparer.OrdinalIgnoreCase)];
        return refusals;
    }

    /// <summary>Whether a plugin that is no good is one that the configuration speaks of.</summary>
    private static bool IsMeant(PluginCandidate candidate, NodeSettings settings) =>
        candidate.Error is { Kind: not FindingKind.Disabled }
        && candidate.Name != settings.Transport.Name
        && (settings.Plugins.Clients?.Contains(candidate.Name)
            ?? settings.Plugins.Settings.GetSection(candidate.Name).GetChildren().Any());
}
