using System.Reflection;
using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>One event that may be raised, and who raises it.</summary>
/// <param name="Source"><c>kernel</c>, or a plugin's id.</param>
/// <param name="What">The event.</param>
internal sealed record CatalogueEntry(string Source, NodeEvent What);

/// <summary>
/// Gathers the events of the kernel and of plugins from their code: the static fields of classes
/// with <see cref="EventCatalogueAttribute"/>.
/// </summary>
internal static class EventCatalogue
{
    /// <summary>Those of the kernel, then those of each plugin that can be loaded.</summary>
    /// <exception cref="RefusedException">Two events have one id.</exception>
    internal static IReadOnlyList<CatalogueEntry> Of(IReadOnlyList<string> directories)
    {
        List<CatalogueEntry> all = [.. Of("kernel", typeof(EventCatalogue).Assembly)];
        McMasterPluginLoader loader = new();
        foreach (PluginManifest manifest in PluginCatalog.Find(directories)
            .Select(static candidate => candidate.Good).OfType<PluginManifest>()
            .OrderBy(static manifest => manifest.Id, StringComparer.Ordinal))
        {
            using ILoadedPlugin plugin = loader.Load(manifest);
            all.AddRange(Of(manifest.Id, plugin.Plugin.GetType().Assembly));
        }

        return all.GroupBy(static entry => entry.What.Id).FirstOrDefault(
            static same => same.Count() > 1) is not { } twice
            ? all
            : throw new RefusedException(new Refusal(
                $"event {twice.Key}", "one that says it",
                string.Join(" and ", twice.Select(static entry => entry.Source))));
    }

    private static IEnumerable<CatalogueEntry> Of(string source, Assembly assembly) =>
        assembly.GetTypes()
            .Where(static type => type.GetCustomAttribute<EventCatalogueAttribute>() is not null)
            .SelectMany(static type => type.GetFields(
                BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
            .Select(static field => field.GetValue(null)).OfType<NodeEvent>()
            .OrderBy(static what => what.Id, StringComparer.Ordinal)
            .Select(what => new CatalogueEntry(source, what));
}
