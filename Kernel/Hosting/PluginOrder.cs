using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>A plugin and those it takes services from, with the service taken.</summary>
internal sealed record PluginLink(
    PluginManifest Manifest, IReadOnlyList<(Type Service, PluginManifest Provider)> Providers);

/// <summary>
/// Orders plugins so that each comes after those it requires services of. Pure. A plugin whose
/// requirement nobody meets, or that waits for itself in a circle, is refused by name with all
/// that hang on it; the others are not touched.
/// </summary>
internal static class PluginOrder
{
    /// <summary>Orders; what is refused is added to <paramref name="refusals"/> by id.</summary>
    internal static IReadOnlyList<PluginLink> Of(
        IReadOnlyList<PluginManifest> plugins, IDictionary<string, Refusal> refusals)
    {
        Dictionary<Type, List<PluginManifest>> providers = Providers(plugins, refusals);
        List<PluginLink> ordered = [];
        HashSet<PluginManifest> done = [];
        List<PluginManifest> left = [.. plugins.Where(plugin => !refusals.ContainsKey(plugin.Id))];
        while (left.FirstOrDefault(plugin => Needs(plugin).All(IsMet)) is { } next)
        {
            ordered.Add(new PluginLink(next, [
                .. Needs(next).Distinct().SelectMany(
                    service => providers[service].Select(provider => (service, provider)))]));
            done.Add(next);
            left.Remove(next);
        }

        foreach (PluginManifest refused in left)
        {
            Type service = Needs(refused).First(service => !IsMet(service));
            string found = !providers.TryGetValue(service, out List<PluginManifest>? those)
                ? "no plugin that provides it"
                : $"{those[0].Id}, which is itself refused or waits for it in a circle";
            refusals[refused.Id] = new Refusal(
                $"plugin {refused.Id}", $"a provider of {service.Name}", found,
                "add one to plugins:directories and plugins:clients");
        }

        return ordered;

        IEnumerable<Type> Needs(PluginManifest plugin) =>
            plugin.Requires.Concat(plugin.Uses.Where(providers.ContainsKey));

        bool IsMet(Type service) =>
            providers.TryGetValue(service, out List<PluginManifest>? those)
            && those.All(done.Contains);
    }

    private static Dictionary<Type, List<PluginManifest>> Providers(
        IReadOnlyList<PluginManifest> plugins, IDictionary<string, Refusal> refusals)
    {
        Dictionary<Type, List<PluginManifest>> providers = [];
        foreach (PluginManifest plugin in plugins)
        {
            Type? taken = plugin.Provides.FirstOrDefault(
                service => providers.TryGetValue(service, out List<PluginManifest>? those)
                    && !MayBeSeveral(plugin, those));
            if (taken is not null)
            {
                refusals[plugin.Id] = new Refusal(
                    $"plugin {plugin.Id}", $"to be the only provider of {taken.Name}",
                    $"{providers[taken][0].Id}, which provides it",
                    "name one of them in plugins:clients");
                continue;
            }

            foreach (Type service in plugin.Provides)
            {
                if (!providers.TryGetValue(service, out List<PluginManifest>? those))
                {
                    providers.Add(service, those = []);
                }

                those.Add(plugin);
            }
        }

        return providers;
    }

    /// <summary>
    /// Witnesses may be several, for a register moves from one to another; whoever takes them is
    /// given each by its id, too, and must be told which is which.
    /// </summary>
    private static bool MayBeSeveral(PluginManifest plugin, List<PluginManifest> others) =>
        plugin.Kind == PluginKind.Witness
        && others.TrueForAll(static other => other.Kind == PluginKind.Witness);
}
