using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>A plugin and those it takes services from, with the service taken.</summary>
internal sealed record PluginLink(
    PluginManifest Manifest, IReadOnlyList<(Type Service, PluginManifest Provider)> Providers);

/// <summary>
/// Orders plugins so that each comes after those it requires services of, and those of the system
/// as early as they can: what comes first decides who gets a name or room. Pure. A plugin whose
/// requirement nobody meets, or that waits for itself in a circle, is refused by name with all
/// that hang on it; the others are not touched. In a circle with a plugin of the system the other
/// one is refused.
/// </summary>
internal sealed class PluginOrder
{
    private readonly Dictionary<Type, List<PluginManifest>> providers;
    private readonly IDictionary<string, Refusal> refusals;
    private readonly List<PluginManifest> left;
    private readonly HashSet<PluginManifest> done = [];

    private PluginOrder(
        IReadOnlyList<PluginManifest> plugins, IDictionary<string, Refusal> refusals)
    {
        providers = Providers(plugins, refusals);
        this.refusals = refusals;
        left = [.. plugins.Where(plugin => !refusals.ContainsKey(plugin.Id))];
    }

    /// <summary>Orders; what is refused is added to <paramref name="refusals"/> by id.</summary>
    internal static IReadOnlyList<PluginLink> Of(
        IReadOnlyList<PluginManifest> plugins, IDictionary<string, Refusal> refusals)
    {
        PluginManifest[] systemFirst = [.. plugins.OrderBy(static plugin => !IsSystem(plugin))];
        return new PluginOrder(systemFirst, refusals).Run();
    }

    private static bool IsSystem(PluginManifest plugin) => plugin.Origin == PluginOrigin.System;

    private List<PluginLink> Run()
    {
        List<PluginLink> ordered = [];
        while (left.Count > 0)
        {
            PluginManifest[] ready = [.. left.Where(plugin => Needs(plugin).All(IsMet))];
            if ((ready.FirstOrDefault(static plugin => IsSystem(plugin))
                ?? ready.FirstOrDefault(IsWaitedFor) ?? ready.FirstOrDefault()) is { } next)
            {
                ordered.Add(new PluginLink(next, [
                    .. Needs(next).Distinct().SelectMany(
                        service => Living(service).Select(provider => (service, provider)))]));
                done.Add(next);
                left.Remove(next);
            }
            else if (left.FirstOrDefault(IsInTheWay) is { } other)
            {
                refusals[other.Id] = WhyNot(other);
                left.Remove(other);
            }
            else
            {
                // All reasons first: each is of what hangs on what as it is now.
                Refusal[] reasons = [.. left.Select(WhyNot)];
                foreach ((PluginManifest refused, Refusal reason) in left.Zip(reasons))
                {
                    refusals[refused.Id] = reason;
                }

                left.Clear();
            }
        }

        return ordered;
    }

    /// <summary>What a plugin waits for, of what there still is to come.</summary>
    private IEnumerable<Type> Needs(PluginManifest plugin) =>
        plugin.Requires.Concat(plugin.Uses.Where(service => Living(service).Any()));

    private IEnumerable<PluginManifest> Living(Type service) =>
        providers.TryGetValue(service, out List<PluginManifest>? those)
            ? those.Where(plugin => !refusals.ContainsKey(plugin.Id)) : [];

    private bool IsMet(Type service) => Living(service).Any() && Living(service).All(done.Contains);

    /// <summary>
    /// Whether a plugin that is none of the system's, and cannot come, keeps one of those waiting.
    /// </summary>
    private bool IsInTheWay(PluginManifest plugin) =>
        !IsSystem(plugin) && IsWaitedFor(plugin)
        && (WaitsFor(plugin, plugin, [])
            || plugin.Requires.Any(service => !Living(service).Any()));

    /// <summary>Whether a plugin of the system waits for it.</summary>
    private bool IsWaitedFor(PluginManifest plugin) =>
        left.Any(waiting => IsSystem(waiting) && WaitsFor(waiting, plugin, []));

    private bool WaitsFor(
        PluginManifest plugin, PluginManifest other, HashSet<PluginManifest> seen) =>
        Needs(plugin).SelectMany(Living).Any(provider => !done.Contains(provider)
            && (provider == other || (seen.Add(provider) && WaitsFor(provider, other, seen))));

    private Refusal WhyNot(PluginManifest refused)
    {
        Type service = Needs(refused).First(service => !IsMet(service));
        PluginManifest? provider = Living(service).FirstOrDefault(those => !done.Contains(those))
            ?? providers.GetValueOrDefault(service)?[0];
        return new Refusal(
            $"plugin {refused.Id}", $"a provider of {service.Name}",
            provider is null ? "no plugin that provides it"
                : $"{provider.Id}, which is itself refused or waits for it in a circle",
            "add one to plugins:directories and plugins:clients");
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
