using StorageOs.Contracts.Runtime;

namespace StorageOs.Kernel.Hosting;

/// <summary>One plugin that was looked at: its manifest, or why there is none.</summary>
/// <param name="Name">Its id, or its folder's name when the manifest does not say.</param>
/// <param name="Manifest">The checked manifest; null when refused.</param>
/// <param name="Refusal">Why not; null when the manifest is good.</param>
internal sealed record PluginCandidate(string Name, PluginManifest? Manifest, Refusal? Refusal);

/// <summary>
/// Finds plugins by their manifests. No code is loaded, so a folder full of rubbish costs a list
/// of refusals and nothing else.
/// </summary>
internal static class PluginCatalog
{
    /// <summary>
    /// Looks into each directory: a plugin's folder, or a folder of such folders.
    /// </summary>
    internal static IReadOnlyList<PluginCandidate> Find(IReadOnlyList<string> directories)
    {
        List<PluginCandidate> found = [];
        HashSet<string> ids = [];
        foreach (string folder in directories.SelectMany(Folders).Distinct())
        {
            PluginCandidate candidate = Look(folder);
            if (found.Count == Limits.PluginsMax)
            {
                Refusal full = new(
                    $"plugin folder {folder}", $"at most {Limits.PluginsMax} plugins", "more");
                found.Add(new PluginCandidate(candidate.Name, null, full));
                break;
            }

            if (candidate.Manifest is { } manifest && !ids.Add(manifest.Id))
            {
                Refusal twice = new(
                    $"plugin {manifest.Id} in {folder}", "an id of its own", "another of that id");
                candidate = new PluginCandidate($"{manifest.Id} ({folder})", null, twice);
            }

            found.Add(candidate);
        }

        return found;
    }

    /// <summary>Ids of all good plugins of a kind.</summary>
    internal static IReadOnlyList<string> IdsOf(
        IReadOnlyList<string> directories, PluginKind kind) =>
        [.. Find(directories).Select(found => found.Manifest).OfType<PluginManifest>()
            .Where(manifest => manifest.Kind == kind).Select(manifest => manifest.Id)];

    private static IEnumerable<string> Folders(string directory)
    {
        if (!Directory.Exists(directory) || HasManifest(directory))
        {
            return [directory];
        }

        string[] inside =
        [
            .. Directory.EnumerateDirectories(directory).Where(HasManifest)
                .Order(StringComparer.Ordinal),
        ];
        bool isOneFolder = inside.Length == 0 && Directory.EnumerateFiles(directory).Any();
        return isOneFolder ? [directory] : inside;
    }

    private static bool HasManifest(string folder) =>
        File.Exists(Path.Combine(folder, ManifestReader.FileName));

    private static PluginCandidate Look(string folder)
    {
        Refusal? refusal = ManifestReader.TryRead(folder, out PluginManifest? manifest);
        return new PluginCandidate(
            manifest?.Id ?? Path.GetFileName(folder.TrimEnd('/')), manifest, refusal);
    }
}
